"""The encoder of Whisper inside the content encoder: what a recogniser that heard 680,000 hours makes of the packet's window.

Radford et al. 2022, *Robust Speech Recognition via Large-Scale Weak Supervision* (arXiv 2212.04356), section 2.2. The states of
two of its layers are added to what the convolutional encoder of :mod:`.fsq` says. Its weights stay as they were published, but
for their rounding to int8, and lie in the model folder.

Attention sees all that it is given, so a unit is *defined* by its packet's window (:class:`unitcodec.content.ContentFamily`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..features import log_mel, power_by_parts
from ..frames import HOP, normalise, slaney_filters
from ..layers import fold
from ..packed import gelu
from .fsq import ContentEncoder
from .parts import LOUDEST, Parts, parts_of

BANDS, WINDOW = 80, 400
LAYERS, WIDTH, HEADS = 4, 384, 6
"""Of Whisper tiny."""
HEAD = WIDTH // HEADS
"""Values of a head of attention, of every Whisper."""


class WhisperEncoder(nn.Module):
    """Whisper's log-mel (B, 80, n), n even -> the states of its layers at 50 Hz. Parameters are named as in transformers."""

    def __init__(self, layers: int = LAYERS, width: int = WIDTH, heads: int = HEADS):
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(WhisperLayer(width, heads) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        self.width = width

    def forward(self, mel: Tensor, own: slice = slice(None)) -> list[Tensor]:
        """The states behind each layer, each (B, n / 2, width); behind the last one normalised as well, one state more.

        ``own``: of these frames only, which all hear the others.
        """
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + positions(x.shape[1], self.width, x.device).to(x.dtype)
        states = []
        for layer in self.layers[:-1]:
            x = layer(x)
            states.append(x[:, own])
        x = self.layers[-1](x, own)
        return [*states, x, self.layer_norm(x)]


class WhisperLayer(nn.Module):
    """A transformer layer with normalisation first (section 2.2)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, own: slice = slice(None)) -> Tensor:
        """(B, n, width) -> the frames ``own`` of what becomes of them."""
        x = x[:, own] + self.self_attn(self.self_attn_layer_norm(x), own)
        return x + self.fc2(gelu(self.fc1, self.final_layer_norm(x)))


class Attention(nn.Module):
    """Every frame (B, n, C) attends to all of them."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, own: slice = slice(None)) -> Tensor:
        """What the frames ``own`` take from all."""
        parts = self.q_proj(x[:, own]), self.k_proj(x), self.v_proj(x)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class WhisperContentEncoder(ContentEncoder):
    """Waveform (B, 160 n) -> units (B, rows, n / stride), which stand for values in [-1, 1].

    With the last layers as they begin, the units are those of the convolutional encoder alone.

    Args:
        levels, channels, blocks, stride, ladder: as in :class:`.ContentEncoder`.
        context: log-mel frames around a packet in its window, at least those that the convolutional encoder sees. More
            serves words: WER .196 with 96, .210 with 44, on 50 utterances.
        layers: of Whisper's encoder.
        taken: the layers whose states are heard, 1 the first; one more than there are is the last one normalised.
        width: of what is made of them.
    """

    hears = "waveform"
    windowed = True

    def __init__(
        self,
        levels: tuple[int, ...] = (10, 10, 10, 10),
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
        stride: int = 4,
        context: int = 96,
        layers: int = LAYERS,
        taken: Sequence[int] = (2, 5),
        width: int = 384,
        ladder: Sequence[int] = (),
    ):
        super().__init__(BANDS, levels, channels, blocks, stride, ladder)
        if not taken or not all(1 <= layer <= layers + 1 for layer in taken):
            raise ValueError(f"states {list(taken)} of a Whisper of {layers} layers")
        self.whisper = WhisperEncoder(layers).requires_grad_(False)
        self.taken = tuple(taken)
        self.around = context
        self.listen = nn.Linear(len(taken) * WIDTH * (stride // 2), width)
        self.neighbours = nn.Conv1d(width, width, 5, padding=2)
        self.enter, self.leave = nn.Linear(width, channels[1]), nn.Linear(width, len(levels))
        for layer in (self.enter, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def context(self) -> int:
        """Log-mel frames (100 Hz) around a packet that its units depend on."""
        return max(self.around, super().context)

    def latent(self, waveform: Tensor) -> Tensor:
        """(B, 160 n), n a multiple of the stride -> (B, rows, n / stride), before quantization."""
        return self.latent_of(waveform, slice(0, waveform.shape[1] // (HOP * self.stride)))

    def latent_of(self, waveform: Tensor, own: slice) -> Tensor:
        """As in :meth:`.ContentEncoder.latent_of`. What does not reach the units ``own`` is not computed."""
        hop = HOP * self.stride
        parts = self.parts(waveform.shape[1] // hop, own)
        with torch.autocast(waveform.device.type, enabled=False):
            # Samples may be finer than the weights: a spectrum's faint bins lose what its strong ones round off.
            kind = self.listen.weight.dtype
            heard = whisper_mel(waveform).to(kind)
            mel = normalise(log_mel(waveform[:, parts.around.start * hop : parts.around.stop * hop])).to(kind)
            first = (parts.seen.start - parts.around.start) * self.stride
            mel = mel[..., first : first + (parts.seen.stop - parts.seen.start) * self.stride]
        latent = self.latent_seen(heard, mel, parts.listened, parts.within)
        return latent[..., own.start - parts.seen.start : own.stop - parts.seen.start]

    def parts(self, units: int, own: slice) -> Parts:
        """Which units of a window of so many take part in its units ``own``."""
        return parts_of(units, own, self.reach, self.near)

    @property
    def reach(self) -> int:
        """Units to each side that the convolutional encoder sees."""
        return -(-super().context // self.stride)

    @property
    def near(self) -> int:
        """Those that the words of a unit depend on, beyond what Whisper hears."""
        return self.neighbours.kernel_size[0] // 2

    def latent_seen(self, heard: Tensor, mel: Tensor, listened: slice, within: slice) -> Tensor:
        """What is quantized of the units that a window's ``mel`` (B, 80, stride * m) is of, (B, rows, m).

        Args:
            heard: Whisper's log-mel of the whole window, (B, 80, n).
            mel: normalised log-mel.
            listened, within: see :class:`.Parts`.
        """
        hidden = self.reduce(fold(self.fast(self.stem(fold(mel, 2))), self.stride // 2))
        words = self._words(heard, listened)[:, within]
        hidden = self.slow(hidden + self.enter(words).transpose(1, 2))
        latent: Tensor = self.head(hidden) + self.leave(words).transpose(1, 2)
        return latent

    def _words(self, heard: Tensor, listened: slice) -> Tensor:
        """Whisper's log-mel (B, 80, n) -> of its n / stride frames those that are ``listened`` to, (B, m, width)."""
        ratio = self.stride // 2
        with torch.no_grad():
            states = self.whisper(heard, slice(listened.start * ratio, listened.stop * ratio))
            taken = torch.cat([F.layer_norm(states[layer - 1], (WIDTH,)) for layer in self.taken], 2)
        side_by_side = fold(taken.transpose(1, 2), self.stride // 2).transpose(1, 2)
        words = gelu(self.listen, side_by_side, "tanh")
        return F.gelu(words + self.neighbours(words.transpose(1, 2)).transpose(1, 2), approximate="tanh")


def difference(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> Tensor:
    """States of Whisper's layers (B, n, width) -> the mean absolute difference when each is normalised, (B,)."""
    pairs = zip(map(_normalised, wanted), map(_normalised, found), strict=True)
    return torch.stack([(one - other).abs().mean((1, 2)) for one, other in pairs]).mean(0)


def _normalised(state: Tensor) -> Tensor:
    return F.layer_norm(state.float(), state.shape[-1:])


def whisper_mel(waveform: Tensor) -> Tensor:
    """Waveform (B, T) at 16 kHz and the reference level -> Whisper's log-mel (B, 80, ceil(T / 160)).

    As in section 2.2 of the paper and its code, but that samples outside the waveform are zero and that the loudest value is
    :data:`LOUDEST`.
    """
    window, filters = _constants(waveform.dtype, waveform.device)
    power = torch.cat([part @ filters.T for part in power_by_parts(waveform, window, WINDOW)], 1)
    level = torch.log10(power.clamp(min=1e-10)).clamp(min=LOUDEST - 8.0)
    return ((level + 4.0) / 4.0).transpose(1, 2)


@lru_cache(maxsize=8)
def _constants(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):
        window = torch.hann_window(WINDOW, dtype=torch.float64)
        return window.to(device, dtype), torch.from_numpy(slaney_filters()).to(device, dtype)


@lru_cache(maxsize=4)
def positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids (frames, width): which frame of the window it is."""
    with torch.inference_mode(False):
        rate = torch.exp(-math.log(10000.0) / (width // 2 - 1) * torch.arange(width // 2, dtype=torch.float64))
        angle = torch.arange(frames, dtype=torch.float64)[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], 1).to(device)
