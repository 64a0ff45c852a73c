"""Building blocks that more than one network uses."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then a two-layer perceptron over channels, with a residual (Liu et al. 2022, figure 4).

    ``(B, C, T) -> (B, C, T)``; sees ``kernel // 2`` frames to each side.
    """

    def __init__(self, channels: int, kernel: int = 5, expansion: int = 3, scale: float = 0.2):
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up = nn.Linear(channels, channels * expansion)
        self.down = nn.Linear(channels * expansion, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self._depthwise(x).transpose(1, 2))
        h = self.down(F.gelu(self.up(h), approximate="tanh")) * self.scale
        return x + h.transpose(1, 2)

    def _depthwise(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float64 or torch.is_grad_enabled():
            return self.depthwise(x)
        # PyTorch convolves float64 on the CPU one channel at a time; a sum of shifted copies is many times as fast.
        kernel, frames = self.depthwise.kernel_size[0], x.shape[2]
        padded = F.pad(x, (kernel // 2, kernel // 2))
        weight = self.depthwise.weight[:, 0]
        total = torch.addcmul(cast(Tensor, self.depthwise.bias)[:, None], padded[..., :frames], weight[:, :1])
        for k in range(1, kernel):
            total = total.addcmul_(padded[..., k : k + frames], weight[:, k : k + 1])
        return total


def fold(x: Tensor, factor: int) -> Tensor:
    """(B, C, T) -> (B, C * factor, T / factor): neighbouring frames side by side in the channels."""
    b, c, t = x.shape
    return x.reshape(b, c, t // factor, factor).transpose(2, 3).reshape(b, c * factor, t // factor)


def unfold(x: Tensor, factor: int) -> Tensor:
    """Inverse of :func:`fold`: (B, C * factor, T) -> (B, C, T * factor)."""
    b, c, t = x.shape
    return x.reshape(b, c // factor, factor, t).transpose(2, 3).reshape(b, c // factor, t * factor)
