"""Speech -> speaker code: a vector over the utterance, quantized by a product of scalar codebooks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold
from ..quantize import FSQ

SEARCH_RATE = 1.6
"""The first step of a latent, over the number of levels: about two thirds of the way from the middle of a code's interval to the
next one's. See :meth:`SpeakerEncoder.searched`."""


class SpeakerEncoder(nn.Module):
    """(B, 80, n) normalised log-mel at 100 Hz, n even -> codes (B, fields), each in [0, levels)."""

    def __init__(self, bands: int = 80, channels: int = 128, blocks: int = 3, fields: int = 32, levels: int = 4):
        super().__init__()
        self.stem = nn.Conv1d(bands * 2, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(channels, 5) for _ in range(blocks)])
        self.score = nn.Conv1d(channels, channels, 1)
        self.head = nn.Linear(channels * 2, fields)
        self.quantizer = FSQ([levels] * fields)

    voice: int | None = None

    @property
    def alphabets(self) -> tuple[int, ...]:
        """Of each field of the code."""
        return tuple(self.quantizer.levels.tolist())

    @property
    def channels(self) -> int:
        """Of the speaker vector: one a field."""
        return len(self.quantizer.levels)

    def latent(self, mel: Tensor) -> Tensor:
        """(B, 80, n) -> (B, fields): attentive statistics pooling (Okabe et al. 2018) and a projection."""
        hidden = self.blocks(self.stem(fold(mel, 2)))
        weight = torch.softmax(self.score(hidden), 2)
        mean = (weight * hidden).sum(2)
        deviation = ((weight * hidden.square()).sum(2) - mean.square()).clamp(min=1e-4).sqrt()
        return self.head(torch.cat([mean, deviation], 1))

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n even -> codes (B, fields), int64."""
        return self.quantizer.encode(self.latent(mel)[..., None])[..., 0]

    def searched(self, codes: Tensor, error: Callable[[int, Tensor], Tensor], steps: int, margin: float = 0.0) -> Tensor | None:
        """Analysis by synthesis: where gradient descent on the ``error`` of the codes' vectors ends.

        Codes are rounded on the way forward and not on the way back (straight-through); Adam with steps that get
        shorter.

        Args:
            codes: (B, fields), where the search begins.
            error: number of the step, vectors (B, channels) -> scalar, differentiable, of the same type as the weights. It may
                be that of other speech in each step.
            steps: of the descent.
            margin: how near, in steps of the codes, a latent may come to a border between two of them.

        Returns:
            (B, fields), int64; None if a latent came nearer: with a little more or less it would have been another code.
        """
        levels, kind = self.quantizer.levels, self.head.weight.dtype
        first = SEARCH_RATE / levels.to(kind)[:, None]
        with torch.inference_mode(False), torch.enable_grad():
            # The middle of the interval that is rounded to each code.
            latent = torch.atanh((codes.to(kind) + 0.5) / levels.to(kind) * 2.0 - 1.0)[..., None]
            mean, square = torch.zeros_like(latent), torch.zeros_like(latent)
            for step in range(steps):
                if margin and not self.quantizer.clearance(latent) > margin:
                    return None
                latent.requires_grad_(True)
                vector, _, _ = self.quantizer(latent)
                # Not torch.optim.Adam, whose first use imports a compiler for two seconds.
                (slope,) = torch.autograd.grad(error(step, vector[..., 0]), latent)
                mean, square = 0.9 * mean + 0.1 * slope, 0.98 * square + 0.02 * slope.square()
                rate = first * (1.0 - 0.8 * step / steps) / (1.0 - 0.9 ** (step + 1))
                latent = latent.detach() - rate * mean / ((square / (1.0 - 0.98 ** (step + 1))).sqrt() + 1e-8)
            if margin and not self.quantizer.clearance(latent) > margin:
                return None
            # Weights from anywhere may have led to no number at all.
            found = self.quantizer.encode(latent.nan_to_num())[..., 0]
        return torch.where(latent[..., 0].isfinite(), found, codes)

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, fields) -> speaker vector (B, fields)."""
        return self.quantizer.decode(codes[..., None], dtype)[..., 0]
