"""The arithmetic of scalar codes, of arrays of NumPy and of tensors alike; the quantizers are in :mod:`.quantize`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def bound(squashed: Any, levels: Any) -> Any:
    """What is squashed to (-1, 1) -> the same on the scale of its codes, of which there are ``levels``: rounding gives them."""
    # Scaled to (-0.5, L - 0.5), so that rounding gives every level an interval of equal width before the squashing.
    return (squashed * 0.5 + 0.5) * (levels - 1e-3) - 0.5 + 5e-4


def stepped(bounded: Any, finest: int, levels: Any) -> Any:
    """What is bounded, of ``finest`` levels -> its part of as many ``levels``; the whole number below is its code."""
    return (bounded + 0.5) / finest * levels


def clearance(bounded: Any, finest: int, levels: int) -> Any:
    """How far the one that is nearest to a border between two codes of :func:`stepped` is from it, in steps of the finest."""
    return from_borders(stepped(bounded, finest, levels), levels) * finest / levels


def from_borders(x: Any, levels: Any) -> Any:
    """Of values from 0 to ``levels``, the least distance to 1, 2, .. ``levels`` - 1."""
    borders = x.round().clip(1, None)
    return abs(x - (borders - (borders - (levels - 1)).clip(0, None))).min()


def coarser(levels: Sequence[int]) -> tuple[tuple[NDArray[np.int32], ...], ...]:
    """Rungs of a ladder from the finest codes of an FSQ to the coarsest: for each rung and row a table, code -> code.

    A table leaves only every second, third, fourth or sixth of the values in use, of which it takes the one whose interval the
    code lies in; the intervals are as wide as those of an FSQ with so many levels. From a rung to the next one row gets
    coarser. The first rung changes nothing.
    """
    counts = list(levels)
    rungs = [tuple(_table(level, level) for level in levels)]
    for step in COARSENED:
        for row, level in enumerate(levels):
            counts[row] = max(2, level // step)
            rungs.append(tuple(_table(*pair) for pair in zip(levels, counts, strict=True)))
    return tuple(rungs)


def lookup(tables: Sequence[NDArray[np.int32]], units: NDArray[np.int32]) -> NDArray[np.int32]:
    """Units (rows, n) -> those of a rung of :func:`coarser`."""
    return np.stack([table[row] for table, row in zip(tables, units, strict=True)])


COARSENED = (2, 3, 4, 6)
"""By how much rows get coarser, one after another."""


def _table(level: int, count: int) -> NDArray[np.int32]:
    """Codes of ``level`` values -> those of ``count`` of them, spread evenly over all."""
    interval = (2 * np.arange(level) + 1) * count // (2 * level)
    return ((2 * interval * (level - 1) + count - 1) // (2 * (count - 1))).astype(np.int32)
