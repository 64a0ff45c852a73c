"""Values keep the positions that they have in the whole stream, and F0 of a stream in pieces is that of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.encoder.buffer import Buffer, F0Track
from unitcodec.pitch.tracker import CONTEXT, swift_f0

PACKET, GAIN = 40960, 0.5


def test_values_are_found_by_their_positions() -> None:
    buffer = Buffer()
    for start in range(0, 100, 7):
        buffer.append(np.arange(start, min(start + 7, 100), dtype=np.float32))
        buffer.forget(start - 20)
    assert (buffer.start, buffer.end, len(buffer)) == (78, 100, 22)
    assert buffer.window(80, 84).tolist() == [80, 81, 82, 83]
    assert buffer.window(70, 80).tolist() == [78, 79]
    assert buffer.window(98, 120).tolist() == [98, 99]
    assert buffer.window(120, 140).size == buffer.window(10, 20).size == 0


def test_what_was_forgotten_counts() -> None:
    buffer = Buffer()
    buffer.append(np.ones(10, np.float32))
    buffer.forget(4)
    buffer.forget(2)
    assert (buffer.start, buffer.end) == (4, 10)
    buffer.forget(99)
    assert (buffer.start, buffer.end, len(buffer)) == (10, 10, 0)


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
def test_f0_in_pieces_is_that_of_the_whole_as_soon_as_it_can_be(wave: np.ndarray, block: int) -> None:
    f0, known = _track(wave, block)
    assert np.array_equal(f0.window(0, len(wave)), swift_f0(wave * np.float32(GAIN)))
    assert f0.end == 3 * PACKET
    there = np.minimum(np.arange(1, len(known) + 1) * block, len(wave))
    assert known == ((there - CONTEXT) // PACKET * PACKET).clip(0).tolist()


def test_of_f0_only_what_is_needed_is_held(wave: np.ndarray) -> None:
    f0, _ = _track(wave, 5000)
    kept = f0.window(PACKET - 1280, PACKET + 1280)
    f0.forget(PACKET - 1280)
    assert len(f0) == -(-len(wave) // 160) - (PACKET - 1280) // 160
    assert np.array_equal(f0.window(PACKET - 1280, PACKET + 1280), kept)
