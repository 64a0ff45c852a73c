"""What self-supervised encoders hear with: log-mel or the waveform -> feature frames at 50 Hz."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold

STRIDE = 2
"""Log-mel frames (100 Hz) a feature frame (50 Hz)."""

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""Of the convolutions on the waveform (Baevski et al. 2020, section 2): a frame hears 400 samples, the next begins 320 later."""


class MelFrontEnd(nn.Module):
    """Normalised log-mel (B, 80, n), n even -> (B, channels, n / 2). ``blocks`` convolutional blocks see two frames each."""

    hears = "log_mel"

    def __init__(self, channels: int, blocks: int = 2):
        super().__init__()
        self.stem = nn.Conv1d(2 * 80, channels, 1)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(channels, 5) for _ in range(blocks)])

    @property
    def context(self) -> int:
        """Log-mel frames to each side of a feature frame's own two."""
        return 2 * STRIDE * len(self.blocks)

    def forward(self, mel: Tensor) -> Tensor:
        return self.blocks(self.stem(fold(mel, STRIDE)))


class WaveformFrontEnd(nn.Module):
    """Waveform (B, 320 n) -> (B, channels, n): the seven convolutions of wav2vec 2.0 and HuBERT, no normalisation over time.

    Each layer's channels are normalised frame by frame, as in the large models, so that a frame depends on its own 400
    samples alone.
    """

    hears = "waveform"

    def __init__(self, channels: int, width: int = 256):
        super().__init__()
        sizes = [1] + [width] * (len(KERNELS) - 1) + [channels]
        self.convs = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, bias=False)
            for before, after, kernel, stride in zip(sizes, sizes[1:], KERNELS, STRIDES, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in sizes[1:])

    @property
    def context(self) -> int:
        """In units of 10 ms: the 40 samples that a frame hears on either side of its own 320."""
        return 1

    def forward(self, waveform: Tensor) -> Tensor:
        x = F.pad(waveform[:, None], (40, 40))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.gelu(norm(conv(x).transpose(1, 2)).transpose(1, 2))
        return x


def make_front_end(kind: str, channels: int, blocks: int = 2) -> MelFrontEnd | WaveformFrontEnd:
    """The economical "log_mel" or "waveform". Raises ValueError for another."""
    if kind == "log_mel":
        return MelFrontEnd(channels, blocks)
    if kind == "waveform":
        return WaveformFrontEnd(channels)
    raise ValueError(f"unknown front end '{kind}': log_mel or waveform")
