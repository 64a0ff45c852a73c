from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from bitstream_strategies import models_and_codes, random_model, specs
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import (
    EntropyModel,
    EntropySpec,
    InvalidCodes,
    InvalidEntropyModel,
    SpeechCodes,
    Stream,
    TableModel,
    UnknownModel,
    fit_tables,
)
from bitstream.entropy.fit import round_frequencies, smooth
from bitstream.entropy.rangecoder import encode


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.sampled_from((9, 12, 16, 20, 22)), st.integers(0, 2**32), st.floats(0.01, 10))
def test_the_coder_uses_exactly_our_integers(alphabet: int, precision: int, seed: int, spread: float) -> None:
    """constriction's interval after one symbol, which the tail is given, has the edge and the width that we gave it."""
    rng = np.random.default_rng(seed)
    frequencies = round_frequencies(rng.dirichlet(np.full(alphabet, spread)), precision).tolist()
    edge, scale, seen = 0, 2**64 - 1 >> 24, []

    def tail(low: int, width: int, size: int) -> bytes:
        seen.append((low >> 8 * (size - 8), width >> 8 * (size - 8)))
        return b""

    for frequency in frequencies:
        encode(np.array([[edge], [frequency]]), precision, tail)
        assert seen.pop() == (scale * (edge << 24 - precision), scale * (frequency << 24 - precision))
        edge += frequency


@settings(max_examples=40, deadline=None)
@given(specs(), st.integers(0, 2**32))
def test_save_and_load(spec: EntropySpec, seed: int) -> None:
    model = random_model(spec, np.random.default_rng(seed))
    again = EntropyModel.load(model.to_bytes())
    assert again.spec == spec
    assert again.fingerprint == model.fingerprint
    assert again.to_bytes() == model.to_bytes()
    assert all(np.array_equal(again.tables[title], table) for title, table in model.tables.items())


@settings(max_examples=30, deadline=None)
@given(models_and_codes())
def test_fit_gives_a_sound_model(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    fitted = fit_tables([(codes.units, codes.f0)] * 20, model.spec)
    assert fitted.fingerprint == fit_tables([(codes.units, codes.f0)] * 20, model.spec).fingerprint
    own = SpeechCodes(codes.units, codes.f0, codes.speaker, codes.num_samples, fitted.fingerprint)
    even = fit_tables([], model.spec)
    same = SpeechCodes(codes.units, codes.f0, codes.speaker, codes.num_samples, even.fingerprint)
    assert sum(fitted.cost(own).values()) <= sum(even.cost(same).values()) + 1e-6 + 2 * codes.units.size / 2**model.spec.precision


def test_counts_by_hand() -> None:
    """Row 0 after itself: in 4-frame packets the first symbol of a packet has the context "before the packet"."""
    spec = EntropySpec((Stream(3, ((0, 1),)),), Stream(1), (), packet_frames=4, precision=16)
    model = fit_tables([([[0, 1, 0, 1, 2, 2, 2, 2]], [0] * 4)], spec)
    counts = np.array([[0, 2, 0], [1, 0, 0], [0, 0, 3], [1, 0, 1]])
    assert np.array_equal(model.tables["units.0"], round_frequencies(smooth(counts, 1.0), 16))
    unigram = (np.array([2, 2, 4]) + 3 / 3) / 11
    expected = (counts[3] + 2 * unigram) / 4
    assert np.allclose(smooth(counts, 1.0)[3], expected)
    assert model.tables["units.0"].shape == (4, 3)


def test_context_pays() -> None:
    walk = np.cumsum(np.random.default_rng(0).integers(0, 2, (1, 4000)), axis=1) % 8
    f0 = np.zeros(2000, int)
    bits = []
    for context in ((), ((0, 1),)):
        model = fit_tables([(walk, f0)], EntropySpec((Stream(8, context),), Stream(2), ()))
        bits.append(model.cost(SpeechCodes(walk, f0, [], 4000 * 640, model.fingerprint))["units.0"] / 4000)
    assert bits[0] > 2.9
    assert bits[1] < 1.1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(8, 22), st.integers(0, 2**32))
def test_rounding(alphabet: int, precision: int, seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.full(alphabet, 0.1), size=5)
    frequencies = round_frequencies(probabilities, precision)
    assert (frequencies.sum(-1, dtype=np.int64) == 2**precision).all()
    assert frequencies.min() >= 1
    ideal = 1 + probabilities * (2**precision - alphabet)
    assert (np.abs(frequencies - ideal) <= 1.001).all()


def test_fit_refuses_wrong_codes() -> None:
    spec = EntropySpec((Stream(3),), Stream(2), ())
    for units, f0 in (([[0, 3]], [0]), ([[0, 1]], [2]), ([[0], [1]], [0]), ([[0, 1]], [0, 0]), ([[0.5]], [0]), ([[-1]], [0])):
        with pytest.raises(InvalidCodes):
            fit_tables([(units, f0)], spec)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": ()},
        {"rows": (Stream(0),)},
        {"rows": (Stream(True),)},
        {"rows": (Stream(2**15 + 1),)},
        {"rows": (Stream(3, ((0, 0),)),)},
        {"rows": (Stream(3, ((1, 0),)), Stream(3))},
        {"rows": (Stream(3, ((2, 1),)), Stream(3))},
        {"rows": (Stream(3, ((0, -1),)),)},
        {"rows": (Stream(3, ((0, 1),) * 5),)},
        {"rows": (Stream(3, (("x", 1),)),)},
        {"rows": (Stream(2000, ((0, 1), (0, 2))),)},
        {"f0": Stream(3, (("f0", 0),))},
        {"f0": Stream(3, ((0, 0),))},
        {"f0_hop": 1281},
        {"unit_hop": 0},
        {"packet_frames": 4096, "rows": (Stream(8),) * 16},
        {"precision": 23},
        {"precision": 4, "f0": Stream(17)},
        {"speaker": (0,)},
        {"speaker": (2**15,) * 200},
        {"weights": "XYZ"},
    ],
)
def test_specs_that_cannot_be(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"rows": (Stream(3),), "f0": Stream(5), "speaker": (8,)}
    EntropySpec(**good)
    with pytest.raises(InvalidEntropyModel):
        EntropySpec(**{**good, **change})


def test_tables_that_cannot_be(golden_model: EntropyModel) -> None:
    good = golden_model.tables
    table = good["f0"].astype(np.int64)
    zero, short = table.copy(), table.copy()
    zero[0, 0, 1] += zero[0, 0, 0]
    zero[0, 0, 0] = 0
    short[1, 2, 3] -= 1
    for bad in (
        {**good, "f0": table[:-1]},
        {**good, "f0": table.astype(float)},
        {**good, "f0": zero},
        {**good, "f0": short},
        {**good, "f0": -table},
        {**good, "extra": table},
        {"f0": table},
    ):
        with pytest.raises(InvalidEntropyModel):
            TableModel(golden_model.spec, bad)


def test_files_that_cannot_be(golden: Path, golden_model: EntropyModel) -> None:
    data = (golden / "entropy.safetensors").read_bytes()
    assert golden_model.to_bytes() == data
    tensors = safetensors.numpy.load(data)
    about = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["unitcodec"])
    changed: list[Any] = [
        [],
        {},
        {**about, "fingerprint": "00000000"},
        {**about, "weights": "ab"},
        {**about, "sample_rate": 8000},
    ]
    changed += [{**about, "rows": 3}, {**about, "precision": "16"}, {**about, "f0": {"alphabet": 6}}, {**about, "unit_hop": 1.5}]
    bad = [b"", b"x" * 100, data[:500], safetensors.numpy.save(tensors)]
    bad += [safetensors.numpy.save(tensors, {"unitcodec": text}) for text in ("", "{", *map(json.dumps, changed))]
    for case in bad:
        with pytest.raises(InvalidEntropyModel):
            EntropyModel.load(case)


def test_the_fingerprint_covers_everything(golden_model: EntropyModel) -> None:
    spec, tables = golden_model.spec, golden_model.tables
    swapped = {**tables, "f0": tables["f0"][:, :, ::-1]}
    prints = {golden_model.fingerprint, TableModel(spec, swapped).fingerprint}
    prints |= {TableModel(replace(spec, weights="ab"), tables).fingerprint}
    prints |= {TableModel(replace(spec, speaker=(8, 5, 4)), tables).fingerprint}
    assert len(prints) == 4


def test_models_are_found_by_fingerprint(
    golden: Path, golden_model: EntropyModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = (golden.parent / "v2" / "short_end.uc").read_bytes()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "entropy.safetensors").write_bytes(b"\xff" * 50)
    monkeypatch.setenv("UNITCODEC_MODELS", str(tmp_path))
    with pytest.raises(UnknownModel):
        bitstream.find_entropy_model(golden_model.fingerprint)
    assert bitstream.inspect(data).bits is None
    (tmp_path / "small").mkdir()
    golden_model.save(tmp_path / "small" / "entropy.safetensors")
    assert bitstream.find_entropy_model(golden_model.fingerprint) is bitstream.find_entropy_model(golden_model.fingerprint)
    assert bitstream.pack(bitstream.unpack(data)) == data
    assert bitstream.inspect(data).bits is not None


@pytest.mark.parametrize("in_place", [False, True])
def test_a_model_is_never_another_whatever_its_time_says(in_place: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes another's place, of the same size and the same time of change, as when the clock is set back."""
    spec = EntropySpec(rows=(Stream(4),), f0=Stream(3), speaker=(2,))
    first, second = (random_model(spec, np.random.default_rng(seed)) for seed in (0, 1))
    path = tmp_path / "m" / "entropy.safetensors"
    path.parent.mkdir()
    monkeypatch.setenv("UNITCODEC_MODELS", str(tmp_path))
    path.write_bytes(first.to_bytes())
    os.utime(path, (2**32, 2**32))  # in the future
    _ = bitstream.entropy.find.find_model_folders(first.fingerprint)
    if not in_place:
        path = path.rename(path.with_suffix(".old")).with_suffix(".safetensors")
    path.write_bytes(second.to_bytes())
    os.utime(path, (2**32, 2**32))
    with pytest.raises(UnknownModel):
        bitstream.find_entropy_model(first.fingerprint)
    if not in_place:
        assert bitstream.find_entropy_model(second.fingerprint).fingerprint == second.fingerprint


@pytest.mark.parametrize("kind", ["v1", "recurrent"])
def test_a_model_is_pickled_after_it_has_coded(golden: Path, kind: str) -> None:
    model = EntropyModel.load(golden.parent / kind / "entropy.safetensors")
    spec = model.spec
    units = np.zeros((len(spec.rows), spec.packet_frames), np.int32)
    codes = SpeechCodes(
        units, np.zeros(spec.packet_f0_frames, np.int32), [0] * len(spec.speaker), spec.packet_samples, model.fingerprint
    )
    data = bitstream.pack(codes, model)
    assert bitstream.unpack(data, model) == codes
    again = pickle.loads(pickle.dumps(model))
    assert again.to_bytes() == model.to_bytes()
    assert bitstream.pack(codes, again) == data
