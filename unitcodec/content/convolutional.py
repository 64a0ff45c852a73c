"""The convolutional encoder of log-mel that is learned together with its decoder; a family of it adds a quantizer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold


class ConvolutionalEncoder(nn.Module):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / stride).

    Args:
        outputs: channels of what is quantized.
        stride: 2, 4 or 8 log-mel frames a unit frame (50, 25 or 12.5 Hz). Raises ValueError for another.
        channels, blocks: at 50 Hz and at the units' rate.
    """

    hears = "log_mel"
    windowed = False
    quantizer: Any

    def __init__(self, outputs: int, stride: int, bands: int, channels: tuple[int, int], blocks: tuple[int, int]):
        super().__init__()
        if stride not in (2, 4, 8):
            raise ValueError(f"stride {stride}: units come at 50 Hz (2), 25 Hz (4) or 12.5 Hz (8)")
        self.stride = stride
        self.stem = nn.Conv1d(bands * 2, channels[0], 3, padding=1)
        self.fast = nn.Sequential(*[ConvNeXtBlock(channels[0], 5) for _ in range(blocks[0])])
        self.reduce = nn.Conv1d(channels[0] * (stride // 2), channels[1], 1)
        self.slow = nn.Sequential(*[ConvNeXtBlock(channels[1], 5) for _ in range(blocks[1])])
        self.head = nn.Sequential(nn.Conv1d(channels[1], channels[1], 1), nn.GELU(), nn.Conv1d(channels[1], outputs, 1))

    @property
    def context(self) -> int:
        """Log-mel frames that the encoder sees to each side of a unit's own, rounded up to whole units."""
        frames = 2 + 2 * 2 * len(self.fast) + 2 * self.stride * len(self.slow)
        return -(-frames // self.stride) * self.stride

    def latent(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of the stride -> (B, outputs, n / stride), before quantization."""
        return self.head(self.slow(self.reduce(fold(self.fast(self.stem(fold(mel, 2))), self.stride // 2))))

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of the stride -> units (B, rows, n / stride), int64."""
        units: Tensor = self.quantizer.encode(self.latent(mel))
        return units

    def quantize(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`unitcodec.content.ContentFamily`; gradients pass straight through."""
        values, units, loss = self.quantizer(self.latent(mel).float())
        return values, units, loss

    def values(self, units: Tensor) -> Tensor:
        """Units (B, rows, m) -> what they stand for, (B, channels, m)."""
        values: Tensor = self.quantizer.decode(units)
        return values
