"""Log-mel -> content units at 25 Hz: a convolutional encoder with finite scalar quantization, trained as an autoencoder.

Four rows of eight values a frame (300 bit/s before entropy coding). Sees at most 0.5 s ahead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold
from ..quantize import FSQ

STRIDE = 4
"""Log-mel frames (100 Hz) a unit frame (25 Hz)."""


class ContentEncoder(nn.Module):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / 4)."""

    def __init__(
        self,
        bands: int = 80,
        levels: tuple[int, ...] = (8, 8, 8, 8),
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
    ):
        super().__init__()
        self.stem = nn.Conv1d(bands * 2, channels[0], 3, padding=1)
        self.fast = nn.Sequential(*[ConvNeXtBlock(channels[0], 5) for _ in range(blocks[0])])
        self.reduce = nn.Conv1d(channels[0] * 2, channels[1], 1)
        self.slow = nn.Sequential(*[ConvNeXtBlock(channels[1], 5) for _ in range(blocks[1])])
        self.head = nn.Sequential(nn.Conv1d(channels[1], channels[1], 1), nn.GELU(), nn.Conv1d(channels[1], len(levels), 1))
        self.quantizer = FSQ(list(levels))

    hears = "log_mel"

    @property
    def stride(self) -> int:
        """Log-mel frames (100 Hz) a unit frame."""
        return STRIDE

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of each codebook row."""
        return tuple(self.quantizer.levels.tolist())

    @property
    def context(self) -> int:
        """Log-mel frames that the encoder sees to each side of a unit's own four; a multiple of four."""
        return 2 + 2 * 2 * len(self.fast) + 2 * STRIDE * len(self.slow) + 2

    @property
    def channels(self) -> int:
        """One a codebook row."""
        return len(self.quantizer.levels)

    def latent(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of 4 -> (B, rows, n / 4), before quantization."""
        return self.head(self.slow(self.reduce(fold(self.fast(self.stem(fold(mel, 2))), 2))))

    def distances(self, mel: Tensor) -> tuple[Tensor, ...]:
        """(B, 80, n), n a multiple of 4 -> for each row the squared distances to its codes, (B, n / 4, levels)."""
        positions = self.quantizer.bound(self.latent(mel)).unbind(1)
        return tuple(
            (row[..., None] - torch.arange(levels, device=row.device)).square()
            for row, levels in zip(positions, self.vocabulary, strict=True)
        )

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of 4 -> units (B, rows, n / 4), int64."""
        return self.quantizer.encode(self.latent(mel))

    def quantize(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`unitcodec.content.ContentFamily`."""
        values, units, loss = self.quantizer(self.latent(mel).float())
        return values, units, loss

    def values(self, units: Tensor) -> Tensor:
        """Units (B, rows, m) -> the values they stand for, (B, rows, m) in [-1, 1]."""
        return self.quantizer.decode(units)
