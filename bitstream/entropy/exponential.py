"""Powers of two as integers: the table by which log2 odds become weights, the same on every machine."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

STEPS = 1024
"""Entries an octave."""

OCTAVES = 24
LIMIT = STEPS * OCTAVES
"""From here on the weight is 0."""

_GUARD = 128


def _powers() -> list[int]:
    """floor(2**24 * 2**(-i / 1024) + 1/2), i = 0 .. LIMIT; no libm has a say in them."""
    root = 1 << 2 * _GUARD - 1  # 2**-1, squared scale
    for _ in range(STEPS.bit_length() - 1):
        ratio = isqrt(root)
        root = ratio << _GUARD
    octave, value = [], 1 << _GUARD
    for _ in range(STEPS):
        octave.append(value)
        value = value * ratio >> _GUARD
    return [(value >> _GUARD - OCTAVES - 1 + shift) + 1 >> 1 for shift in range(OCTAVES) for value in octave] + [0]


INTEGER_POWERS = _powers()
"""The weight of what lies i / 1024 octaves below the most likely, i = 0 .. LIMIT."""

POWERS: NDArray[np.float64] = np.array(INTEGER_POWERS, dtype=np.float64)
"""The same, for whole arrays."""
