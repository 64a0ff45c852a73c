"""No speaker: for vocoders that know one voice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class NoSpeaker(nn.Module):
    """No fields, which cost no bits."""

    alphabets: tuple[int, ...] = ()
    channels = 0
    voice: int | None = None

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n) -> codes (B, 0), int64."""
        return torch.zeros(len(mel), 0, dtype=torch.long, device=mel.device)

    def searched(self, codes: Tensor, error: Callable[[int, Tensor], Tensor], steps: int, margin: float = 0.0) -> Tensor:
        """Codes (B, 0) as they are."""
        return codes

    def descent(self, codes: Tensor, steps: int) -> None:
        """None: there is nothing to search."""

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, 0) -> vectors (B, 0)."""
        return codes.to(dtype)
