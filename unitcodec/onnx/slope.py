"""The slope of the error that the search for a voice brings down: that of :func:`.encoder.voice.search_voice`, by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..encoder.excerpt import SMOOTH
from .layers import Block, Conv, Floats, Linear, Read, fold, gelu, gelu_slope, unfold


class Slope:
    """Of a mel decoder, see :class:`unitcodec.vocoder.mel_decoder.MelDecoder`: forwards through its layers, then back.

    No graph: an exporter knows no derivatives, and to load one took longer than the search.

    Args:
        weights: of the model.
        slow, fast: its blocks by name, in order, and how many frames each sees ahead; None: half of its kernel.
        stride: log-mel frames a unit frame.
    """

    def __init__(self, weights: Read, slow: Mapping[str, int | None], fast: Mapping[str, int | None], stride: int) -> None:
        self._ratio = stride // 2
        self._entering, self._leaving = Linear(weights, "decoder.speaker.0"), Linear(weights, "decoder.speaker.2")
        self._stem, self._expand = Conv(weights, "decoder.stem"), Conv(weights, "decoder.expand")
        self._pitch, self._head = Conv(weights, "decoder.pitch"), Conv(weights, "decoder.head")
        self._slow, self._fast = ([Block(weights, *each) for each in blocks.items()] for blocks in (slow, fast))

    def __call__(self, values: Floats, features: Floats, mel: Floats, vector: Floats) -> Floats:
        """What units stand for (m, rows), pitch features (n, 3), log-mel (n, 80), speaker vector (1, S) -> slope (1, S)."""
        entered = self._entering(vector)
        bias = self._leaving(gelu(entered))
        said = self._stem(values)
        slow_bias, fast_bias = bias[:, : said.shape[1]], bias[:, said.shape[1] :]
        said += slow_bias
        for block in self._slow:
            said = block(said)
        hidden = unfold(self._expand(gelu(said)), self._ratio) + self._pitch(fold(features, 2)) + fast_bias
        for block in self._fast:
            hidden = block(hidden)
        error = unfold(self._head(hidden), 2) - mel
        slope = self._head.back(fold((error / SMOOTH).clip(-1.0, 1.0) / error.size, 2))
        for block in reversed(self._fast):
            slope = block.back(slope)
        told = slope.sum(0, keepdims=True)
        slope = self._expand.back(fold(slope, self._ratio)) * gelu_slope(said)
        for block in reversed(self._slow):
            slope = block.back(slope)
        told = np.concatenate([slope.sum(0, keepdims=True), told], 1)
        return self._entering.back(self._leaving.back(told) * gelu_slope(entered))
