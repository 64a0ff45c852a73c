"""Building blocks that more than one network uses."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .packed import gelu


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then a two-layer perceptron over channels, with a residual (Liu et al. 2022, figure 4).

    ``(B, C, T) -> (B, C, T)``; of the ``kernel`` frames that it sees ``ahead`` are behind its own, half of them by default.
    """

    def __init__(self, channels: int, kernel: int = 5, expansion: int = 3, scale: float = 0.2, ahead: int | None = None):
        super().__init__()
        self.ahead = kernel // 2 if ahead is None else ahead
        self.depthwise = nn.Conv1d(channels, channels, kernel, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up = nn.Linear(channels, channels * expansion)
        self.down = nn.Linear(channels * expansion, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.spread(x).transpose(1, 2))
        h = self.down(gelu(self.up, h, "tanh")) * self.scale
        return x + h.transpose(1, 2)

    def spread(self, x: Tensor) -> Tensor:
        """The depthwise convolution alone."""
        kernel, frames = self.depthwise.kernel_size[0], x.shape[2]
        padded = F.pad(x, (kernel - 1 - self.ahead, self.ahead))
        if x.dtype != torch.float64:
            return self.depthwise(padded)
        # PyTorch convolves float64 on the CPU one channel at a time; a sum of shifted copies is many times as fast.
        weight = self.depthwise.weight[:, 0]
        total = torch.addcmul(cast(Tensor, self.depthwise.bias)[:, None], padded[..., :frames], weight[:, :1])
        for k in range(1, kernel):
            total = total.addcmul_(padded[..., k : k + frames], weight[:, k : k + 1])
        return total


def masked(x: Tensor, there: Tensor | None) -> Tensor:
    """(B, C, T) with zeros in the frames where ``there`` (B, 1, T) is 0, so that a convolution sees the end of each row there."""
    return x if there is None else x * there


def through(blocks: nn.Sequential, x: Tensor, there: Tensor | None = None) -> Tensor:
    """(B, C, T) through one block after the other, each of which sees it :func:`masked`."""
    for block in blocks:
        x = block(masked(x, there))
    return x


def fold(x: Tensor, factor: int) -> Tensor:
    """(B, C, T) -> (B, C * factor, T / factor): neighbouring frames side by side in the channels."""
    b, c, t = x.shape
    return x.reshape(b, c, t // factor, factor).transpose(2, 3).reshape(b, c * factor, t // factor)


def unfold(x: Tensor, factor: int) -> Tensor:
    """Inverse of :func:`fold`: (B, C * factor, T) -> (B, C, T * factor)."""
    b, c, t = x.shape
    return x.reshape(b, c // factor, factor, t).transpose(2, 3).reshape(b, c // factor, t * factor)


class LocalAttention(nn.Module):
    """A transformer layer whose frames see ``before`` frames before them and ``after`` behind them: (B, T, C) -> (B, T, C).

    Normalisation first (Xiong et al. 2020), a learned bias for each distance (Shaw et al. 2018, the scalar form of Raffel et
    al. 2020), so that a frame's result depends on what surrounds it and not on where in a file it stands. Frames beyond the
    ends are not attended to. Work and memory grow in proportion to T.
    """

    def __init__(self, channels: int, heads: int, before: int, after: int, expansion: int = 4):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide among {heads} heads")
        self.heads, self.before, self.after = heads, before, after
        self.norm, self.norm_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(heads, before + after + 1))
        self.up, self.down = nn.Linear(channels, expansion * channels), nn.Linear(expansion * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.out(self._attended(self.norm(x)))
        return x + self.down(gelu(self.up, self.norm_2(x), "tanh"))

    def _attended(self, x: Tensor) -> Tensor:
        b, frames, channels = x.shape
        # Blocks of frames, each with the frames around it: (B, blocks, heads, frames, C / heads).
        size = max(self.before, self.after, 1)
        blocks, width = -(-frames // size), self.before + size + self.after
        split = (b, -1, self.heads, channels // self.heads)
        query, key, value = self.query_key_value(x).chunk(3, -1)
        query = F.pad(query, (0, 0, 0, blocks * size - frames)).reshape(b, blocks, size, *split[2:]).transpose(2, 3)
        around = (0, 0, self.before, blocks * size - frames + self.after)
        key, value = (F.pad(part, around).unfold(1, width, size).unflatten(2, split[2:]) for part in (key, value))
        scores = query @ key * (channels // self.heads) ** -0.5
        scores = scores + self._biases(frames, blocks, size, width).to(scores.dtype)
        weight = torch.softmax(scores.float() if scores.dtype == torch.bfloat16 else scores, -1).to(value.dtype)
        mixed = weight @ value.transpose(3, 4)
        return mixed.transpose(2, 3).reshape(b, blocks * size, channels)[:, :frames]

    def _biases(self, frames: int, blocks: int, size: int, width: int) -> Tensor:
        """(blocks, heads, size, width): the bias of each frame's distance to each around it, -inf out of reach."""
        device = self.bias.device
        distance = torch.arange(width, device=device) - torch.arange(size, device=device)[:, None]
        reached = (distance >= 0) & (distance <= self.before + self.after)
        bias = self.bias[:, distance.clamp(0, self.before + self.after)]
        position = torch.arange(blocks, device=device)[:, None] * size + torch.arange(width, device=device) - self.before
        there = (position >= 0) & (position < frames)
        # A padded frame, whose result nobody reads, may see nothing: its own place keeps the softmax finite.
        own = distance == self.before
        return torch.where((reached & there[:, None] | own)[:, None], bias, float("-inf"))
