"""Live packets: what is said comes back, damage is found, a fixed slot is filled, the speaker's fields take turns."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import models_and_codes, random_codes, recurrent_models
from hypothesis import given
from hypothesis import strategies as st

from bitstream import Damaged, EntropyModel, InvalidCodes, LiveCoder, LiveReader, SpeechCodes
from bitstream.live.packet import KINDS, NOISE_LEVELS, OVERHEAD, TURNS


def _coder(entropy: EntropyModel) -> LiveCoder | None:
    """Of the longest packets that the model has live, if it has any."""
    if max(entropy.spec.speaker, default=1) > 2**entropy.spec.precision:
        return None
    for frames in range(min(entropy.spec.packet_frames, 255), 0, -1):
        if frames * entropy.spec.unit_hop % entropy.spec.f0_hop == 0 and frames * entropy.spec.unit_hop < 2**16:
            return LiveCoder(entropy, frames)
    return None


def _codes(coder: LiveCoder, seed: int) -> SpeechCodes:
    return random_codes(coder.entropy, coder.samples, np.random.default_rng(seed))


@given(models_and_codes(), st.integers(0, 200), st.booleans(), st.integers(0, 20))
def test_what_is_said_comes_back(given: tuple[EntropyModel, SpeechCodes], number: int, opening: bool, filled: int) -> None:
    coder = _coder(given[0])
    if coder is None:
        return
    codes = _codes(coder, number)
    data = coder.speech(number, codes.units, codes.f0, codes.speaker, opening)
    for packet in (data, coder.filled(data, len(data) + filled)):
        read = coder.read(packet)
        assert (read.kind, read.number, read.samples) == ("opening" if opening else "speech", number % 64, coder.samples)
        assert np.array_equal(read.units, codes.units)
        assert np.array_equal(read.f0, codes.f0)
        sent = range(len(codes.speaker)) if opening else range(number % TURNS, len(codes.speaker), TURNS)
        assert dict(read.fields) == {field: int(codes.speaker[field]) for field in sent}


@given(recurrent_models(), st.integers(0, 63))
def test_of_a_recurrent_model_too(entropy: EntropyModel, number: int) -> None:
    coder = _coder(entropy)
    if coder is None:
        return
    codes = _codes(coder, number)
    opening = number % 2 == 0
    read = coder.read(coder.speech(number, codes.units, codes.f0, codes.speaker, opening, samples=coder.samples // 2))
    assert (read.kind, read.samples) == ("end", coder.samples // 2)
    assert len(read.fields) == len(codes.speaker if opening else coder.turn(number))
    assert np.array_equal(read.units, codes.units)
    assert np.array_equal(read.f0, codes.f0)


@pytest.fixture
def coder(golden_model: EntropyModel) -> LiveCoder:
    return LiveCoder(golden_model, 8)


def test_in_eight_packets_every_field_is_told(coder: LiveCoder) -> None:
    codes, heard = _codes(coder, 0), {}
    for number in range(5, 5 + TURNS):
        heard.update(coder.read(coder.speech(number, codes.units, codes.f0, codes.speaker)).fields)
    assert [heard[field] for field in range(len(codes.speaker))] == codes.speaker.tolist()


def test_the_cost_of_the_fields_is_known_beforehand(coder: LiveCoder) -> None:
    codes = _codes(coder, 1)
    cost = sum(coder.entropy.packet_cost(codes.units, codes.f0).values()) + coder.speaker_bits(0, codes.speaker, True)
    size = len(coder.speech(0, codes.units, codes.f0, codes.speaker, True))
    assert OVERHEAD + cost / 8 - 1e-9 <= size <= OVERHEAD + cost / 8 + 1.4


def test_a_pause_is_three_bytes_and_may_be_filled(coder: LiveCoder) -> None:
    packet = coder.pause(70, 62)
    assert len(packet) == 3
    for data in (packet, coder.filled(packet, 11)):
        read = coder.read(data)
        assert (read.kind, read.number, read.noise) == ("pause", 6, 62)
    assert coder.read(coder.pause(0, 999)).noise == NOISE_LEVELS - 1


def test_of_damaged_packets_few_pass(coder: LiveCoder) -> None:
    codes, rng, passed = _codes(coder, 2), np.random.default_rng(0), 0
    packet = coder.speech(3, codes.units, codes.f0, codes.speaker)
    for _ in range(2000):
        damaged = bytearray(packet)
        for bit in rng.choice(8 * len(packet), 4, replace=False).tolist():
            damaged[bit // 8] ^= 1 << bit % 8
        try:
            coder.read(bytes(damaged))
            passed += 1
        except Damaged:
            pass
    assert passed <= 4  # of a check of 8 bits alone 8 would pass
    for size in range(len(packet)):
        with pytest.raises(Damaged):
            coder.read(packet[:size])


def test_another_streams_packets_are_told_apart(coder: LiveCoder) -> None:
    codes = _codes(coder, 3)
    packet = coder.speech(3, codes.units, codes.f0, codes.speaker)
    with pytest.raises(Damaged):
        LiveCoder(coder.entropy, 4).read(packet)


def test_what_is_no_packet_is_refused(coder: LiveCoder) -> None:
    codes = _codes(coder, 4)
    for frames in (0, 1, 9):
        with pytest.raises(InvalidCodes):
            LiveCoder(coder.entropy, frames)
    with pytest.raises(InvalidCodes, match="live packets have 8 and 4"):
        coder.speech(0, codes.units[:, :4], codes.f0[:2], codes.speaker)
    with pytest.raises(InvalidCodes, match="alphabet"):
        coder.speech(0, codes.units + 9, codes.f0, codes.speaker)
    packet = coder.speech(0, codes.units, codes.f0, codes.speaker)
    assert coder.read(memoryview(packet)).number == coder.read(bytearray(packet)).number == 0
    with pytest.raises(TypeError, match="bytes, not str"):
        coder.read("packet")  # type: ignore[arg-type]
    for samples in (-1, coder.samples + 1):  # no reader would take it
        for make in (partial(coder.silent_end, 0), partial(coder.speech, 0, codes.units, codes.f0, codes.speaker, False)):
            with pytest.raises(InvalidCodes, match="samples of an end"):
                make(samples)
    with pytest.raises(InvalidCodes, match="does not fit"):
        coder.filled(coder.speech(0, codes.units, codes.f0, codes.speaker), 4)


@pytest.mark.parametrize(("name", "fec"), [("live", 0), ("copies", 1), ("late_copies", 4)])
def test_golden_packets(golden: Path, name: str, fec: int) -> None:
    """What a decoder in plain Python, written from docs/bitstream.md alone, made of them when the format was new."""
    expected = json.loads((golden.parent / "v3" / f"{name}.json").read_text())
    reader = LiveReader(io.BytesIO((golden.parent / "v3" / f"{name}.uc").read_bytes()))
    coder = LiveCoder(EntropyModel.load(golden / "entropy.safetensors"), reader.frames, reader.fec)
    assert coder.fec == fec
    model = reference.read_model((golden / "entropy.safetensors").read_bytes())
    for packet, told in zip(reader, expected, strict=True):
        assert reference.decode_live(packet, 8, model, coder.fec) == told
        read = coder.read(packet)
        assert (KINDS.index(read.kind), read.number) == (told["kind"], told["number"])
        assert read.noise == told.get("noise", 0)
        assert read.samples == told.get("samples", coder.samples)
        assert {str(field): value for field, value in read.fields.items()} == told.get("fields", {})
        assert read.units.tolist() == told.get("units", [])
        assert read.f0.tolist() == told.get("f0", [])
        assert (None if read.copy is None else read.copy.tolist()) == told.get("copy")
        if read.units.size and read.kind != "end":
            speaker = np.array([read.fields.get(field, 0) for field in range(3)])
            again = coder.speech(read.number, read.units, read.f0, speaker, read.kind == "opening", copy=read.copy)
            assert coder.filled(again, len(packet)) == packet


def test_a_copy_that_is_cut_off_or_malformed_is_damage(golden_model: EntropyModel) -> None:
    coder = LiveCoder(golden_model, 2, fec=1)
    assert coder.copy_bytes == 1
    codes = _codes(coder, 0)
    packet = bytearray(coder.speech(0, codes.units, codes.f0, codes.speaker, copy=[[1, 1]]))
    assert coder.read(bytes(packet)).copy.tolist() == [[1, 1]]
    packet[1] |= 1
    packet[-1:] = coder._check(bytes(packet[:-1]))
    with pytest.raises(Damaged, match="copy"):
        coder.read(bytes(packet))
