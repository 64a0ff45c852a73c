"""Spectra in NumPy: what :mod:`unitcodec.features`, the front end of Whisper and the spectral generator compute in PyTorch.

Graphs do without: not every ONNX Runtime has a Fourier transform, and NumPy's is faster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..content.parts import LOUDEST
from ..frames import BANDS, FFT, FLOOR, HOP, WINDOW, denormalise, frame_count, mel_filters, slaney_filters

Floats = NDArray[np.floating[Any]]
Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]

WHISPER_WINDOW = 400
SPECTRUM = 640
"""Samples of a spectrum of the generator's."""

MAX_LOG_GAIN, MOST_MATCHED, TINY = 4.0, 3.0, 1e-14
"""As in :mod:`unitcodec.vocoder`."""


def hann(size: int) -> Doubles:
    """(size,), periodic."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)


@lru_cache(maxsize=1)
def _mel_filters() -> Doubles:
    return mel_filters() * 10.0


@lru_cache(maxsize=1)
def _whisper_filters() -> Doubles:
    return slaney_filters(BANDS, WHISPER_WINDOW)


def power_spectrogram(waveform: Doubles, size: int, fft: int) -> Doubles:
    """Waveform (T,) -> power (ceil(T / 160), fft // 2 + 1), by a window of ``size`` samples."""
    frames, left = frame_count(len(waveform)), size // 2
    padded = np.pad(waveform, (left, max(0, (frames - 1) * HOP + size - left - len(waveform))))
    spectra = np.fft.rfft(sliding_window_view(padded, size)[::HOP][:frames] * hann(size), fft)
    power: Doubles = np.square(spectra.real) + np.square(spectra.imag)
    return power


def log_mel(waveform: Doubles) -> Doubles:
    """Waveform (T,) -> (80, ceil(T / 160)); see :func:`unitcodec.features.log_mel`."""
    magnitude = np.sqrt(np.maximum(power_spectrogram(waveform, WINDOW, FFT), 1e-20))
    mel: Doubles = np.log(magnitude @ _mel_filters().T * (2.0 / WINDOW) + FLOOR).T
    return mel


def whisper_mel(waveform: Doubles) -> Doubles:
    """Waveform (T,) -> (80, ceil(T / 160)); see :func:`unitcodec.content.whisper.whisper_mel`."""
    power = power_spectrogram(waveform, WHISPER_WINDOW, WHISPER_WINDOW) @ _whisper_filters().T
    level = np.maximum(np.log10(np.maximum(power, 1e-10)), LOUDEST - 8.0)
    mel: Doubles = ((level + 4.0) / 4.0).T
    return mel


@lru_cache(maxsize=1)
def _generator_constants() -> tuple[Singles, Singles, Singles]:
    """Window (640,), mel filters (80, 321), and how a bin's gain is made of those of the bands (80, 321)."""
    filters = (mel_filters(fft=SPECTRUM) * (10.0 * 2.0 / WINDOW)).astype(np.float32)
    return hann(SPECTRUM).astype(np.float32), filters, filters / np.maximum(filters.sum(0), np.float32(1e-12))


def overlap_frames(signal: Singles) -> NDArray[np.complex64]:
    """(160 n,) -> spectra (n, 321) of frames centred on sample ``160 * i``, zeros outside."""
    padded = np.pad(signal, (SPECTRUM // 2, SPECTRUM // 2))
    frames = sliding_window_view(padded, SPECTRUM)[::HOP][: len(signal) // HOP] * _generator_constants()[0]
    return np.fft.rfft(frames).astype(np.complex64, copy=False)


def overlap_add(spectra: NDArray[np.complex64]) -> Singles:
    """Inverse of :func:`overlap_frames`."""
    window, parts = _generator_constants()[0], SPECTRUM // HOP
    n = len(spectra)
    blocks = (np.fft.irfft(spectra, SPECTRUM).astype(np.float32, copy=False) * window).reshape(n, parts, HOP)
    total = np.zeros((n + parts - 1, HOP), np.float32)
    for part in range(parts):
        total[part : part + n] += blocks[:, part]
    # A squared Hann window at 75 % overlap sums to a constant, so one division serves every sample.
    return total.reshape(-1)[SPECTRUM // 2 : SPECTRUM // 2 + n * HOP] / (np.square(window).sum() / np.float32(HOP))


def generate(
    harmonic: Singles, noisy: Singles, angle: Singles, pulses: Singles, noise: Singles, mel: Singles, passes: int
) -> Singles:
    """Filters (321, n), excitations (160 n,) and log-mel (80, n) -> samples (160 n,).

    See :meth:`.SpectralGenerator.generate`.
    """
    gain = np.exp(np.minimum(harmonic, MAX_LOG_GAIN)).T
    filters = (gain * np.cos(angle.T) + 1j * (gain * np.sin(angle.T))).astype(np.complex64)
    hiss = overlap_frames(noise) * np.exp(np.minimum(noisy, MAX_LOG_GAIN)).T
    return matched(overlap_add(overlap_frames(pulses) * filters + hiss), mel, passes)


def matched(waveform: Singles, mel: Singles, passes: int) -> Singles:
    """See :meth:`.spectral.SpectralGenerator.matched`."""
    _, bands, shares = _generator_constants()
    target = denormalise(mel).T
    for _ in range(passes):
        spectra = overlap_frames(waveform)
        magnitude = np.sqrt(np.square(spectra.real) + np.square(spectra.imag) + np.float32(TINY))
        lacks = target - np.log(magnitude @ bands.T + np.float32(FLOOR))
        waveform = overlap_add(spectra * np.exp(np.clip(lacks, -MOST_MATCHED, MOST_MATCHED) @ shares))
    return waveform
