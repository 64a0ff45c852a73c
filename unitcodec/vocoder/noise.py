"""White noise that is a function of the absolute sample position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def white_noise(start: int, samples: int) -> NDArray[np.float32]:
    """``samples`` values of unit-variance noise from absolute sample ``start`` on: the same ones on every call, (samples,).

    A counter-based generator (the finalizer of MurmurHash3 over the position), uniform in distribution: integer
    arithmetic, hence equal on every machine and for every way of cutting the stream.
    """
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(start, start + samples, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(0x7F4A7C15)) & mask
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & mask
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & mask
    h = h ^ (h >> np.uint64(16))
    uniform: NDArray[np.float32] = h.astype(np.float32) * np.float32(1.0 / 2147483648.0) - np.float32(1.0)
    return uniform * np.float32(1.7320508)
