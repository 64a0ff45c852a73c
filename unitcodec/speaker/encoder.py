"""Speech -> speaker code: a vector over the utterance, quantized by a product of scalar codebooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold
from ..quantize import FSQ
from .descent import Descent, Floats


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
            margin: how near, in steps of the codes, a latent may end to a border between two of them.

        Returns:
            (B, fields), int64; None if a latent ends nearer: with a little more or less it would have been another code.
        """
        descent = self.descent(codes, steps)
        device = codes.device
        found = descent.down(lambda step, vector: slope_of(partial(error, step), vector, device), steps, margin)
        return None if found is None else torch.from_numpy(found).to(device)

    def descent(self, codes: Tensor, steps: int) -> Descent:
        """The search of :meth:`searched`, to be gone step by step; ``steps`` in all, or fewer."""
        dtype = np.float64 if self.head.weight.dtype == torch.float64 else np.float32
        return Descent(self.alphabets, codes.cpu().numpy(), steps, dtype)

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, fields) -> speaker vector (B, fields)."""
        return self.quantizer.decode(codes[..., None], dtype)[..., 0]


def slope_of(error: Callable[[Tensor], Tensor], vector: Floats, device: torch.device) -> Floats:
    """The gradient of an error, vectors (B, channels) -> scalar, where the vectors are these."""
    with torch.inference_mode(False), torch.enable_grad():
        given = torch.tensor(vector, device=device, requires_grad=True)
        (slope,) = torch.autograd.grad(error(given), given)
    found: Floats = slope.cpu().numpy()
    return found
