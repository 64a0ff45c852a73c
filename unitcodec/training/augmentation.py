"""What is changed about a crop at random: noise, room, microphone and, for more voices than the corpus has, the voice itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.signal import istft, stft

from .vtlp import unwarped_frequency

QUEFRENCY = 30
"""Cepstral coefficients (of 1/16 ms) that make an envelope: below the period of the highest voices."""


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges; all of it off is ``Augmentation(0, 0, 0, 0, 0)``.

    ``babble``: of the noises, how many are other people's voices. ``vtlp`` moves the formants of the log-mel that is heard,
    ``heard_tract`` those of the waveform, ``voice`` those of target and voice too. A speaker is drawn in proportion to his hours
    to the ``hours_power``; ``clean``: only recordings that a decoder may learn from.
    """

    gain_db: float = 3.0
    speed: float = 0.3
    speed_range: float = 0.1
    noise: float = 0.15
    room: float = 0.1
    babble: float = 0.0
    snr_range: tuple[float, float] = (3.0, 35.0)
    equalizer: float = 0.0
    equalizer_db: float = 5.0
    vtlp: float = 0.0
    vtlp_range: float = 0.18
    heard_tract: float = 0.0
    voice: float = 0.0
    tract_range: float = 0.12
    colour_db: float = 3.0
    hours_power: float = 0.5
    clean: bool = False
    nested: float = 0.0

    @classmethod
    def of(cls, settings: object, **others: Any) -> Augmentation:
        """What a stage's settings say of it by the same names, and ``others``; the rest is as it stands here."""
        said = {each.name: getattr(settings, each.name) for each in fields(cls) if hasattr(settings, each.name)}
        return cls(**{**said, **others})


def coloured_noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise with a power spectrum of f^-a, ``a`` drawn from 0 (white) to 2 (brown), unit RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.arange(len(spectrum)), samples * 40 / 16000)
    noise = np.fft.irfft(spectrum * frequency ** (-rng.uniform(0, 2) / 2), samples)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)


def small_room(rng: np.random.Generator, waveform: np.ndarray) -> np.ndarray:
    """Direct sound plus a decaying noise tail: reverberation time 0.1 to 0.5 s, 5 to 20 dB below the direct sound."""
    decay = rng.uniform(0.1, 0.5)
    n = int(decay * 16000)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= 10 ** (-rng.uniform(5, 20) / 20) / np.sqrt(np.sum(tail**2))
    tail[: int(rng.uniform(0.001, 0.01) * 16000)] = 0
    tail[0] = 1.0
    size = 1 << (len(waveform) + n).bit_length()
    return np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(tail, size), size)[: len(waveform)]


def random_filter(rng: np.random.Generator, deviation_db: float) -> CubicSpline:
    """A smooth filter: gain in dB over log(1 + Hz / 700), drawn at eight points of the mel scale up to 8 kHz.

    After the random frequency shaping of Choi et al. 2021, *Neural Analysis and Synthesis* (arXiv 2110.14513), section 2.1.
    """
    return CubicSpline(np.linspace(0, np.log1p(8000 / 700), 8), rng.normal(0, deviation_db, 8))


def equalized(waveform: np.ndarray, filter_db: CubicSpline) -> np.ndarray:
    """Another microphone, another speaker's long-term spectrum: the waveform (T,) through a :func:`random_filter`."""
    gain = filter_db(np.log1p(np.fft.rfftfreq(len(waveform), 1 / 16000) / 700))
    return np.fft.irfft(np.fft.rfft(waveform) * 10 ** (gain / 20), len(waveform))


def vocal_tract(waveform: np.ndarray, factor: float) -> np.ndarray:
    """The waveform (T,) with formants ``factor`` times as high and F0 as it was: its cepstral envelope is stretched."""
    frequencies, _, spectra = stft(waveform, 16000, nperseg=512, noverlap=384)
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + 1e-6), axis=0)
    cepstra[QUEFRENCY:-QUEFRENCY] = 0
    envelope = np.fft.rfft(cepstra, axis=0).real
    source = unwarped_frequency(torch.from_numpy(frequencies), torch.tensor(factor)).numpy() / frequencies[1]
    lower = np.minimum(source.astype(int), len(envelope) - 2)
    share = (source - lower)[:, None]
    moved = envelope[lower] * (1 - share) + envelope[lower + 1] * share
    _, result = istft(spectra * np.exp(np.clip(moved - envelope, -3, 3)), 16000, nperseg=512, noverlap=384)
    return np.pad(result, (0, max(0, len(waveform) - len(result))))[: len(waveform)]


def another_voice(rng: np.random.Generator, *waveforms: np.ndarray, tract: float, colour_db: float) -> list[np.ndarray]:
    """Stretches (T_i,) of one voice -> stretches of one that the corpus does not have, together as loud as they were.

    A vocal tract of another length (factors of ``exp(-tract)`` to ``exp(tract)``), then a :func:`random_filter` with a
    deviation of ``colour_db``; F0 stays.
    """
    factor, colour = float(np.exp(rng.uniform(-tract, tract))), random_filter(rng, colour_db)
    changed = [equalized(vocal_tract(waveform, factor), colour) for waveform in waveforms]
    before, after = (sum(float(np.sum(np.square(waveform))) for waveform in each) for each in (waveforms, changed))
    level = np.sqrt(before / max(after, 1e-9))
    return [(waveform * level).astype(np.float32) for waveform in changed]
