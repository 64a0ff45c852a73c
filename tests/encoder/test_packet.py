"""Windows of packets, and what is found in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from unitcodec.encoder.analyser import NetworkAnalyser, context_samples, encode_f0
from unitcodec.encoder.buffer import Buffer, F0Track
from unitcodec.encoder.packet import PacketEncoder, at_reference_level, packet_window
from unitcodec.encoder.rate import nearest
from unitcodec.fields import Fields
from unitcodec.frames import level_gain
from unitcodec.pitch.tracker import swift_f0

if TYPE_CHECKING:
    from unitcodec.codec import Codec

PACKET, FIELDS = 40960, Fields(30, 4, 47, ())


@pytest.mark.parametrize(
    ("start", "end", "window", "own"),
    [
        (0, PACKET, slice(0, PACKET + 2560), slice(0, 64)),
        (PACKET, 2 * PACKET, slice(PACKET - 2560, 2 * PACKET + 2560), slice(4, 68)),
        (PACKET, PACKET + 641, slice(PACKET - 2560, 2 * PACKET + 2560), slice(4, 6)),
    ],
)
def test_windows(start: int, end: int, window: slice, own: slice) -> None:
    assert packet_window(start, end, PACKET, 2560, 640) == (window, own)


def test_context_is_in_whole_f0_codes(narrow: Codec) -> None:
    context = context_samples(narrow.model.networks.content)
    assert context % 1280 == 0
    assert 0 <= context - (narrow.model.networks.content.context * 160 + 320) < 1280


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_reference_level(dtype: type) -> None:
    scaled = at_reference_level(np.ones(1281, np.float32), 40, dtype)
    assert scaled.shape == (1, 2560)
    assert scaled.dtype == dtype
    assert scaled[0, 1280].item() == dtype(level_gain(40))
    assert not scaled[0, 1281:].any()


def test_of_a_packet_only_its_window_counts(narrow: Codec, speech: Path) -> None:
    """What lies around the window may be anything, or forgotten."""
    wave = soundfile.read(speech, dtype="float32")[0]
    packets = PacketEncoder(NetworkAnalyser(narrow._double), narrow.model.entropy.spec)
    reach, start = max(packets.context, packets.f0_context), PACKET
    other = wave.copy()
    other[: start - reach] = 0
    other[start + PACKET + reach :] *= 0.5
    track, found = swift_f0(wave), []
    for heard, forgotten in ((wave, 0), (other, start - reach)):
        samples, f0 = Buffer(), F0Track(lambda _: track, len(track) * 160, 1.0)
        samples.append(heard)
        f0.extend(samples, True)
        samples.forget(forgotten)
        f0.forget(forgotten)
        candidates = packets.candidates(samples, FIELDS.level, start, start + PACKET)
        found.append((nearest(candidates), packets.f0_codes(f0, FIELDS, start, start + PACKET)))
    assert [part.shape for part in found[0]] == [(4, 64), (32,)]
    assert all(np.array_equal(one, two) for one, two in zip(*found, strict=True))
    expected = encode_f0(narrow._double.pitch, track, FIELDS)[32:64]
    assert np.array_equal(found[0][1], expected)


def test_f0_codes_in_either_precision(narrow: Codec, speech: Path) -> None:
    f0 = swift_f0(soundfile.read(speech, dtype="float32")[0])
    double, single = encode_f0(narrow._double.pitch, f0, FIELDS), encode_f0(narrow._float.pitch, f0, FIELDS, dtype=np.float32)
    assert double.shape == (-(-len(f0) // 8),)
    assert np.mean(double != single) < 0.05
    assert next(narrow._double.parameters()).dtype == torch.float64
