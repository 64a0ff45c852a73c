"""The recurrent entropy model: exact integers, the same bytes alone and together, nothing unsound accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recurrent_reference as reference
import safetensors.numpy
from bitstream_strategies import random_packets, random_recurrent, recurrent_models
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import EntropyModel, InvalidEntropyModel, PacketCoder, RecurrentModel
from bitstream.entropy import batch as batches
from bitstream.entropy.batch import Batch
from bitstream.entropy.exponential import LIMIT, POWERS
from bitstream.entropy.fit import round_frequencies
from bitstream.entropy.model import packet_bits
from bitstream.entropy.recurrent import frequencies
from bitstream.entropy.spec import stream_title
from bitstream.errors import Damaged

GOLDEN = Path(__file__).parents[2] / "golden" / "recurrent"


@settings(max_examples=25, deadline=None)
@given(recurrent_models(), st.integers(0, 2**32))
def test_every_frequency_is_that_of_plain_integers(model: RecurrentModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    units, f0 = random_packets(model.spec, 1, rng)[0]
    batch, alone = Batch.of_packets(model.spec, [(units, f0)]), Batch(model.spec, [(units.shape[1], len(f0))], alone=True)
    few, many, single = model.lanes(batch), model.lanes(batch), model.lanes(alone)
    told = []
    for name, position, count in batch.steps():
        one = few.few(name, position, count)[0].frequencies
        assert many.frequencies(name, position, count).tolist() == [one]
        assert single.few(name, position, count)[0].frequencies == one
        told.append((int(batch.symbols(name)[position, 0]), one))
        alone.write(name, position, [told[-1][0]])
    expected = [(symbol, f) for _, symbol, f in reference.predict(model, units.tolist(), f0.tolist())]
    assert told == expected


@settings(max_examples=25, deadline=None)
@given(recurrent_models(), st.integers(0, 2**32), st.integers(1, 9))
def test_the_same_bytes_alone_and_together(model: RecurrentModel, seed: int, count: int) -> None:
    packets = random_packets(model.spec, count, np.random.default_rng(seed))
    coder = PacketCoder(model)
    payloads = coder.encode_payloads(packets)
    assert payloads == [coder.encode_payload(*packet) for packet in packets]
    shapes = [(units.shape[1], len(f0)) for units, f0 in packets]
    decoded = coder.decode_payloads(payloads, shapes)
    for packet, payload, shape, found in zip(packets, payloads, shapes, decoded, strict=True):
        assert not isinstance(found, Damaged)
        for one in (found, coder.decode_payload(payload, *shape)):
            assert np.array_equal(one[0], packet[0])
            assert np.array_equal(one[1], packet[1])
    bits = packet_bits(model, packets)
    for packet, each in zip(packets, bits, strict=True):
        own = model.packet_cost(*packet)
        assert {stream_title(name): value for name, value in each.items()} == pytest.approx(own)
    assert list(map(pytest.approx, bits)) == coder.payload_bits(payloads, shapes)
    first = PacketCoder(model, version=1)
    assert list(map(pytest.approx, bits)) == first.payload_bits([first.encode_payload(*packet) for packet in packets], shapes)
    for payload, each in zip(payloads, bits, strict=True):
        assert 8 * len(payload) <= sum(each.values()) + 16


def test_groups_of_like_length_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    model = EntropyModel.load(GOLDEN / "entropy.safetensors")
    packets = random_packets(model.spec, 23, np.random.default_rng(0))
    shapes = [(units.shape[1], len(f0)) for units, f0 in packets]
    coder = PacketCoder(model)
    whole, bits = coder.encode_payloads(packets), packet_bits(model, packets)
    monkeypatch.setattr(batches, "LANES", 4)
    assert coder.encode_payloads(packets) == whole
    assert packet_bits(model, packets) == bits
    whole[7] = b"\xff" * 9
    found = coder.decode_payloads(whole, shapes)
    assert [number for number, each in enumerate(found) if isinstance(each, Damaged)] == [7]
    spent = coder.payload_bits([*whole[:3], b"\xff" * (model.spec.max_payload + 1), *whole[4:]], shapes)
    assert [number for number, each in enumerate(spent) if isinstance(each, Damaged)] == [3, 7]
    for each, packet in zip(found, packets, strict=True):
        assert isinstance(each, Damaged) or all(map(np.array_equal, each, packet))


@settings(max_examples=30, deadline=None)
@given(recurrent_models(), st.integers(0, 2**32), st.binary(max_size=40))
def test_damage_is_refused_alike_alone_and_together(model: RecurrentModel, seed: int, noise: bytes) -> None:
    packets = random_packets(model.spec, 3, np.random.default_rng(seed))
    shapes = [(units.shape[1], len(f0)) for units, f0 in packets]
    coder = PacketCoder(model)
    payloads = coder.encode_payloads(packets)
    payloads[1] = noise[: model.spec.max_payload]
    found = coder.decode_payloads(payloads, shapes)
    try:
        alone: Any = coder.decode_payload(payloads[1], *shapes[1])
    except Damaged:
        assert isinstance(found[1], Damaged)
    else:
        assert not isinstance(found[1], Damaged)
        assert all(np.array_equal(a, b) for a, b in zip(alone, found[1], strict=True))
    for index in (0, 2):
        assert np.array_equal(found[index][0], packets[index][0])  # type: ignore[index]


@settings(max_examples=30, deadline=None)
@given(recurrent_models())
def test_save_and_load(model: RecurrentModel) -> None:
    again = EntropyModel.load(model.to_bytes())
    assert isinstance(again, RecurrentModel)
    assert again.spec == model.spec
    assert again.fingerprint == model.fingerprint
    assert again.to_bytes() == model.to_bytes()


@settings(max_examples=60, deadline=None)
@given(recurrent_models(), st.integers(0, 2**32), st.binary(max_size=20))
def test_the_speaker_code(model: RecurrentModel, seed: int, noise: bytes) -> None:
    rng = np.random.default_rng(seed)
    fields = [int(rng.integers(alphabet)) for alphabet in model.spec.speaker]
    data = model.pack_speaker(fields)
    assert model.unpack_speaker(data).tolist() == fields
    try:
        found = model.unpack_speaker(noise)
    except Damaged:
        return
    assert model.pack_speaker(found) == noise


def test_a_likely_speaker_costs_less(model: RecurrentModel) -> None:
    frequencies = np.concatenate(
        [round_frequencies(np.array(p), 16) for p in ([0.93] + [0.01] * 7, [0.2] * 5, [0.9, 0.05, 0.05])]
    )
    informed = RecurrentModel(model.spec, model.shifts, {**model.tensors(), "speaker": frequencies})
    assert informed.fingerprint != model.fingerprint
    assert EntropyModel.load(informed.to_bytes()).fingerprint == informed.fingerprint
    assert len(informed.pack_speaker([7, 4, 2])) == 2
    assert len(informed.pack_speaker([0, 0, 0])) <= 1
    for wrong in (frequencies[:-1], frequencies - 1, frequencies.astype(float)):
        with pytest.raises(InvalidEntropyModel, match="speaker"):
            RecurrentModel(model.spec, model.shifts, {**model.tensors(), "speaker": wrong})


def test_powers_are_the_nearest_integers() -> None:
    for index in [*range(0, LIMIT, 97), 1, 1023, 1024, 1025, LIMIT - 1, LIMIT]:
        assert POWERS[index] == reference.weight(index)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**20), 2**20), min_size=2, max_size=40), st.sampled_from((9, 16, 22)))
def test_odds_become_frequencies(odds: list[int], precision: int) -> None:
    made = frequencies(np.array([odds], np.float32), precision)[0]
    assert made.tolist() == reference.frequencies(odds, precision)
    assert made.min() >= 1
    assert made.sum() == 2**precision


@pytest.fixture(scope="module")
def model() -> RecurrentModel:
    loaded = EntropyModel.load(GOLDEN / "entropy.safetensors")
    assert isinstance(loaded, RecurrentModel)
    return loaded


def test_golden_payloads(model: RecurrentModel) -> None:
    """What was written once is written and read so for ever."""
    coder = PacketCoder(model)
    golden = json.loads((GOLDEN / "packets.json").read_text())
    assert golden["fingerprint"] == model.fingerprint
    for each in golden["packets"]:
        units, f0 = np.array(each["units"], np.int32), np.array(each["f0"], np.int32)
        assert coder.encode_payload(units, f0).hex() == each["payload"]
        again = coder.decode_payload(bytes.fromhex(each["payload"]), units.shape[1], len(f0))
        assert again[0].tolist() == each["units"]
        assert again[1].tolist() == each["f0"]


def test_another_integer_another_name(model: RecurrentModel) -> None:
    prints = {model.fingerprint}
    for name, part in model.tensors().items():
        changed = part.copy()
        changed.flat[0] -= 1
        prints.add(RecurrentModel(model.spec, model.shifts, {**model.tensors(), name: changed}).fingerprint)
    shifts = {**model.shifts, "recurrent.weight": model.shifts["recurrent.weight"] + 1}
    prints.add(RecurrentModel(model.spec, shifts, model.tensors()).fingerprint)
    prints.add(RecurrentModel(replace(model.spec, weights="ab"), model.shifts, model.tensors()).fingerprint)
    assert len(prints) == len(model.tensors()) + 3


def _without(parts: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: part for key, part in parts.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: _without(parts, "recurrent.initial"), "recurrent.initial must be"),
        (lambda parts: _without(parts, "output.units.0"), "tensors .* given"),
        (lambda parts: {**parts, "input.units.9": parts["input.f0"]}, "tensors .* given"),
        (lambda parts: {**parts, "input.f0": parts["input.f0"][:, :-1]}, "has shape"),
        (lambda parts: {**parts, "recurrent.bias": parts["recurrent.bias"].astype(float)}, "must hold integers"),
        (lambda parts: {**parts, "recurrent.weight": np.full_like(parts["recurrent.weight"], 30000)}, "is the limit"),
        (lambda parts: {**parts, "output.f0": np.full_like(parts["output.f0"], 30000)}, "is the limit"),
        (lambda parts: {**parts, "recurrent.initial": parts["recurrent.initial"] + 2**15}, "outside"),
        (lambda parts: {**parts, "table.f0": parts["table.f0"] + 2**21}, "outside"),
        (lambda parts: {**parts, "input.f0": parts["input.f0"].astype(np.int64) + 2**40}, "outside"),
    ],
)
def test_unsound_parts(model: RecurrentModel, change: Any, words: str) -> None:
    with pytest.raises(InvalidEntropyModel, match=words):
        RecurrentModel(model.spec, model.shifts, change(dict(model.tensors())))


@pytest.mark.parametrize("shifts", [{}, {"recurrent.weight": 99}, {"recurrent.weight": -1}, {"recurrent.weight": True}])
def test_unsound_shifts(model: RecurrentModel, shifts: dict[str, Any]) -> None:
    given = {**model.shifts, **shifts} if shifts else {}
    with pytest.raises(InvalidEntropyModel, match="shift"):
        RecurrentModel(model.spec, given, model.tensors())


def test_a_file_that_lies_about_its_kind(model: RecurrentModel) -> None:
    tensors = safetensors.numpy.load(model.to_bytes())
    description = {"fingerprint": model.fingerprint, **model.description(), "recurrent": [1]}
    data = safetensors.numpy.save(tensors, {"unitcodec": json.dumps(description)})
    with pytest.raises(InvalidEntropyModel, match="object of shifts"):
        EntropyModel.load(data)


def test_sums_at_the_limit_are_exact() -> None:
    """Weights as large as a model may have: every product must be what integers make of it."""
    rng = np.random.default_rng(3)
    model = random_recurrent(replace(_spec(), precision=16), rng, hidden=96, loud=True)
    for units, f0 in random_packets(model.spec, 3, rng):
        expected = [f[symbol] for _, symbol, f in reference.predict(model, units.tolist(), f0.tolist())]
        bits = sum(16 - np.log2(expected))
        assert sum(model.packet_cost(units, f0).values()) == pytest.approx(bits, abs=1e-9)


def _spec() -> Any:
    return EntropyModel.load(GOLDEN / "entropy.safetensors").spec
