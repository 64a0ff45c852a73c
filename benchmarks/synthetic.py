"""Synthetic speech to time with: the same on every machine, and nothing stops early on easy input."""

from __future__ import annotations

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray

SECONDS = 10
"""Of speech in a timed utterance."""


def syllables(seconds: int) -> FloatArray:
    """``(T,)`` at 16 kHz: syllables at 4 Hz, harmonics of a gliding pitch with noise between them."""
    t = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.5 * t)) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(t))
    return (0.1 * (voice * np.maximum(0, np.sin(2 * np.pi * 4 * t)) + noise)).astype(np.float32)
