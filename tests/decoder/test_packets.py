"""Part of a stream is what the whole has there, and is all that is decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

import bitstream
from bitstream import PacketReader
from unitcodec.decoder.packets import packets_between, packets_of, without_holes
from unitcodec.vocoder import excitation

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def data(narrow: Codec, speech: Path) -> bytes:
    """12 packets and a bit."""
    wave = soundfile.read(speech, dtype="float32")[0]
    return narrow.compress(np.resize(wave, 500001), 16000)


@pytest.mark.parametrize(("first", "stop"), [(0, None), (0, 3), (4, 7), (12, 13), (5, 99), (3, 3), (13, None)])
def test_packets(narrow: Codec, data: bytes, first: int, stop: int | None) -> None:
    every = list(PacketReader(data, narrow.model.entropy))
    some = list(packets_between(PacketReader(data, narrow.model.entropy), first, stop))
    assert [packet.first_frame for packet in some] == [packet.first_frame for packet in every[first:stop]]
    assert all(np.array_equal(one.units, other.units) for one, other in zip(some, every[first:stop], strict=True))


def test_codes_are_parted_where_something_is_lost(narrow: Codec, data: bytes) -> None:
    codes, spec = bitstream.unpack(data, narrow.model.entropy), narrow.model.entropy.spec
    lost = ((0, 1), (7, 9), (60, 140), (201, 202))
    packets = list(packets_of(replace(codes, lost=lost), spec))
    assert np.array_equal(np.concatenate([packet.units for packet in packets], 1), codes.units)
    assert np.array_equal(np.concatenate([packet.f0 for packet in packets]), codes.f0)
    assert all(
        packet.f0.shape[0] == -(-(packet.first_frame + packet.units.shape[1]) // 2) - -(-packet.first_frame // 2)
        for packet in packets
    )
    gone = [
        frame
        for packet in packets
        if packet.lost
        for frame in range(packet.first_frame, packet.first_frame + packet.units.shape[1])
    ]
    assert gone == [frame for start, stop in lost for frame in range(start, stop)]
    assert [packet.first_frame for packet in packets_of(codes, spec)] == list(range(0, codes.units.shape[1], 64))


def test_without_holes_codes_say_what_is_spoken(narrow: Codec, data: bytes) -> None:
    codes, spec = bitstream.unpack(data, narrow.model.entropy), narrow.model.entropy.spec
    holed = replace(codes, lost=((64, 72),))
    assert without_holes(codes, spec) == codes
    whole = without_holes(holed, spec)
    assert whole.lost == ()
    # So short a hole does not fade.
    np.testing.assert_allclose(narrow.decode(whole), narrow.decode(holed), atol=1e-5)
    assert not np.array_equal(whole.units, codes.units)


@pytest.mark.parametrize(("start", "duration"), [(10.0, 3.0), (0.0, 1.5), (20.48, None), (30.0, 60.0), (17.3, 0.0)])
def test_samples(narrow: Codec, data: bytes, start: float, duration: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Phase and noise begin anew in a part, which nobody hears; without them the samples must be the same.
    for name in ("voiced_pulses", "white_noise"):
        real = getattr(excitation, name)
        monkeypatch.setattr(excitation, name, lambda *given, real=real: torch.zeros_like(real(*given)))
    whole, _ = narrow.decompress(data)
    part = np.concatenate([*narrow.decompress_blocks(data, start=start, duration=duration), np.zeros(0, np.float32)])
    begin = round(start * 16000)
    expected = whole[begin:] if duration is None else whole[begin : begin + round(duration * 16000)]
    assert part.shape == expected.shape
    np.testing.assert_allclose(part, expected, atol=1e-5)


def test_no_more_is_decoded_than_is_heard(narrow: Codec, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    real = PacketReader.settle
    monkeypatch.setattr(PacketReader, "settle", lambda self, slot, found: decoded.append(slot.index) or real(self, slot, found))
    list(narrow.decompress_blocks(data, start=15.4, duration=0.1))
    assert 6 in decoded
    assert len(decoded) <= 4
    # What lies behind is not even read, so that damage there is in nobody's way.
    list(narrow.decompress_blocks(data[:-20], start=15.4, duration=0.1))
    with pytest.raises(bitstream.Damaged, match="packet 0, at byte"):
        list(narrow.decompress_blocks(data[:30] + bytes([data[30] ^ 1]) + data[31:], start=15.4, duration=0.1))
