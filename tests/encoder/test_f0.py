"""F0 of a stream in pieces is that of the stream as a whole, as soon as what it depends on is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.encoder.buffer import Buffer
from unitcodec.encoder.f0 import F0Track
from unitcodec.pitch.tracker import CONTEXT, swift_f0

PACKET, GAIN = 40960, 0.5


def _track(wave: np.ndarray, block: int) -> tuple[F0Track, list[int]]:
    """The track, and how much of it is known after each block."""
    samples, f0, known = Buffer(), F0Track(swift_f0, PACKET, GAIN), []
    for start in range(0, len(wave), block):
        samples.append(wave[start : start + block])
        f0.extend(samples, False)
        known.append(f0.end)
    f0.extend(samples, True)
    return f0, known


@pytest.fixture(scope="module")
def wave(speech: Path) -> np.ndarray:
    said: np.ndarray = soundfile.read(speech, dtype="float32", stop=100003)[0]
    return said


@pytest.mark.parametrize("block", [1600, 33333])
def test_it_is_that_of_the_whole(wave: np.ndarray, block: int) -> None:
    f0, known = _track(wave, block)
    assert np.array_equal(f0.window(0, len(wave)), swift_f0(wave * np.float32(GAIN)))
    assert f0.end == 3 * PACKET
    there = np.minimum(np.arange(1, len(known) + 1) * block, len(wave))
    assert known == ((there - CONTEXT) // PACKET * PACKET).clip(0).tolist()


def test_only_what_is_needed_is_held(wave: np.ndarray) -> None:
    f0, _ = _track(wave, 5000)
    kept = f0.window(PACKET - 1280, PACKET + 1280)
    f0.forget(PACKET - 1280)
    assert len(f0) == -(-len(wave) // 160) - (PACKET - 1280) // 160
    assert np.array_equal(f0.window(PACKET - 1280, PACKET + 1280), kept)
