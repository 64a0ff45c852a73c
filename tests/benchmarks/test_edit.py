"""Edit distance of units, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.edit import Edits, edits

pytest.importorskip("rapidfuzz", reason="rapidfuzz is not installed")

CLEAN = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int32)


def test_the_same_units_have_no_edits() -> None:
    assert edits(CLEAN, CLEAN) == Edits(4, 0, (0, 0), (0, 0))


def test_a_frame_differs_if_one_row_does() -> None:
    noisy = CLEAN.copy()
    noisy[0, 1] = noisy[1, 3] = 9
    assert edits(CLEAN, noisy) == Edits(4, 2, (1, 1), (1, 1))
    # Both rows of one frame: one edit.
    noisy = CLEAN.copy()
    noisy[:, 2] = 0
    assert edits(CLEAN, noisy) == Edits(4, 1, (1, 1), (1, 1))


def test_a_shift_takes_two_edits_though_every_code_differs() -> None:
    shifted = np.concatenate([CLEAN[:, 1:], [[0], [0]]], axis=1)
    assert edits(CLEAN, shifted) == Edits(4, 2, (2, 2), (4, 4))


def test_what_only_one_recording_has_differs() -> None:
    assert edits(CLEAN, CLEAN[:, :3]) == Edits(4, 1, (1, 1), (1, 1))
    assert edits(CLEAN[:, :3], CLEAN) == Edits(3, 1, (1, 1), (1, 1))
    assert edits(CLEAN, CLEAN[:, :0]) == Edits(4, 4, (4, 4), (4, 4))


def test_rows_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 rows of units beside 1"):
        edits(CLEAN, CLEAN[:1])
