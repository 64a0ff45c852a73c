"""Log-mel -> content units: a convolutional encoder with finite scalar quantization, trained as an autoencoder.

By default four rows of eight values at 25 Hz (300 bit/s before entropy coding), which see at most 0.5 s ahead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..quantize import FSQ, coarser
from .convolutional import ConvolutionalEncoder

IntArray = NDArray[np.int32]


class ContentEncoder(ConvolutionalEncoder):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / stride), which stand for values in [-1, 1]."""

    def __init__(
        self,
        bands: int = 80,
        levels: tuple[int, ...] = (8, 8, 8, 8),
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
        stride: int = 4,
    ):
        super().__init__(len(levels), stride, bands, channels, blocks)
        self.quantizer = FSQ(list(levels))

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of each codebook row."""
        return tuple(self.quantizer.levels.tolist())

    @property
    def rungs(self) -> tuple[tuple[IntArray, ...], ...]:
        """Coarser codes, for lower rates: see :func:`unitcodec.quantize.coarser`."""
        return coarser(self.vocabulary)

    spacing = 1.0

    @property
    def channels(self) -> int:
        """One a codebook row."""
        return len(self.quantizer.levels)

    def distances(self, mel: Tensor) -> tuple[Tensor, ...]:
        """(B, 80, n), n a multiple of the stride -> for each row the squared distances to its codes, (B, n / stride, levels)."""
        return self.quantizer.distances(self.latent(mel))
