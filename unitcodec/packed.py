"""Linear layers whose weights are laid out once as oneDNN multiplies them: on a CPU, in float32.

PyTorch gives float32 products to MKL, which on processors of other makers than its own does without their widest registers:
110 in place of 250 GFLOP/s on one core of an AMD EPYC (Zen 5). oneDNN, which PyTorch has in it as well, uses them everywhere.
Results differ in the last bits from those of MKL, as they do between two versions of either.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Approximation = Literal["none", "tanh"]
"""Of the error function in a GELU."""

_ROWS = 232
"""For which weights are laid out, those of a packet's window; others take the same layout."""


class PackedLinear(nn.Linear):
    """A linear layer (..., inputs) -> (..., outputs) that is no longer trained, in float32 on the CPU."""

    def __init__(self, layer: nn.Linear) -> None:
        # As a linear layer, but without weights of its own.
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.train(layer.training)
        self._packed = _packed(layer.weight)
        self._back: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_grad_enabled() and input.requires_grad:
            product: Tensor = _Differentiable.apply(input, self)  # type: ignore[no-untyped-call]
            return product
        return _linear(input, self._packed, self.bias)

    def gelu(self, x: Tensor, approximate: Approximation) -> Tensor:
        """GELU of the layer's result."""
        if torch.is_grad_enabled() and x.requires_grad:
            return F.gelu(self(x), approximate=approximate)
        return _linear(x, self._packed, self.bias, "gelu", approximate)

    def backward(self, slope: Tensor) -> Tensor:
        """Slope of something by the layer's result (..., outputs) -> by its input (..., inputs)."""
        if self._back is None:
            self._back = _packed(self.weight.detach().T.contiguous())
        return _linear(slope, self._back)


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedLinear) -> Tensor:
        ctx.layer = layer
        return _linear(x, layer._packed, layer.bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.backward(slopes[0]), None


def can_pack() -> bool:
    """Whether this build of PyTorch has oneDNN's linear layers."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def pack(networks: nn.Module) -> None:
    """Make linear layers in float32 on the CPU packed ones, in place, where PyTorch can.

    After that the networks can neither be copied nor moved.
    """
    if not can_pack():
        return
    for module in list(networks.modules()):
        for name, layer in module.named_children():
            if type(layer) is nn.Linear and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32:
                setattr(module, name, PackedLinear(layer))


def gelu(layer: nn.Module, x: Tensor, approximate: Approximation = "none") -> Tensor:
    """GELU of a linear layer's result, in one go where the layer is packed."""
    return layer.gelu(x, approximate) if isinstance(layer, PackedLinear) else F.gelu(layer(x), approximate=approximate)


def _packed(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
    return packed


def _linear(x: Tensor, packed: Tensor, bias: Tensor | None = None, attribute: str = "none", algorithm: str = "") -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, attribute, [], algorithm)
    return result
