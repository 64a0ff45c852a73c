"""No F0: for vocoders that are given units alone."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from ..arrays import FloatArray
from .track import STRIDE


class NoPitch(nn.Module):
    """One F0 code, which costs no bits."""

    codes, context = 1, 0

    def channels(self, f0: FloatArray, mean: float, deviation: float) -> FloatArray:
        """F0 (n,) at 100 Hz -> (1, n) zeros."""
        return np.zeros((1, len(f0)), np.float32)

    def encode(self, track: Tensor) -> Tensor:
        """(B, 1, n), n a multiple of 8 -> codes (B, 1, n / 8), all 0."""
        return track[..., ::STRIDE].long()
