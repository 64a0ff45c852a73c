"""Speech -> speaker code: a vector over the utterance, quantized by a product of scalar codebooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
        """Analysis by synthesis: where gradient descent on the ``error`` of the codes' vectors ends; see :class:`Descent`.

        Args:
            codes: (B, fields), where the search begins.
            error: number of the step, vectors (B, channels) -> scalar, differentiable, of the same type as the weights. It may
                be that of other speech in each step.
            steps: of the descent.
            margin: how near, in steps of the codes, a latent may come to a border between two of them.

        Returns:
            (B, fields), int64; None if a latent came nearer: with a little more or less it would have been another code.
        """
        descent = self.descent(codes, steps)
        for step in range(steps):
            if margin and not descent.clearance() > margin:
                return None
            descent.step(partial(error, step))
        return None if margin and not descent.clearance() > margin else descent.codes()

    def descent(self, codes: Tensor, steps: int) -> Descent:
        """The search of :meth:`searched`, to be gone step by step; ``steps`` in all, or fewer."""
        return Descent(self.quantizer, codes, steps, self.head.weight.dtype)

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, fields) -> speaker vector (B, fields)."""
        return self.quantizer.decode(codes[..., None], dtype)[..., 0]


class Descent:
    """Codes of a speaker on their way down an error, by Adam with steps that get shorter.

    Codes are rounded on the way forward and not on the way back (straight-through).

    Args:
        quantizer: of the codes.
        codes: (B, fields), where it begins.
        steps: that it may take.
        dtype: in which it is computed.
    """

    def __init__(self, quantizer: FSQ, codes: Tensor, steps: int, dtype: torch.dtype):
        self._quantizer, self._steps, self._taken, self._start = quantizer, steps, 0, codes
        levels = quantizer.levels.to(dtype)[:, None]
        self._first = SEARCH_RATE / levels
        with torch.inference_mode(False):
            # The middle of the interval that is rounded to each code.
            self._latent = torch.atanh((codes.to(dtype, copy=True)[..., None] + 0.5) / levels * 2.0 - 1.0)
            self._mean, self._square = torch.zeros_like(self._latent), torch.zeros_like(self._latent)

    @property
    def done(self) -> bool:
        """Whether all steps are taken."""
        return self._taken == self._steps

    def clearance(self) -> Tensor:
        """How near, in steps of the codes, a latent is to a border between two of them."""
        return self._quantizer.clearance(self._latent)

    def step(self, error: Callable[[Tensor], Tensor]) -> None:
        """One step down an error: vectors (B, channels) -> scalar, differentiable, of the type of the descent."""
        with torch.inference_mode(False), torch.enable_grad():
            latent = self._latent.requires_grad_(True)
            vector, _, _ = self._quantizer(latent)
            # Not torch.optim.Adam, whose first use imports a compiler for two seconds.
            (slope,) = torch.autograd.grad(error(vector[..., 0]), latent)
            self._mean = 0.9 * self._mean + 0.1 * slope
            self._square = 0.98 * self._square + 0.02 * slope.square()
            rate = self._first * (1.0 - 0.8 * self._taken / self._steps) / (1.0 - 0.9 ** (self._taken + 1))
            scale = (self._square / (1.0 - 0.98 ** (self._taken + 1))).sqrt() + 1e-8
            self._latent = latent.detach() - rate * self._mean / scale
        self._taken += 1

    def codes(self) -> Tensor:
        """(B, fields), int64; those of the beginning where weights from anywhere have led to no number at all."""
        found = self._quantizer.encode(self._latent.nan_to_num())[..., 0]
        return torch.where(self._latent[..., 0].isfinite(), found, self._start)
