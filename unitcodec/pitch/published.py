"""F0 track -> F0 codes as published checkpoints have them: the F0 VQ-VAE of Polyak et al. 2021, section 3.

Convolutions that halve the rate, each followed by residual blocks of growing dilation, a codebook, and the same the other way
round, after Jukebox (Dhariwal et al. 2020, arXiv 2005.00341, section 3). One channel at 200 Hz: F0 in Hz less the speaker's
mean and over the speaker's deviation, both over voiced frames; 0 where unvoiced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..arrays import FloatArray
from ..quantize import VQ
from .track import STRIDE

FINE = 2
"""F0 values (200 Hz) to one of the tracker's (100 Hz)."""


def in_hertz(mean: float, deviation: float) -> tuple[float, float]:
    """Mean and deviation of log-F0 -> mean and deviation of F0 in Hz, those of the log-normal distribution that has them."""
    hertz = math.exp(mean + deviation**2 / 2)
    return hertz, hertz * math.sqrt(math.expm1(deviation**2))


def refine(f0: FloatArray) -> NDArray[np.float64]:
    """F0 (n,) in Hz at 100 Hz, 0 where unvoiced -> (2 n,) at 200 Hz.

    What stands between two voiced values is their mean; any other repeats the one before it, so that a voiced stretch keeps
    its duration.
    """
    here = f0.astype(np.float64)
    after = np.append(here[1:], here[-1:])
    between = np.where((here > 0) & (after > 0), (here + after) / 2, here)
    return np.stack([here, between], 1).ravel()


class ResidualBlock(nn.Module):
    """ReLU, a dilated convolution of three taps, ReLU, one of a single tap, added to the input: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, hidden: int, dilation: int, scale: float):
        super().__init__()
        self.dilated = nn.Conv1d(channels, hidden, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(hidden, channels, 1)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.mix(F.relu(self.dilated(F.relu(x))))


class PublishedVQVAE(nn.Module):
    """(B, 1, 2 n) at 200 Hz -> codes (B, 1, n / 8) -> (B, 1, 2 n).

    Args:
        codes, code_channels: of the codebook.
        width: channels between the convolutions, ``hidden`` those inside a residual block (``width`` if None).
        dilations: of the residual blocks at each rate, first to last; ``reverse`` turns their order round in the decoder.
        strides: even, with a product of 16.
        scale: what a residual block's output is multiplied by.
        normalise: whether F0 is normalised at all; otherwise the encoder is given Hz.

    Raises ValueError for strides that do not make 12.5 codes of 200 values a second.
    """

    def __init__(
        self,
        codes: int = 20,
        code_channels: int = 128,
        width: int = 32,
        hidden: int | None = None,
        dilations: Sequence[int] = (1, 3, 9, 27),
        strides: Sequence[int] = (2, 2, 2, 2),
        reverse: bool = False,
        scale: float = 1.0,
        normalise: bool = True,
    ):
        super().__init__()
        if any(stride < 2 or stride % 2 for stride in strides) or math.prod(strides) != FINE * STRIDE:
            raise ValueError(f"F0 strides {tuple(strides)}: must be even, with a product of {FINE * STRIDE}")
        self.strides, self.dilations, self.normalise = tuple(strides), tuple(dilations), normalise

        def blocks(order: Sequence[int]) -> nn.Module:
            return nn.Sequential(*[ResidualBlock(width, hidden or width, dilation, scale) for dilation in order])

        backwards = self.dilations[::-1] if reverse else self.dilations
        ins, outs = [1] + [width] * (len(strides) - 1), [width] * (len(strides) - 1) + [code_channels]
        self.down = nn.ModuleList(
            nn.Conv1d(channels, width, 2 * stride, stride, stride // 2) for channels, stride in zip(ins, strides, strict=True)
        )
        self.down_blocks = nn.ModuleList(blocks(self.dilations) for _ in strides)
        self.project = nn.Conv1d(width, code_channels, 3, padding=1)
        self.quantizer = VQ(codes, code_channels)
        self.expand = nn.Conv1d(code_channels, width, 3, padding=1)
        self.up_blocks = nn.ModuleList(blocks(backwards) for _ in strides)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(width, channels, 2 * stride, stride, stride // 2)
            for channels, stride in zip(outs, strides, strict=True)
        )
        self.head = nn.Conv1d(code_channels, 1, 3, padding=1)

    @property
    def codes(self) -> int:
        """Alphabet of the F0 codes."""
        return len(self.quantizer.codebook)

    @property
    def context(self) -> int:
        """F0 frames (100 Hz) that the encoder sees to each side of a code's own eight; a multiple of eight."""
        # The interval that code 0 depends on, followed back layer by layer: frames of the codes first, of 200 Hz in the end.
        first, last, reach = -1, 1, sum(self.dilations)
        for stride in reversed(self.strides):
            # Output o of a convolution sums inputs i with 0 <= i - stride * o + stride / 2 < 2 * stride.
            first = stride * (first - reach) - stride // 2
            last = stride * (last + reach) - stride // 2 + 2 * stride - 1
        # An odd value of 200 Hz is made of two of 100 Hz.
        frames = max(-(first // FINE), -(-last // FINE) - (STRIDE - 1))
        return -(-frames // STRIDE) * STRIDE

    def channels(self, f0: FloatArray, mean: float, deviation: float) -> FloatArray:
        """F0 (n,) in Hz at 100 Hz, 0 where unvoiced, mean and deviation of its logarithm -> (1, 2 n) at 200 Hz."""
        fine = refine(f0)
        if self.normalise:
            centre, spread = in_hertz(mean, deviation)
            fine = np.where(fine > 0, (fine - centre) / spread, 0.0)
        return fine[None].astype(np.float32)

    def latent(self, track: Tensor) -> Tensor:
        """(B, 1, 16 m) -> (B, code_channels, m)."""
        for down, blocks in zip(self.down, self.down_blocks, strict=True):
            track = blocks(down(track))
        return self.project(track)

    def encode(self, track: Tensor) -> Tensor:
        """(B, 1, 16 m) -> codes (B, 1, m)."""
        return self.quantizer.encode(self.latent(track))

    def reconstruct(self, codes: Tensor) -> Tensor:
        """Codes (B, 1, m) -> the track that they stand for, (B, 1, 16 m)."""
        hidden = self.expand(self.quantizer.decode(codes, self.head.weight.dtype))
        for blocks, up in zip(self.up_blocks, self.up, strict=True):
            hidden = up(blocks(hidden))
        return self.head(hidden)
