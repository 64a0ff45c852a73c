"""The optimizer of a stage: AdamW or, for the matrices between hidden layers, Muon with AdamW for the rest.

Muon (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982, whose step size is used) makes the update of a matrix nearly
orthogonal, so that its rare directions learn as fast as its common ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn

from ..errors import UnitcodecError, UnitcodecWarning, warn
from .precision import pays

SMALLEST = 64
"""Matrices with a smaller side stay with AdamW."""

KINDS = ("adamw", "muon")

DECAY = 1e-2
"""Of weights, for both."""


class Optimizer:
    """Optimizers that share the parameters of one network, with what a stage asks of a ``torch.optim.Optimizer``."""

    def __init__(self, *parts: torch.optim.Optimizer):
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if len(state) != len(self.parts):
            raise ValueError("of another kind of optimizer")
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])


def make_optimizer(kind: str, network: nn.Module, learned: Sequence[nn.Parameter], rate: float) -> Optimizer:
    """An optimizer of the parameters ``learned``, of which those of the linear layers of ``network`` may go to Muon.

    Args:
        kind: "adamw" or "muon".
        rate: step size, the same for both.

    Raises:
        UnitcodecError: another kind, or a torch without Muon.
    """
    if kind not in KINDS:
        raise UnitcodecError(f"unknown optimizer '{kind}': one of {', '.join(KINDS)}")
    matrices: list[nn.Parameter] = []
    if kind == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise UnitcodecError(f"optimizer 'muon': torch {torch.__version__} has none; take 2.9 or later, or 'adamw'")
        if learned and not pays(learned[0].device.type):
            warn(
                "optimizer 'muon' multiplies in bfloat16, which this processor does slowly: 'adamw' is faster here",
                UnitcodecWarning,
            )
        chosen = {id(parameter) for parameter in learned}
        matrices = [weight for weight in _matrices(network) if id(weight) in chosen]
    hidden = {id(parameter) for parameter in matrices}
    rest = [parameter for parameter in learned if id(parameter) not in hidden]
    parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, rate, betas=(0.9, 0.98), weight_decay=DECAY)] if rest else []
    if matrices:
        parts.append(torch.optim.Muon(matrices, rate, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"))
    return Optimizer(*parts)


def _matrices(network: nn.Module) -> Iterator[nn.Parameter]:
    for module in network.modules():
        if isinstance(module, nn.Linear) and min(module.in_features, module.out_features) >= SMALLEST:
            yield cast(nn.Parameter, module.weight)
