"""The search for a speaker's codes down an error, by gradient descent; in NumPy, whatever computes the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import steps as scalar

Floats = NDArray[np.floating[Any]]

SEARCH_RATE = 1.6
"""The first step of a latent, over the number of levels: about two thirds of the way from the middle of a code's interval to the
next one's. See :class:`Descent`."""


class Descent:
    """Codes of a speaker on their way down an error, by Adam with steps that get shorter.

    On the way forward codes are rounded, but softly: nothing jumps, so a little more or less in a slope stays a little, and
    matters only where the search ends. On the way back they are not rounded (straight-through).

    Args:
        levels: values of each field.
        codes: (B, fields), where it begins.
        steps: that it may take.
        dtype: in which it is computed.
    """

    def __init__(self, levels: Sequence[int], codes: NDArray[np.integer[Any]], steps: int, dtype: DTypeLike):
        self._levels: Floats = np.array(levels, dtype)
        self._steps, self._taken, self._start = steps, 0, codes.astype(np.int64)
        # The middle of the interval that is rounded to each code.
        self._latent: Floats = np.arctanh((codes.astype(dtype) + self._levels.dtype.type(0.5)) / self._levels * 2 - 1)
        self._mean, self._square = np.zeros_like(self._latent), np.zeros_like(self._latent)

    @property
    def done(self) -> bool:
        """Whether all steps are taken."""
        return self._taken == self._steps

    @property
    def _bounded(self) -> Floats:
        bounded: Floats = scalar.bound(np.tanh(self._latent), self._levels)
        return bounded

    def clearance(self) -> float:
        """How near, in steps of the codes, a latent is to a border between two of them."""
        return float(scalar.from_borders(self._bounded + self._levels.dtype.type(0.5), self._levels))

    def down(self, slope: Callable[[int, Floats], Floats], steps: int, margin: float = 0.0) -> NDArray[np.int64] | None:
        """So many steps -> the codes (B, fields); None if a latent ends within ``margin`` of a border between two of them: with a
        little more or less it would have been another code.

        ``slope``: number of the step, vectors (B, fields) -> the gradient of the error.
        """
        for step in range(steps):
            self.step(lambda vector, step=step: slope(step, vector))  # type: ignore[misc]
        return None if margin and not self.clearance() > margin else self.codes()

    def step(self, slope: Callable[[Floats], Floats]) -> None:
        """One step down an error: vectors (B, fields) -> its gradient, of the type of the descent."""
        vector = _rounded(_rounded(self._bounded)) * 2 / (self._levels - 1) - 1
        squashed = np.tanh(self._latent)
        inner = slope(vector) * 2 / (self._levels - 1) * (self._levels - 1e-3) * 0.5 * (1 - squashed * squashed)
        self._mean = 0.9 * self._mean + 0.1 * inner
        self._square = 0.98 * self._square + 0.02 * np.square(inner)
        rate = SEARCH_RATE / self._levels * (1.0 - 0.8 * self._taken / self._steps) / (1.0 - 0.9 ** (self._taken + 1))
        self._taken += 1
        self._latent = self._latent - rate * self._mean / (np.sqrt(self._square / (1.0 - 0.98**self._taken)) + 1e-8)

    def codes(self) -> NDArray[np.int64]:
        """(B, fields); those of the beginning where weights from anywhere have led to no number at all."""
        there = np.isfinite(self._latent)
        self._latent = np.where(there, self._latent, 0)
        return np.where(there, self._bounded.round().astype(np.int64), self._start)


def _rounded(x: Floats) -> Floats:
    """Nearer to the nearest whole number: level there, and twice as steep as a line half way between two."""
    nearer: Floats = x - np.sin(2 * np.pi * x) / (2 * np.pi)
    return nearer
