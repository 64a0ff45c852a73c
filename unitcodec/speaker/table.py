"""A speaker out of the vocoder's own table, by number."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpeakerTable(nn.Module):
    """One field, a row of a table of ``size`` voices. Nothing is heard: what is sent is always ``voice``.

    Raises ValueError for a voice outside the table.
    """

    def __init__(self, size: int, voice: int = 0):
        super().__init__()
        if not 0 <= voice < size:
            raise ValueError(f"voice {voice}: the table has {size}, from 0 on")
        self.size, self.voice = size, voice

    @property
    def alphabets(self) -> tuple[int, ...]:
        """Of the one field of the code."""
        return (self.size,)

    @property
    def channels(self) -> int:
        """Of what a code stands for: one a voice."""
        return self.size

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n) -> codes (B, 1), int64: the configured voice."""
        return torch.full((len(mel), 1), self.voice, device=mel.device)

    def searched(self, codes: Tensor, error: Callable[[int, Tensor], Tensor], steps: int, margin: float = 0.0) -> Tensor:
        """Codes (B, 1) as they are: the voice that is sent is configured."""
        return codes

    def descent(self, codes: Tensor, steps: int) -> None:
        """None: there is nothing to search."""

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, 1) -> one-hot vectors (B, size)."""
        return F.one_hot(codes[:, 0].long(), self.size).to(dtype)
