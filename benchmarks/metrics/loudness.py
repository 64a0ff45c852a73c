"""Programme loudness in LUFS by pyloudnorm (Steinmetz and Reiss 2021), after ITU-R BS.1770-4."""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.waveform import FloatArray

PACKAGES = ("pyloudnorm",)

FLOOR = -70.0
"""LUFS of the absolute gate; silence is reported as this, so that differences stay finite."""


def loudness(waveform: FloatArray) -> float:
    """Integrated loudness in LUFS, no lower than -70; shorter than one 0.4 s block, the waveform is zero-padded to it."""
    import pyloudnorm

    padded = np.pad(waveform, (0, max(0, 6401 - len(waveform))))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        value = float(pyloudnorm.Meter(16000).integrated_loudness(padded.astype(np.float64)))
    return max(FLOOR, value) if np.isfinite(value) else FLOOR
