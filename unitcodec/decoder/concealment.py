"""What is heard of lost packets: silence, with ramps around it, and neighbours that do not know of the hole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE = 160
"""Samples (10 ms) of fade at the borders of a lost packet."""


def nearest_kept(lost: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each frame the index of the nearest one not lost (itself if none is left): neighbours must not see the hole."""
    kept = np.flatnonzero(~lost)
    if len(kept) == 0 or len(kept) == len(lost):
        return np.arange(len(lost))
    position = np.arange(len(lost))
    after = np.minimum(np.searchsorted(kept, position), len(kept) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(kept[after] - position) <= np.abs(kept[before] - position), kept[after], kept[before])


def mute_curve(lost: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Samples lost (n,) -> gain (n,): 0 over what was lost, ramps of 10 ms outside it."""
    kernel = np.hanning(2 * FADE + 1)
    reach = np.convolve(np.pad(lost, FADE, mode="edge").astype(np.float64), kernel / kernel.sum(), "valid")
    return np.clip(1.0 - 2.0 * reach, 0.0, 1.0).astype(np.float32) * ~lost
