"""Layers in NumPy, frames as rows: what ONNX Runtime has not in float64, and what an exporter cannot differentiate.

Each is what PyTorch's layer of the same weights is, and is computed in the type of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Read = Callable[[str], Floats]
"""A weight of a model by its name, in the type that is to be computed in."""

BEND, EPSILON = (2.0 / math.pi) ** 0.5, 1e-6
FAR, FINE = 6, 512
"""Where the error function is 1 to all digits of float64; entries of its table to a step of 1."""


class Linear:
    """(n, inputs) -> (n, outputs)."""

    def __init__(self, weights: Read, name: str, biased: bool = True) -> None:
        self.weight = weights(f"{name}.weight")
        self.bias = weights(f"{name}.bias") if biased else self.weight.dtype.type(0)

    def __call__(self, x: Floats) -> Floats:
        made: Floats = x @ self.weight.T
        made += self.bias
        return made

    def back(self, slope: Floats) -> Floats:
        """Slope by what is made -> by what it is made of."""
        return slope @ self.weight


class Conv:
    """(n, inputs) -> (ceil(n / stride), outputs), by a kernel of an odd size with zeros around."""

    def __init__(self, weights: Read, name: str, stride: int = 1) -> None:
        self._taps, self._bias = weights(f"{name}.weight").transpose(2, 0, 1), weights(f"{name}.bias")
        self._stride = stride

    def __call__(self, x: Floats) -> Floats:
        return _through(x, self._taps.transpose(0, 2, 1), self._stride) + self._bias

    def back(self, slope: Floats) -> Floats:
        """As :meth:`Linear.back`, for a stride of 1."""
        return _through(slope, self._taps[::-1])


class Block:
    """See :class:`unitcodec.layers.ConvNeXtBlock`, (n, C) -> (n, C); it keeps what the way back needs."""

    def __init__(self, weights: Read, name: str, ahead: int | None = None) -> None:
        self._taps, self._bias = weights(f"{name}.depthwise.weight")[:, 0].T, weights(f"{name}.depthwise.bias")
        self._ahead = len(self._taps) // 2 if ahead is None else ahead
        self._norm, self._norm_bias = weights(f"{name}.norm.weight"), weights(f"{name}.norm.bias")
        self._up, self._down, self._scale = (
            Linear(weights, f"{name}.up"),
            Linear(weights, f"{name}.down"),
            weights(f"{name}.scale"),
        )

    def __call__(self, x: Floats) -> Floats:
        spread = _spread(x, self._taps, len(self._taps) - 1 - self._ahead) + self._bias
        self._normal, self._size = normal_of(spread)
        self._raised = up = self._up(self._normal * self._norm + self._norm_bias)
        self._bent = _bent(up)
        return x + self._down((self._bent + 1.0) * up * 0.5) * self._scale

    def back(self, slope: Floats) -> Floats:
        """As :meth:`Linear.back`."""
        up, bent = self._raised, self._bent
        steep = np.square(up)
        steep *= 3 * 0.044715 * BEND
        steep += BEND
        steep *= up
        steep *= 1.0 - np.square(bent)
        steep += bent
        steep += 1.0
        inner = self._down.back(slope * self._scale)
        inner *= steep
        inner *= 0.5
        inner = self._up.back(inner) * self._norm
        inner -= inner.mean(1, keepdims=True) + self._normal * (inner * self._normal).mean(1, keepdims=True)
        inner *= self._size
        return slope + _spread(inner, self._taps[::-1], self._ahead)


def _through(x: Floats, taps: Floats, stride: int = 1) -> Floats:
    """(n, inputs) and a kernel (k, inputs, outputs) -> (ceil(n / stride), outputs)."""
    around = len(taps) // 2
    padded = np.pad(x, ((around, around), (0, 0)))
    total: Floats = padded[: len(x) : stride] @ taps[0]
    for place, tap in enumerate(taps[1:], 1):
        total += padded[place : place + len(x) : stride] @ tap
    return total


def _spread(x: Floats, taps: Floats, before: int) -> Floats:
    """Each channel by itself: (n, C) and taps (k, C), ``before`` of them before the frame -> (n, C)."""
    padded = np.pad(x, ((before, len(taps) - 1 - before), (0, 0)))
    total = padded[: len(x)] * taps[0]
    for place, tap in enumerate(taps[1:], 1):
        total += padded[place : place + len(x)] * tap
    return total


def normal_of(x: Floats, epsilon: float = EPSILON) -> tuple[Floats, Floats]:
    """(n, C) -> each frame less its mean and over its deviation; and what it was multiplied by, (n, 1)."""
    centred = x - x.mean(1, keepdims=True)
    size = 1.0 / np.sqrt(np.square(centred).mean(1, keepdims=True) + epsilon)
    centred *= size
    return centred, size


def softmax(x: Floats, axis: int) -> Floats:
    powers: Floats = np.exp(x - x.max(axis, keepdims=True))
    powers /= powers.sum(axis, keepdims=True)
    return powers


def _bent(x: Floats) -> Floats:
    bent = np.square(x)
    bent *= 0.044715 * BEND
    bent += BEND
    bent *= x
    return np.tanh(bent, bent)


def gelu_tanh(x: Floats) -> Floats:
    """GELU, by its approximation."""
    made: Floats = (_bent(x) + 1.0) * x
    made *= 0.5
    return made


def gelu(x: Floats) -> Floats:
    made = erf(x * 0.5**0.5)
    made += 1.0
    made *= x
    made *= 0.5
    return made


def gelu_slope(x: Floats) -> Floats:
    return 0.5 * (1.0 + erf(x * 0.5**0.5)) + x * np.exp(-0.5 * x * x) * (2.0 * math.pi) ** -0.5


@lru_cache(maxsize=1)
def _table_of_erf() -> NDArray[np.float64]:
    """Taylor's first terms at multiples of 1 / FINE, the highest first: (5, FAR * FINE + 1)."""
    x = np.arange(FAR * FINE + 1) / FINE
    slope = np.exp(-x * x) * (2.0 * math.pi**-0.5)
    higher = [slope * (x / 2.0 - x**3 / 3.0), slope * (2.0 * x * x - 1.0) / 3.0, -slope * x]
    return np.stack([*higher, slope, [math.erf(each) for each in x]])


def erf(x: Floats) -> Floats:
    """The error function, which NumPy has not; 1e-15 at most from it."""
    table = _table_of_erf()
    place = np.minimum(np.abs(x), FAR).astype(np.float64, copy=False) * FINE
    near = np.rint(place)
    rest = (place - near) * (1.0 / FINE)
    index = near.astype(np.int32)
    found = table[0].take(index)
    for terms in table[1:]:
        found *= rest
        found += terms.take(index)
    signed: Floats = np.copysign(found, x).astype(x.dtype, copy=False)
    return signed


def fold(x: Floats, factor: int) -> Floats:
    """See :func:`unitcodec.layers.fold`: (n, C) -> (n / factor, C * factor)."""
    frames, channels = x.shape
    return x.reshape(frames // factor, factor, channels).transpose(0, 2, 1).reshape(frames // factor, channels * factor)


def unfold(x: Floats, factor: int) -> Floats:
    """Inverse of :func:`fold`."""
    frames, channels = x.shape
    return x.reshape(frames, channels // factor, factor).transpose(0, 2, 1).reshape(frames * factor, channels // factor)
