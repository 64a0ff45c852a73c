"""What the encoder decides in float64, in NumPy: ONNX Runtime has neither a convolution nor an error function of that type.

Each is asked for seldom, or small. So weights are read when they are needed, and are not kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import steps
from ..configuration import ModelConfig
from ..content.parts import Parts
from .layers import (
    Block,
    Conv,
    Floats,
    Linear,
    Read,
    fold,
    gelu,
    gelu_tanh,
    normal_of,
    softmax,
    unfold,
)
from .slope import Slope
from .weights import Weights

HEAD = 64
"""Channels of each head of attention, in every Whisper."""
WHISPER_EPSILON = 1e-5
TAKEN = (2, 5)
"""States of Whisper that are heard unless a configuration tells; see :class:`.content.whisper.WhisperContentEncoder`."""


class Exact:
    """The encoder's networks, and the mel decoder as the search for a voice needs it. Frames are rows.

    Args:
        weights: of the model.
        config: of the model.
        stride: log-mel frames a unit frame.
        dtype: in which all is computed.
    """

    def __init__(self, weights: Weights, config: ModelConfig, stride: int, dtype: DTypeLike = np.float64) -> None:
        self._weights: Read = lambda name: weights.read(name, dtype)
        self._names, self._stride = weights.names, stride
        self._taken: Sequence[int] = config.content.get("taken", TAKEN)
        self._memory: Sequence[int] | None = config.decoder.get("memory")

    def slope(self) -> Slope:
        """Of the mel decoder, which the search for a voice goes down; its weights are kept."""
        ahead = None if self._memory is None else self._memory[2]
        slow = {**self._numbered("decoder.slow"), **self._numbered("decoder.memory", ahead)}
        return Slope(self._weights, slow, self._numbered("decoder.fast"), self._stride)

    def _numbered(self, part: str, ahead: int | None = None) -> dict[str, int | None]:
        """The names of blocks ``part.0``, ``part.1`` and so on, as many as there are."""
        count = sum(name.startswith(f"{part}.") and name.endswith(".scale") for name in self._names)
        return {f"{part}.{index}": ahead for index in range(count)}

    def _blocks(self, part: str, x: Floats) -> Floats:
        for name in self._numbered(part):
            x = Block(self._weights, name)(x)
        return x

    def content(self, mel: Floats, levels: Floats, heard: Floats | None = None, parts: Parts | None = None) -> Floats:
        """Normalised log-mel (n, 80) -> what is rounded to units, (m, rows); see ``latent`` of the content encoders.

        Args:
            levels: of the rows, (rows,).
            heard, parts: Whisper's log-mel (k, 80) of the whole window, and which part of it counts, where there is a Whisper.
        """
        hidden = self._blocks("content.fast", Conv(self._weights, "content.stem")(fold(mel, 2)))
        hidden = Conv(self._weights, "content.reduce")(fold(hidden, self._stride // 2))
        said: Floats | float = 0.0
        if heard is not None and parts is not None:
            words = self._words(heard, parts.listened)[parts.within]
            hidden = hidden + Linear(self._weights, "content.enter")(words)
            said = Linear(self._weights, "content.leave")(words)
        hidden = gelu(Conv(self._weights, "content.head.0")(self._blocks("content.slow", hidden)))
        latent = Conv(self._weights, "content.head.2")(hidden) + said
        bounded: Floats = steps.bound(np.tanh(latent), levels)
        return bounded

    def _words(self, heard: Floats, listened: slice) -> Floats:
        ratio = self._stride // 2
        states = self._whisper(heard, slice(listened.start * ratio, listened.stop * ratio))
        taken = [normal_of(states[layer - 1], WHISPER_EPSILON)[0] for layer in self._taken]
        words = gelu_tanh(Linear(self._weights, "content.listen")(fold(np.concatenate(taken, 1), ratio)))
        return gelu_tanh(words + Conv(self._weights, "content.neighbours")(words))

    def _whisper(self, mel: Floats, own: slice) -> list[Floats]:
        """See :class:`.content.whisper.WhisperEncoder`."""
        x = gelu(Conv(self._weights, "content.whisper.conv1")(mel))
        x = gelu(Conv(self._weights, "content.whisper.conv2", 2)(x))
        x += _positions(*x.shape)
        count = sum(name.startswith("content.whisper.layers.") and name.endswith(".fc1.weight") for name in self._names)
        states = []
        for index in range(count):
            x = self._layer(f"content.whisper.layers.{index}", x, own if index == count - 1 else slice(None))
            states.append(x if index == count - 1 else x[own])
        return [*states, self._normalised("content.whisper.layer_norm", x)]

    def _layer(self, name: str, x: Floats, own: slice) -> Floats:
        x = x[own] + self._attended(f"{name}.self_attn", self._normalised(f"{name}.self_attn_layer_norm", x), own)
        inner = gelu(Linear(self._weights, f"{name}.fc1")(self._normalised(f"{name}.final_layer_norm", x)))
        return x + Linear(self._weights, f"{name}.fc2")(inner)

    def _attended(self, name: str, x: Floats, own: slice) -> Floats:
        def heads(part: str, x: Floats, biased: bool = True) -> Floats:
            return Linear(self._weights, f"{name}.{part}_proj", biased)(x).reshape(len(x), -1, HEAD).transpose(1, 0, 2)

        query, key, value = heads("q", x[own]), heads("k", x, False), heads("v", x)
        mixed = softmax(query @ key.transpose(0, 2, 1) * HEAD**-0.5, 2) @ value
        return Linear(self._weights, f"{name}.out_proj")(mixed.transpose(1, 0, 2).reshape(mixed.shape[1], -1))

    def _normalised(self, name: str, x: Floats) -> Floats:
        return normal_of(x, WHISPER_EPSILON)[0] * self._weights(f"{name}.weight") + self._weights(f"{name}.bias")

    def voice(self, mel: Floats, levels: Floats) -> Floats:
        """Normalised log-mel (n, 80) -> the codes of who speaks, (fields,), still floats; see
        :class:`.speaker.encoder.SpeakerEncoder`."""
        hidden = self._blocks("speaker.blocks", Conv(self._weights, "speaker.stem")(fold(mel, 2)))
        weight = softmax(Conv(self._weights, "speaker.score")(hidden), 0)
        mean = (weight * hidden).sum(0)
        deviation = np.sqrt(np.maximum((weight * np.square(hidden)).sum(0) - np.square(mean), 1e-4))
        latent = Linear(self._weights, "speaker.head")(np.concatenate([mean, deviation])[None])[0]
        codes: Floats = steps.bound(np.tanh(latent), levels).round()
        return codes

    def f0_codes(self, track: Floats) -> NDArray[np.int64]:
        """Channels of F0 (n, 2) -> codes (n / 8,); see :class:`.pitch.vqvae.PitchVQVAE`."""
        hidden = self._blocks("pitch.encoder", Conv(self._weights, "pitch.stem")(fold(track, 4)))
        latent = Conv(self._weights, "pitch.reduce")(fold(hidden, 2))
        book = self._weights("pitch.quantizer.codebook")
        return (np.square(book).sum(1) - 2.0 * latent @ book.T).argmin(1)

    def pitch_features(self, f0: NDArray[Any], mean: float, deviation: float) -> Floats:
        """F0 codes (m,) -> pitch features (8 m, 3); see :func:`.decoder.mel.decode_f0`."""
        hidden = Conv(self._weights, "pitch.expand")(self._weights("pitch.quantizer.codebook")[f0])
        hidden = unfold(Conv(self._weights, "pitch.fine")(self._blocks("pitch.decoder", hidden)), 2)
        track = unfold(Conv(self._weights, "pitch.head")(self._blocks("pitch.fine_blocks", hidden)), 4)
        log_f0 = track[:, 0] * track.dtype.type(deviation) + track.dtype.type(mean)
        return np.stack([(log_f0 - 5.01) / 0.3466, track[:, 0], (track[:, 1] > 0).astype(track.dtype)], 1)


def _positions(frames: int, width: int) -> NDArray[np.float64]:
    rate = np.exp(-math.log(10000.0) / (width // 2 - 1) * np.arange(width // 2))
    angle = np.arange(frames)[:, None] * rate
    return np.concatenate([np.sin(angle), np.cos(angle)], 1)


def sound(found: Floats) -> Floats:
    """The same. Raises ValueError for what is no number."""
    if not np.isfinite(found).all():
        raise ValueError("what comes of the weights is no number")
    return found
