"""The slope of a mel decoder's error by the speaker vector, by hand: forwards through its layers, then back.

As autograd's, in less time: frames are rows throughout, no layer is copied from one order to the other, and only what leads to
the speaker vector is computed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import ConvNeXtBlock
from ..packed import PackedLinear, can_pack
from .mel_decoder import MelDecoder


class MelSlope:
    """Of a decoder that is no longer trained.

    Args:
        decoder: of any type, on any device; see :class:`.MelDecoder`.
    """

    def __init__(self, decoder: MelDecoder) -> None:
        self._decoder, self._ratio = decoder, decoder.stride // 2
        self._entering, self._leaving = decoder.speaker[0], decoder.speaker[2]
        self._slow, self._fast = ([*map(_Block, blocks)] for blocks in ([*decoder.slow, *decoder.memory], decoder.fast))
        self._expand, self._head = _Conv(decoder.expand), _Conv(decoder.head)

    @torch.no_grad()
    def __call__(self, values: Tensor, features: Tensor, mel: Tensor, vector: Tensor, smooth: float) -> tuple[Tensor, Tensor]:
        """The error of the decoded log-mel, and its slope by the speaker vector.

        Args:
            values: what units stand for, (1, rows, m).
            features: of pitch, (1, 3, stride * m).
            mel: normalised log-mel, (1, 80, stride * m).
            vector: of the speaker, (1, S).
            smooth: errors below it count by their square; see ``torch.nn.functional.smooth_l1_loss``.

        Returns:
            A scalar, and (1, S).
        """
        entered = self._entering(vector)
        slow_bias, fast_bias = self._leaving(F.gelu(entered)).split(self._decoder.split, 1)
        said = self._decoder.stem(values)[0].T + slow_bias
        for block in self._slow:
            said = block(said)
        # A unit frame holds `ratio` frames side by side, channel by channel, and these hold two of log-mel each.
        hidden = _apart(self._expand(F.gelu(said)), self._ratio)
        hidden = hidden + self._decoder.pitch(_beside(features[0].T, 2).T[None])[0].T + fast_bias
        for block in self._fast:
            hidden = block(hidden)
        difference = _apart(self._head(hidden), 2) - mel[0].T
        error = F.smooth_l1_loss(difference, torch.zeros_like(difference), beta=smooth)
        slope = self._head.back(_beside((difference / smooth).clamp(-1.0, 1.0) / difference.numel(), 2))
        for block in reversed(self._fast):
            slope = block.back(slope)
        told = slope.sum(0, keepdim=True)
        slope = _gelu_back(self._expand.back(_beside(slope, self._ratio)), said)
        for block in reversed(self._slow):
            slope = block.back(slope)
        told = torch.cat([slope.sum(0, keepdim=True), told], 1)
        return error, _back(self._entering, _gelu_back(_back(self._leaving, told), entered))


class _Block:
    """A :class:`.ConvNeXtBlock`, (n, C) -> (n, C), that keeps what the way back needs."""

    def __init__(self, block: nn.Module) -> None:
        self._block = made = cast(ConvNeXtBlock, block)
        self._taps = made.depthwise.weight.detach()[:, 0].T.contiguous()
        self._bias = cast(Tensor, made.depthwise.bias).detach()
        self._kept: tuple[Tensor, ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        block, norm = self._block, self._block.norm
        spread = _spread(x, self._taps, len(self._taps) - 1 - block.ahead, self._bias)
        normal, mean, size = torch.native_layer_norm(spread, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
        raised = block.up(normal)
        self._kept = spread, mean, size, raised
        return torch.addcmul(x, block.down(F.gelu(raised, approximate="tanh")), block.scale)

    def back(self, slope: Tensor) -> Tensor:
        """Slope by what is made (n, C) -> by what it is made of (n, C)."""
        block, norm = self._block, self._block.norm
        spread, mean, size, raised = self._kept
        inner = _back(block.up, _gelu_back(_back(block.down, slope * block.scale), raised, "tanh"))
        inner = torch.ops.aten.native_layer_norm_backward(
            inner, spread, norm.normalized_shape, mean, size, norm.weight, norm.bias, [True, False, False]
        )[0]
        return slope + _spread(inner, self._taps.flip(0), block.ahead)


class _Conv:
    """A convolution of an odd kernel with zeros around, (n, inputs) -> (n, outputs), as one product of frames side by side."""

    def __init__(self, conv: nn.Conv1d) -> None:
        weight, self._kernel = conv.weight.detach(), conv.kernel_size[0]
        self._forth = _linear(weight.transpose(1, 2).flatten(1), cast(Tensor, conv.bias).detach())
        # Each frame gets from those around it what it gave to them.
        self._back = _linear(weight.flip(2).permute(1, 2, 0).flatten(1), None)

    def __call__(self, x: Tensor) -> Tensor:
        return cast(Tensor, self._forth(self._around(x)))

    def back(self, slope: Tensor) -> Tensor:
        """As :meth:`_Block.back`."""
        return cast(Tensor, self._back(self._around(slope)))

    def _around(self, x: Tensor) -> Tensor:
        """(n, C) -> (n, kernel * C)."""
        reach = self._kernel // 2
        padded = F.pad(x, (0, 0, reach, reach))
        return torch.cat([padded[k : k + len(x)] for k in range(self._kernel)], 1) if reach else x


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias is not None, device=weight.device)
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    packs = can_pack() and weight.device.type == "cpu" and weight.dtype == torch.float32
    return PackedLinear(layer) if packs else layer


def _back(layer: nn.Module, slope: Tensor) -> Tensor:
    """Slope by what a linear layer makes (n, outputs) -> by what it is made of (n, inputs)."""
    return layer.backward(slope) if isinstance(layer, PackedLinear) else slope @ cast(nn.Linear, layer).weight


def _gelu_back(slope: Tensor, x: Tensor, approximate: str = "none") -> Tensor:
    made: Any = torch.ops.aten.gelu_backward(slope, x, approximate=approximate)
    return cast(Tensor, made)


def _spread(x: Tensor, taps: Tensor, before: int, bias: Tensor | None = None) -> Tensor:
    """Each channel by itself: (n, C) and taps (k, C), ``before`` of them before the frame -> (n, C)."""
    padded = F.pad(x, (0, 0, before, len(taps) - 1 - before))
    total = padded[: len(x)] * taps[0] if bias is None else torch.addcmul(bias, padded[: len(x)], taps[0])
    for place in range(1, len(taps)):
        total.addcmul_(padded[place : place + len(x)], taps[place])
    return total


def _beside(x: Tensor, factor: int) -> Tensor:
    """:func:`unitcodec.layers.fold` of frames as rows: (n, C) -> (n / factor, C * factor)."""
    return x.unflatten(0, (-1, factor)).transpose(1, 2).flatten(1)


def _apart(x: Tensor, factor: int) -> Tensor:
    """Inverse of :func:`_beside`."""
    return x.unflatten(1, (-1, factor)).transpose(1, 2).flatten(0, 1)
