"""The learned parts as modules of plain tensors, in and out, as ONNX can hold them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, cast
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..decoder.mel import decode_f0
from ..encoder.excerpt import SMOOTH
from ..layers import ConvNeXtBlock, fold, unfold
from ..model import Networks
from ..vocoder import excitation

FAR, FINE = 6, 512
"""Where the error function is 1 to all digits of float64; entries of its table to a step of 1."""


class Windowed(nn.Module):
    """What Whisper and the convolutional encoder hear -> what is rounded to units, (1, rows, m); see ``latent_seen``."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content: Any = networks.content

    def forward(self, heard: Tensor, mel: Tensor, listened: Tensor, within: Tensor) -> Tensor:
        parts = slice(listened[0], listened[1]), slice(within[0], within[1])
        bounded: Tensor = self.content.quantizer.bound(self.content.latent_seen(heard, mel, *parts))
        return bounded


class Convolutional(nn.Module):
    """Log-mel (1, 80, n) -> what is rounded to units, (1, rows, m)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content: Any = networks.content

    def forward(self, mel: Tensor) -> Tensor:
        bounded: Tensor = self.content.quantizer.bound(self.content.latent(mel))
        return bounded


class F0Encoder(nn.Module):
    """Channels of F0 (1, 2, n) -> codes (1, 1, n / 8)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.pitch = networks.pitch

    def forward(self, track: Tensor) -> Tensor:
        codes: Tensor = self.pitch.encode(track)
        return codes


class F0Decoder(nn.Module):
    """F0 codes (1, m), mean and deviation (1,) -> pitch features (1, 3, 8 m) and F0 (1, 8 m)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.pitch = networks.f0_decoder

    def forward(self, f0: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        return decode_f0(self.pitch, f0[:, None], mean, deviation)


class Voice(nn.Module):
    """Log-mel (1, 80, n) -> the codes of who speaks, (1, fields)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.speaker = networks.speaker

    def forward(self, mel: Tensor) -> Tensor:
        return self.speaker.encode(mel)


class Mel(nn.Module):
    """Units (1, rows, m), pitch features (1, 3, n) and voice (1, fields) -> log-mel (1, 80, n)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content, self.speaker, self.decoder = networks.content, networks.speaker, networks.decoder

    def forward(self, units: Tensor, features: Tensor, voice: Tensor) -> Tensor:
        mel: Tensor = self.decoder(self.content.values(units), features, self.speaker.decode(voice))
        return mel


class Slope(nn.Module):
    """The gradient of the error that the search for a voice brings down, by the speaker vector (1, channels).

    It is :func:`.encoder.voice.search_voice`'s, differentiated by hand, layer after layer from the last: an exporter knows
    no derivatives.
    """

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content, self.decoder = networks.content, cast(Any, networks.decoder)

    def forward(self, units: Tensor, features: Tensor, mel: Tensor, vector: Tensor) -> Tensor:
        decoder = self.decoder
        first, _, last = decoder.speaker
        entered = first(vector)
        slow_bias, fast_bias = last(F.gelu(entered))[..., None].split(decoder.split, 1)
        slow = [_Kept(block) for block in (*decoder.slow, *decoder.memory)]
        fast = [_Kept(block) for block in decoder.fast]
        hidden = decoder.stem(self.content.values(units).to(vector.dtype)) + slow_bias
        for kept in slow:
            hidden = kept.forwards(hidden)
        said = hidden
        hidden = unfold(decoder.expand(F.gelu(said)), decoder.stride // 2) + decoder.pitch(fold(features, 2)) + fast_bias
        for kept in fast:
            hidden = kept.forwards(hidden)
        error = unfold(decoder.head(hidden), 2) - mel
        slope = fold((error / SMOOTH).clamp(-1.0, 1.0) / (mel.shape[1] * mel.shape[2]), 2)
        slope = _back_through(decoder.head, slope)
        for kept in reversed(fast):
            slope = kept.backwards(slope)
        fast_slope = slope.sum(2)
        slope = _back_through(decoder.expand, fold(slope, decoder.stride // 2)) * _gelu_slope(said)
        for kept in reversed(slow):
            slope = kept.backwards(slope)
        told = torch.cat([slope.sum(2), fast_slope], 1) @ last.weight
        return (told * _gelu_slope(entered)) @ first.weight


class _Kept:
    """A block on the way forwards, and what the way back needs of it."""

    def __init__(self, block: ConvNeXtBlock) -> None:
        self.block = block

    def forwards(self, x: Tensor) -> Tensor:
        block = self.block
        spread = block.spread(x).transpose(1, 2)
        centred = spread - spread.mean(2, keepdim=True)
        self.scale = 1.0 / (centred.square().mean(2, keepdim=True) + block.norm.eps).sqrt()
        self.normal = centred * self.scale
        self.up = block.up(self.normal * block.norm.weight + block.norm.bias)
        self.bent = torch.tanh(_BEND * (self.up + 0.044715 * self.up * self.up * self.up))
        return x + (block.down(0.5 * self.up * (1.0 + self.bent)) * block.scale).transpose(1, 2)

    def backwards(self, slope: Tensor) -> Tensor:
        block, up, bent = self.block, self.up, self.bent
        inner = (slope.transpose(1, 2) * block.scale) @ block.down.weight
        inner = inner * 0.5 * (1.0 + bent + up * (1.0 - bent * bent) * _BEND * (1.0 + 3 * 0.044715 * up * up))
        inner = (inner @ block.up.weight) * block.norm.weight
        inner = self.scale * (inner - inner.mean(2, keepdim=True) - self.normal * (inner * self.normal).mean(2, keepdim=True))
        around = block.ahead, block.depthwise.kernel_size[0] - 1 - block.ahead
        return slope + F.conv1d(F.pad(inner.transpose(1, 2), around), block.depthwise.weight.flip(2), groups=slope.shape[1])


_BEND = (2.0 / math.pi) ** 0.5


def _back_through(conv: nn.Conv1d, slope: Tensor) -> Tensor:
    """The slope by a convolution's output (B, O, T) -> that by its input (B, I, T); for as much padding as keeps T."""
    return F.conv1d(slope, conv.weight.flip(2).transpose(0, 1), padding=conv.weight.shape[2] // 2)


def _gelu_slope(x: Tensor) -> Tensor:
    return 0.5 * (1.0 + torch.erf(x * 0.5**0.5)) + x * torch.exp(-0.5 * x * x) * (2.0 * math.pi) ** -0.5


class Pulses(nn.Module):
    """F0 and voicing (1, n), phase (1,) before sample ``first`` -> pulses (1, 160 n) and the phase at every sample."""

    def forward(self, hz: Tensor, voicing: Tensor, start: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        return excitation.pulses_from(hz, voicing, start, first)


class Filters(nn.Module):
    """Log-mel (1, 80, n) and pitch features (1, 3, n) -> what :meth:`.SpectralGenerator.filters` gives, (1, bins, n) each."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.generator: Any = networks.generator

    def forward(self, mel: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        harmonic, noisy, angle = self.generator.filters(self.generator.hidden(mel, features))
        return harmonic, noisy, angle


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """A convolution by matrix products and sums: that of ONNX Runtime knows no float64. ``groups``: one, or all channels."""
    taps = int(weight.shape[2])
    padded = F.pad(x, (padding, padding)) if padding else x
    # Counted from the end, for a sum of sizes would be nodes of the graph.
    shifted = [padded[..., tap : tap + 1 - taps or None : stride] for tap in range(taps)]
    if groups == 1:
        total = weight.transpose(1, 2).flatten(1) @ torch.cat(shifted, 1)
    else:
        total = (torch.stack(shifted, 3) * weight).sum(3)
    return total if bias is None else total + bias[:, None]


@contextlib.contextmanager
def operators_in_float64(table: Tensor) -> Iterator[None]:
    """Within it networks are made of operators that ONNX Runtime has in float64; of a :func:`table_of_erf`."""

    def erf(x: Tensor) -> Tensor:
        place = x.abs().clamp(max=float(FAR))
        near = torch.round(place * FINE)
        rest, middle = place - near / FINE, near / FINE
        slope = torch.exp(-middle * middle) * (2.0 * math.pi**-0.5)
        # Taylor's first terms: 3e-13 at most from it.
        found = table[near.long()] + slope * rest * (1.0 - middle * rest + (2.0 * middle * middle - 1.0) / 3.0 * rest * rest)
        return torch.sign(x) * found

    usual = F.gelu

    def gelu(x: Tensor, approximate: str = "none") -> Tensor:
        return usual(x, approximate=approximate) if approximate != "none" else 0.5 * x * (1.0 + erf(x * 0.5**0.5))

    def conv(self: nn.Conv1d, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias, self.stride[0], int(self.padding[0]), self.groups)

    def spread(self: ConvNeXtBlock, x: Tensor) -> Tensor:
        conv = self.depthwise
        around = conv.kernel_size[0] - 1 - self.ahead, self.ahead
        return convolve(F.pad(x, around), conv.weight, conv.bias, groups=conv.groups)

    with (
        mock.patch.object(torch, "erf", erf),
        mock.patch.object(ConvNeXtBlock, "spread", spread),
        mock.patch.object(F, "gelu", gelu),
        mock.patch.object(F, "conv1d", convolve),
        mock.patch.object(nn.Conv1d, "forward", conv),
    ):
        yield


def table_of_erf() -> Tensor:
    return torch.tensor([math.erf(place / FINE) for place in range(FAR * FINE + 1)], dtype=torch.float64)
