"""Waveform -> F0 track: the trackers that the pitch encoder can be fed from.

Every tracker is a callable ``(waveform (T,) float32 at 16 kHz) -> F0 (n,) float32`` in Hz, 0 where unvoiced, one value
each 10 ms (value i at sample 160 * i), ``n = ceil(T / 160)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.spec import SAMPLE_RATE

from ..arrays import FloatArray
from ..frames import HOP

F0_MIN, F0_MAX = 55.0, 500.0
"""Search range in Hz: below the lowest male and above nearly all female and child speech."""

Detected = NDArray[np.float64]


class Tracker(Protocol):
    def __call__(self, waveform: FloatArray) -> FloatArray: ...


CONTEXT = 3840
"""Samples to each side on which a value depends, at most, for the trackers named in :data:`TRACKERS` as streaming: the
2815 of swift-f0 and the neighbouring frame, rounded up to whole codes (1280)."""


@lru_cache(maxsize=1)
def _swift_session() -> Any:
    # ONNX Runtime from 1.29 on tells its maker of each session, over the network, unless this is set before its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from swift_f0 import SwiftF0

    # One thread: the result must not depend on how many the machine has.
    return SwiftF0(threads=1, spin=False)


def swift_f0(waveform: FloatArray) -> FloatArray:
    """F0 by swift-f0; see :func:`at_100_hz`."""

    def detect(padded: FloatArray) -> tuple[Detected, Detected]:
        result = _swift_session().detect(padded, SAMPLE_RATE, fmin=F0_MIN, fmax=F0_MAX)
        return result.pitch_hz, result.confidence

    return at_100_hz(waveform, detect)


def at_100_hz(waveform: FloatArray, detect: Callable[[FloatArray], tuple[Detected, Detected]]) -> FloatArray:
    """What swift-f0 detects at 62.5 Hz, read at 100 Hz: the nearest frame's voicing, log-linear between two voiced neighbours.

    ``detect``: at least 2048 samples -> F0 in Hz and confidence of each frame of 256.
    """
    n = -(-len(waveform) // HOP)
    if n == 0:
        return np.zeros(0, np.float32)
    pitch_hz, confidence = detect(np.pad(waveform, (0, max(0, 2048 - len(waveform)))))
    voiced, last = confidence >= 0.5, len(confidence) - 1
    position = np.arange(n) * (HOP / 256.0)
    before = np.minimum(np.floor(position).astype(int), last)
    after = np.minimum(before + 1, last)
    nearest = np.minimum(np.floor(position + 0.5).astype(int), last)
    # A glide must not bend towards what the tracker guesses in an unvoiced frame.
    share = np.where(voiced[before] & voiced[after], np.clip(position - before, 0.0, 1.0), (nearest == after) * 1.0)
    log_hz = np.log(np.maximum(pitch_hz, F0_MIN))
    hz = np.exp(log_hz[before] * (1.0 - share) + log_hz[after] * share)
    return np.where(voiced[nearest], hz, 0.0).astype(np.float32)


def yaapt(waveform: FloatArray) -> FloatArray:
    """F0 by YAAPT (Zahorian & Hu 2008), the tracker of Polyak et al. 2021; needs the package AMFM_decompy."""
    from amfm_decompy import basic_tools, pYAAPT

    n = -(-len(waveform) // HOP)
    padded = np.pad(waveform.astype(np.float64), (HOP, HOP + max(0, 2048 - len(waveform))))
    signal = basic_tools.SignalObj(padded, SAMPLE_RATE)
    pitch = pYAAPT.yaapt(
        signal, frame_length=20.0, frame_space=10.0, f0_min=F0_MIN, f0_max=F0_MAX, nccf_thresh1=0.25, tda_frame_length=25.0
    )
    values = np.asarray(pitch.samp_values, np.float32)
    return np.pad(values, (0, max(0, n - len(values))))[:n]


def untracked(waveform: FloatArray) -> FloatArray:
    """No F0, for models that send none: unvoiced throughout."""
    return np.zeros(-(-len(waveform) // HOP), np.float32)


TRACKERS: dict[str, Tracker] = {"swift-f0": swift_f0, "yaapt": yaapt, "none": untracked}
