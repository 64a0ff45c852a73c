"""ESTOI and PESQ, which compare the decoded waveform with the original's, frame by frame.

- ESTOI, 0 to 1 (Jensen and Taal 2016, *An algorithm for predicting the intelligibility of speech masked by modulated noise
  maskers*), by pystoi; the original against itself has 1.
- PESQ, wide band, 1 to 4.64 (ITU-T P.862.2), by the ITU's code in the package pesq.

Read them with care: both were made for noise and for waveform codecs. A vocoder at a few hundred bit/s keeps neither the
waveform nor exact timing, and they mark it down for what no listener hears; among vocoders they say next to nothing of
quality. They are reported because they are asked for, and to compare versions of one system.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray

ESTOI_PACKAGES = ("pystoi",)
PESQ_PACKAGES = ("pesq",)

PESQ_FLOOR = 1.0
"""The foot of the scale, for silence in place of speech: P.862 has no value there."""

PESQ_LONGEST = 20 * SAMPLE_RATE
"""Samples. The ITU's code has room for 50 spurts of speech and overruns it without a word; recommended are 8 to 12 s."""


def estoi(reference: FloatArray, decoded: FloatArray) -> float | None:
    """ESTOI of two ``(T,)``; less than 1 s is repeated to fill it. 0 for a silent ``decoded``, None for a silent original."""
    from pystoi import stoi

    if not reference.any():
        return None
    if not decoded.any():
        return 0.0
    n = max(len(reference), SAMPLE_RATE)
    with warnings.catch_warnings():
        # Too little speech for a single segment: pystoi says so, and gives a constant.
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(stoi(np.resize(reference, n), np.resize(decoded, n), SAMPLE_RATE, extended=True))
        except RuntimeWarning:
            return None


def pesq(reference: FloatArray, decoded: FloatArray) -> float | None:
    """PESQ of two ``(T,)``, the mean over equal pieces of 20 s at most; less than 1 s is repeated to fill it.

    A silent ``decoded`` has 1; None where P.862 finds no speech in the original.
    """
    n = max(len(reference), SAMPLE_RATE)
    pieces = [np.array_split(np.resize(each, n), -(-n // PESQ_LONGEST)) for each in (reference, decoded)]
    values = [value for pair in zip(*pieces, strict=True) if (value := _pesq(*pair)) is not None]
    return float(np.mean(values)) if values else None


def _pesq(reference: FloatArray, decoded: FloatArray) -> float | None:
    from pesq import PesqError
    from pesq import pesq as p862

    if not reference.any():
        return None
    value = float(p862(SAMPLE_RATE, reference, decoded, "wb", on_error=PesqError.RETURN_VALUES)) if decoded.any() else PESQ_FLOOR
    # Errors come as negative numbers.
    return None if value < 0 else value
