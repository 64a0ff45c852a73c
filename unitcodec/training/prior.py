"""What codes cost while they are learned: rate-distortion training of scalar codes.

A small causal network predicts every code from the frames before and the rows before it in its own frame, as the entropy
model will. It learns beside the codes, and the codes are pushed towards what it expects: loss = distortion + weight * bits,
as in Balle et al. 2018 (arXiv 1802.01436, section 3), with the autoregressive prior of Minnen et al. 2018 (arXiv 1809.02736).
Codes are integers, so the bits' gradient is the difference between the two neighbouring values' costs, passed straight through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import parallel


class Prior(nn.Module):
    """Values (B, rows, m) in [-1, 1] -> -log2 p of every level of every row, (B, m, rows, most levels)."""

    lower: Tensor
    absent: Tensor
    _half: Tensor

    def __init__(self, levels: Sequence[int], hidden: int = 160):
        super().__init__()
        rows, most = len(levels), max(levels)
        self.levels = tuple(levels)
        self.recurrent = nn.GRU(2 * rows, hidden, batch_first=True)
        self.initial = nn.Parameter(torch.zeros(1, 1, hidden))
        self.head = nn.Linear(hidden, rows * most)
        self.within = nn.Parameter(torch.zeros(rows, most, 2 * rows))
        lower = torch.ones(rows, rows).tril(-1).repeat(1, 2)
        self.register_buffer("lower", lower[:, None], persistent=False)
        absent = torch.arange(most) >= torch.tensor(self.levels)[:, None]
        self.register_buffer("absent", absent, persistent=False)
        self.register_buffer("_half", (torch.tensor(self.levels) - 1) / 2, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        seen = torch.cat([values, values.square()], 1).transpose(1, 2).float()
        initial = self.initial.expand(1, len(seen), -1).contiguous()
        states, _ = self.recurrent(seen[:, :-1], initial)
        states = torch.cat([initial.transpose(0, 1), states], 1)
        logits = self.head(states).view(*states.shape[:2], len(self.levels), -1)
        logits = logits + torch.einsum("bmi,rli->bmrl", seen, self.within * self.lower)
        return -torch.log_softmax(logits.masked_fill(self.absent, -torch.inf), 3) / math.log(2)

    def bits(self, values: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Values and codes (B, rows, m) -> bits a frame (B,), to learn from, and a scalar for the values' gradient.

        The second is linear in the values, with the slope of their own bits; what they do to later codes it leaves out.
        """
        costs = self.forward(values.detach())
        index = codes.transpose(1, 2)[..., None]
        frames = codes.shape[0] * codes.shape[2]
        own = costs.gather(3, index).sum((1, 2, 3)) / codes.shape[2]
        with torch.no_grad():
            last = (torch.tensor(self.levels, device=codes.device) - 1)[:, None]
            above, below = torch.minimum(index + 1, last), (index - 1).clamp(min=0)
            slope = (costs.gather(3, above) - costs.gather(3, below)) / (above - below).clamp(min=1)
        positions = values.float().transpose(1, 2) * self._half
        return own, (slope[..., 0] * positions).sum() / frames


class RateTerm:
    """The rate's part in the loss: a prior that learns beside the codes, and the weight of a bit.

    The weight moves until the codes cost what they may: up by a part while they cost more, and down again.
    """

    def __init__(self, levels: Sequence[int], target: float, weight: float = 1e-3, gain: float = 0.02, device: str = "cpu"):
        """``target``: bits a frame."""
        self.target, self.weight, self.gain = target, weight, gain
        self.prior = Prior(levels).to(device)
        self.optimizer = torch.optim.AdamW(self.prior.parameters(), 2e-3)

    def step(self, values: Tensor, codes: Tensor, nearest: Tensor | None = None) -> tuple[Tensor, dict[str, float]]:
        """Values (with gradients) and codes (B, rows, m) -> what the loss gets, and what the log tells. The prior learns.

        ``nearest`` (B,), bool: whose codes are the nearest ones, of which the rate is asked; None for all.
        """
        each, rate = self.prior.bits(values, codes)
        self.optimizer.zero_grad()
        each.mean().backward()
        parallel.average_gradients(self.prior.parameters())
        nn.utils.clip_grad_norm_(self.prior.parameters(), 1.0)
        self.optimizer.step()
        counted = each if nearest is None else each[nearest]
        bits = counted.mean().item() if len(counted) else self.target
        logged = {"rate": bits, "weight": self.weight}
        rate = self.weight * rate
        self.update(parallel.mean(bits))
        return rate, logged

    def update(self, bits: float) -> None:
        """After a step whose codes cost ``bits`` a frame."""
        error = max(-0.5, min(0.5, bits / self.target - 1))
        self.weight = max(1e-6, min(1.0, self.weight * math.exp(self.gain * error)))

    @torch.no_grad()
    def cost(self, values: Tensor, codes: Tensor) -> float:
        """Bits a frame."""
        return self.prior.bits(values, codes)[0].mean().item()

    def state_dict(self) -> dict[str, Any]:
        return {"prior": self.prior.state_dict(), "optimizer": self.optimizer.state_dict(), "weight": self.weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.prior.load_state_dict(state["prior"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.weight = state["weight"]
