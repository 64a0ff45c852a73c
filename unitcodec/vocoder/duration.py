"""How long each unit lasts, where only their order is known: the duration predictor of Lee et al. 2021 (arXiv 2107.05604)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LONGEST = 1000
"""Frames that a unit lasts at most, whatever is predicted: 20 s at 50 Hz."""


class DurationPredictor(nn.Module):
    """Embedded units without repetitions (B, channels, n) -> frames of each (B, n).

    Two convolutions over time, each followed by a ReLU and a norm over channels, and a projection to log(1 + frames).
    Raises ValueError for an even kernel.
    """

    def __init__(self, channels: int = 128, hidden: int = 128, kernel: int = 3) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError("the kernel of a duration predictor must be odd")
        self.conv1 = nn.Conv1d(channels, hidden, kernel, padding=kernel // 2)
        self.norm1 = nn.LayerNorm(hidden)
        self.conv2 = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2)
        self.norm2 = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, embedded: Tensor) -> Tensor:
        """(B, channels, n) -> log(1 + frames), (B, n)."""
        hidden = self.norm1(F.relu(self.conv1(embedded)).transpose(1, 2))
        hidden = self.norm2(F.relu(self.conv2(hidden.transpose(1, 2))).transpose(1, 2))
        logarithm: Tensor = self.head(hidden)[..., 0]
        return logarithm

    def predict(self, embedded: Tensor) -> Tensor:
        """(B, channels, n) -> whole frames (B, n), at least one each."""
        return torch.round(torch.exp(self(embedded)) - 1.0).clamp(1, LONGEST).long()
