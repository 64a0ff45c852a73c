"""What is heard of lost frames."""

from __future__ import annotations

import numpy as np
import pytest

from unitcodec.decoder.concealment import FADE, HOLD, Past, conceal, frames_ahead, gain_curve

RATE = 25.0
NOTHING = Past(np.zeros(2, np.int32))


def _codes(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Units 100, 101 ... and as many negative ones, F0 codes 50, 51 ...: each says where it is from."""
    position = np.arange(frames, dtype=np.int32)
    return np.stack([100 + position, -position]), 50 + np.arange(-(-frames // 2), dtype=np.int32)


def _holes(frames: int, *ranges: tuple[int, int]) -> np.ndarray:
    lost = np.zeros(frames, bool)
    for start, stop in ranges:
        lost[start:stop] = True
    return lost


def test_a_hole_is_held_from_the_past_and_ends_with_what_comes() -> None:
    units, f0 = _codes(21)
    filled, filled_f0, gain = conceal(units, f0, _holes(21, (8, 16)), 2, RATE, NOTHING)
    source = [*range(8), 7, 7, 7, 7, 7, 7, 16, 16, *range(16, 21)]
    assert np.array_equal(filled, units[:, source])
    assert filled_f0.tolist() == [50, 51, 52, 53, 53, 53, 53, 58, 58, 59, 60]
    # Eight frames of 40 ms are held as they are.
    assert (gain == 1.0).all()


def test_a_long_hole_fades_to_silence_and_rises_before_its_end() -> None:
    units, f0 = _codes(60)
    _, _, gain = conceal(units, f0, _holes(60, (10, 50)), 2, RATE, NOTHING)
    inside, held, faded = gain[10:50], round(HOLD * RATE), round((HOLD + FADE) * RATE)
    assert (inside[:held] == 1.0).all()
    assert (np.diff(inside[held - 1 : faded]) < 0).all()
    assert not inside[faded - 1 : -2].any()
    assert inside[-2:].tolist() == [0.25, 0.75]
    assert (np.delete(gain, range(10, 50)) == 1.0).all()


def test_a_code_of_which_half_is_lost_is_lost() -> None:
    units, f0 = _codes(12)
    assert conceal(units, f0, _holes(12, (3, 6)), 2, RATE, NOTHING)[1].tolist() == [50, 50, 53, 53, 54, 55]
    assert conceal(units, f0, _holes(12, (3, 10)), 2, RATE, NOTHING)[1].tolist() == [50, 50, 50, 50, 55, 55]


def test_nothing_lost_nothing_changed() -> None:
    units, f0 = _codes(9)
    for found, wanted in zip(conceal(units, f0, _holes(9), 2, RATE, NOTHING), (units, f0, np.ones(9)), strict=True):
        assert np.array_equal(found, wanted)


def test_a_beginning_that_is_lost_is_silent() -> None:
    units, f0 = _codes(12)
    filled, filled_f0, gain = conceal(units, f0, _holes(12, (0, 8)), 2, RATE, NOTHING)
    assert not filled[:, :6].any()
    assert not gain[:6].any()
    assert np.array_equal(filled[:, 6:8], units[:, [8, 8]])
    assert filled_f0.tolist() == [0, 0, 0, 54, 54, 55]
    everything = conceal(units, f0, _holes(12, (0, 12)), 2, RATE, NOTHING)
    assert not any(part.any() for part in everything)


@pytest.mark.parametrize("piece", [2, 4, 10])
def test_pieces_give_what_the_whole_gives(piece: int) -> None:
    rng = np.random.default_rng(piece)
    units, f0 = _codes(400)
    lost = np.repeat(rng.random(50) < 0.5, 8) | _holes(400, (100, 180), (391, 400))
    whole, past = conceal(units, f0, lost, 2, RATE, NOTHING), NOTHING
    for start in range(0, 400, piece):
        known, known_f0 = slice(start, start + piece + frames_ahead(RATE, 2)), slice(start // 2, (start + piece) // 2 + 1)
        found = conceal(units[:, known], f0[known_f0], lost[known], 2, RATE, past)
        for part, wanted, size in zip(found, whole, (piece, piece // 2, piece), strict=True):
            first = start * size // piece
            assert np.array_equal(part[..., :size], wanted[..., first : first + size])
        own = slice(start, start + piece)
        past = past.after(units[:, own], f0[start // 2 : (start + piece) // 2], lost[own], 2)


def test_the_gain_of_samples_has_no_step() -> None:
    curve = gain_curve(np.array([1.0, 1.0, 0.5, 0.0, 0.0, 1.0], np.float32), 100)
    assert curve.dtype == np.float32
    assert curve[:150].tolist() == [1.0] * 150
    assert curve[[50, 150, 250, 350, 450, 550]].tolist() == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0, 1.0])
    assert np.abs(np.diff(curve)).max() < 0.011
