"""Where the opening ends, and what it says of the stream; the tracker is told what to find."""

from __future__ import annotations

import numpy as np
import pytest

from unitcodec.encoder.opening import Opening, OpeningSearch
from unitcodec.frames import active_level, level_code

RATE = 16000


def _voiced(waveform: np.ndarray) -> np.ndarray:
    """A tracker that takes whatever is loud for voice."""
    return np.where(np.abs(waveform[::160]) > 0.001, 100.0, 0.0).astype(np.float32)


def _unvoiced(waveform: np.ndarray) -> np.ndarray:
    return np.zeros(-(-len(waveform) // 160), np.float32)


def _bursts(seconds: int, amplitude: float = 0.1) -> np.ndarray:
    """Square waves half of the time, so that one block stands out from another."""
    time = np.arange(seconds * RATE)
    return (amplitude * np.where(time % 80 < 40, 1, -1) * (time % 8000 < 4000)).astype(np.float32)


def _look(waveform: np.ndarray, block: int, track: object = _voiced) -> tuple[Opening, int]:
    """The opening, and how many samples were there when it was found."""
    search = OpeningSearch(track)  # type: ignore[arg-type]
    for end in range(block, len(waveform) + 1, block):
        if (found := search.look(waveform[:end], False)) is not None:
            return found, end
    found = search.look(waveform, True)
    assert found is not None
    return found, len(waveform)


def test_it_ends_with_eight_active_seconds() -> None:
    opening, _ = _look(_bursts(30), 1600)
    assert opening == Opening(16 * RATE, level_code(active_level(_bursts(16))), True)
    assert opening.may_go_on


@pytest.mark.parametrize("block", [700, 16000, 50000, 30 * RATE])
def test_how_a_stream_is_cut_does_not_show(block: int) -> None:
    opening, there = _look(_bursts(30), block)
    assert opening.end == 16 * RATE
    assert there == -(-opening.end // block) * block


def test_a_short_stream_is_all_opening() -> None:
    opening, _ = _look(_bursts(5)[:70001], 1600)
    assert (opening.end, opening.speech, opening.may_go_on) == (70001, True, False)


def test_quiet_speech_counts_once_it_is_proven() -> None:
    """At -74 dB re full scale no block is active by itself."""
    quiet = _bursts(30, 2e-4)
    assert _look(quiet, RATE, lambda wave: _voiced(wave / 2e-3))[0].end == 16 * RATE
    assert _look(quiet, RATE, _unvoiced)[0].end == 30 * RATE


def test_a_room_before_somebody_speaks_is_not_the_speech() -> None:
    """Ten seconds of hiss at -54 dB, then speech: its level is that of the speech."""
    room = (2e-3 * np.random.default_rng(0).standard_normal(40 * RATE)).astype(np.float32)
    room[10 * RATE :] += _bursts(30)
    opening, _ = _look(room, RATE, lambda wave: np.where(np.abs(wave[::160]) > 0.3 * np.abs(wave).max(), 100.0, 0.0))
    assert opening.end == 16 * RATE
    assert abs(opening.level - level_code(active_level(_bursts(30)))) <= 1
    assert opening.begin == 8 * RATE


def test_a_room_that_lasts_a_minute_leaves_room_for_speech() -> None:
    """It is not brought up to the level of speech."""
    room = (2e-3 * np.random.default_rng(0).standard_normal(70 * RATE)).astype(np.float32)
    opening, _ = _look(room, RATE, _unvoiced)
    assert opening.end == 60 * RATE
    assert opening.level == level_code(-36.0)


def test_f0_is_asked_for_only_where_it_may_matter() -> None:
    """Where as much is active by either measure, nobody has to know whether it is speech."""
    seen: list[int] = []

    def counted(waveform: np.ndarray) -> np.ndarray:
        seen.append(len(waveform))
        return _voiced(waveform / 2e-3)

    assert _look(_bursts(30), RATE, counted)[0].end == 16 * RATE
    assert not seen
    # Of quiet speech it is: from its beginning on, a second at a time, until there is the proof.
    assert _look(_bursts(30, 2e-4), RATE, counted)[0].end == 16 * RATE
    assert set(seen) == {RATE}
    assert len(seen) < 16


def test_a_minute_is_the_most() -> None:
    hiss = (1e-4 * np.random.default_rng(0).standard_normal(70 * RATE)).astype(np.float32)
    opening, there = _look(hiss, 10 * RATE, _unvoiced)
    assert opening.end == there == 60 * RATE
    # The gain is 1: hiss is not turned up.
    assert (opening.level, opening.speech) == (47, False)
