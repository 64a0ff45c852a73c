"""The F0 tracker swift-f0 by its graph alone."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..pitch.tracker import F0_MAX, F0_MIN, Tracker, at_100_hz
from .session import Graphs

HOP = 256
SILENCE_PEAK = 1e-3
"""Frames that stay below it hold no speech: the graph has never seen digital silence and answers at random. As in swift-f0."""


def make_tracker(graphs: Graphs) -> Tracker | None:
    """Of a model that asks for swift-f0; None of any other."""
    return partial(at_100_hz, detect=partial(_detect, graphs)) if graphs.folder.config.tracker == "swift-f0" else None


def _detect(graphs: Graphs, samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    band = {"fmin": np.array(F0_MIN, np.float32), "fmax": np.array(F0_MAX, np.float32)}
    given, shape = {"audio": np.ascontiguousarray(samples[None], np.float32), **band}, (1, len(samples) // HOP)
    found = graphs.run("tracker", given, [shape, shape], ["pitch", "confidence"])
    pitch, confidence = (each[0].astype(np.float64) for each in found)
    peaks = np.abs(samples[: len(confidence) * HOP].reshape(-1, HOP)).max(1)
    return pitch, np.where(peaks < SILENCE_PEAK, 0.0, confidence)
