"""Scalar codes of what is bounded already: the quantizers of :mod:`unitcodec.quantize` in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import steps

Floats = NDArray[np.floating[Any]]


class BoundedScalar:
    """See :class:`.content.rungs.Scalar`; what it is given went through :func:`.steps.bound`.

    Args:
        levels: values of each channel.
        ladder: see :class:`.content.fsq.ContentEncoder`.
    """

    def __init__(self, levels: Sequence[int], ladder: Sequence[int] = ()) -> None:
        self._levels, self._ladder = np.array(levels)[:, None], tuple(ladder)
        self._tables = () if ladder else steps.coarser(tuple(levels))

    @property
    def rungs(self) -> int:
        return len(self._ladder or self._tables)

    def clearance(self, x: Floats, rung: int) -> float:
        if self._ladder:
            return float(steps.clearance(x, self._ladder[0], self._ladder[rung]))
        return float(steps.from_borders(x + x.dtype.type(0.5), self._levels.astype(x.dtype)))

    def rung_codes(self, x: Floats, rung: int, shift: float = 0.0) -> NDArray[np.int32]:
        x = x + x.dtype.type(shift)
        if not self._ladder:
            codes = x.round().astype(np.int32).clip(0, self._levels - 1)
            return np.stack([steps.lookup(self._tables[rung], one) for one in codes])
        codes = steps.stepped(x, self._ladder[0], self._ladder[rung]).astype(np.int32).clip(0, self._ladder[rung] - 1)
        return np.concatenate([np.full_like(codes[:, :1], rung), codes], 1)

    def values(self, units: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Units (rows, n) -> what they stand for, (channels, n)."""
        one = np.float32(1.0)
        if not self._ladder:
            return units.astype(np.float32) * np.float32(2.0) / (self._levels.astype(np.float32) - one) - one
        finest, levels = np.float32(self._ladder[0]), np.array(self._ladder)[units[:1]]
        middles = (2 * np.minimum(units[1:], levels - 1) + 1 - levels).astype(np.float32) / levels.astype(np.float32)
        return middles * finest / (finest - one)
