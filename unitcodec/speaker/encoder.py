"""Speech -> speaker code: a vector over the utterance, quantized to 64 bits by a product of scalar codebooks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold
from ..quantize import FSQ


class SpeakerEncoder(nn.Module):
    """(B, 80, n) normalised log-mel at 100 Hz, n even -> codes (B, 32), each in [0, 4)."""

    def __init__(self, bands: int = 80, channels: int = 128, blocks: int = 3, fields: int = 32, levels: int = 4):
        super().__init__()
        self.stem = nn.Conv1d(bands * 2, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(channels, 5) for _ in range(blocks)])
        self.score = nn.Conv1d(channels, channels, 1)
        self.head = nn.Linear(channels * 2, fields)
        self.quantizer = FSQ([levels] * fields)

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

    def away(self, codes: Tensor, own: Tensor) -> Tensor:
        """Codes (B, fields) of a voice -> the codes as far again from those of ``own`` (B, fields), within their alphabets."""
        return (2 * codes - own).clamp(min=0).minimum(self.quantizer.levels - 1)

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, fields) -> speaker vector (B, fields)."""
        return self.quantizer.decode(codes[..., None], dtype)[..., 0]
