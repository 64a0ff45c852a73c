"""Frames, mel filters and level: what is heard of a waveform before any network, in NumPy.

Everything is at 16 kHz with a hop of 160 samples (100 Hz); frame ``i`` is centred on sample ``160 * i`` and there are
``ceil(T / 160)`` frames for ``T`` samples. Samples outside the waveform count as zero.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import numpy as np

from bitstream.entropy.spec import SAMPLE_RATE

Mel = TypeVar("Mel")
"""An array of NumPy, or a tensor."""

HOP = 160
"""Samples from one frame to the next (100 Hz)."""

WINDOW = 640
FFT = 1024
BANDS = 80
FLOOR = 5e-5
"""Added to the mel amplitude before the logarithm: about 66 dB below the loudest frames of level-normalised speech."""

# Log-mel of level-normalised speech has about this mean and deviation: networks see (x - CENTRE) / SCALE.
CENTRE, SCALE = -7.5, 2.0

LEVEL_STEP = 1.5
"""dB from one level code to the next."""
LEVEL_CODES = 64
REFERENCE_LEVEL = -24.0
"""Active-speech level in dB re full scale to which every stream is brought before analysis."""


def frame_count(samples: int) -> int:
    """Number of 10 ms frames of a waveform of ``samples`` samples."""
    return -(-samples // HOP)


def _mel_scale(hz: np.ndarray) -> np.ndarray:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def mel_filters(bands: int = BANDS, fft: int = FFT, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Triangular filters, evenly spaced on the HTK mel scale from 0 Hz to Nyquist, each of unit area in Hz.

    Returns (bands, fft // 2 + 1), float64.
    """
    edges = 700.0 * (10.0 ** (np.linspace(0.0, _mel_scale(np.array(sample_rate / 2)), bands + 2) / 2595.0) - 1.0)
    return triangular_filters(edges, fft, sample_rate)


def slaney_filters(bands: int = BANDS, fft: int = 400, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Triangular filters on Slaney's mel scale (linear below 1 kHz), each of unit area in Hz: (bands, fft // 2 + 1), float64."""
    step = math.log(6.4) / 27.0

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp(step * (mel - 15.0)))

    top = 15.0 + math.log(sample_rate / 2 / 1000.0) / step
    edges = to_hertz(np.linspace(0.0, top, bands + 2))
    return triangular_filters(edges, fft, sample_rate)


def triangular_filters(edges: np.ndarray, fft: int, sample_rate: int) -> np.ndarray:
    """Filters of unit area in Hz that rise from each of the edges (bands + 2,), in Hz, to the next and fall to the one after it.

    Returns (bands, fft // 2 + 1), float64.
    """
    bins = np.arange(fft // 2 + 1) * (sample_rate / fft)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]


def normalise(mel: Mel) -> Mel:
    """Log-mel -> the range that networks work in, about zero mean and unit variance."""
    return cast(Mel, (cast(Any, mel) - CENTRE) / SCALE)


def denormalise(mel: Mel) -> Mel:
    """Inverse of :func:`normalise`."""
    return cast(Mel, cast(Any, mel) * SCALE + CENTRE)


def block_power(waveform: np.ndarray) -> np.ndarray:
    """Mean square of the whole 20 ms blocks of ``waveform`` (T,), float64; of all there is where that is no whole block."""
    blocks = len(waveform) // 320
    padded = waveform[: blocks * 320] if blocks else np.pad(waveform, (0, 320 - len(waveform)))
    return np.square(padded.reshape(-1, 320), dtype=np.float64).mean(1)


def active_level(waveform: np.ndarray) -> float:
    """Level of the active speech in ``waveform`` (T,), in dB re full scale; -inf for digital silence.

    RMS over the 20 ms blocks that lie within 25 dB of the loudest ones (95th percentile), so pauses do not count.
    """
    power = block_power(waveform)
    loud = np.quantile(power, 0.95)
    if loud <= 0.0:
        return float("-inf")
    return float(10.0 * np.log10(power[power >= loud * 10.0**-2.5].mean()))


def stands_out(power: np.ndarray) -> np.ndarray:
    """Which blocks of that power (n,) lie 15 dB above the softest ones (10th percentile): none of steady noise or of dither."""
    # Dither lies at -96 dB re full scale.
    return power > max(float(np.quantile(power, 0.1)) * 10.0**1.5, 1e-9)


def level_code(level: float) -> int:
    """Level in dB re full scale -> code in [0, 64): steps of 1.5 dB, 63 at 0 dB."""
    return int(np.clip(np.rint(max(level, -1000.0) / LEVEL_STEP) + LEVEL_CODES - 1, 0, LEVEL_CODES - 1))


def level_gain(code: int) -> float:
    """Factor from the level of ``code`` to REFERENCE_LEVEL: multiply before analysis, divide after synthesis."""
    return float(10.0 ** ((REFERENCE_LEVEL - (code - LEVEL_CODES + 1) * LEVEL_STEP) / 20.0))
