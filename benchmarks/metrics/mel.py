"""Mel distance: how far the decoded spectrum is from the original's, in dB.

The mean absolute difference of the two log-mel spectrograms, 80 bands at 100 Hz in the project's own definition
(``unitcodec.features.log_mel``), over all bands and frames, pauses too. Gain is not taken out: a level error of 1 dB costs
1 dB wherever there is sound above the definition's floor.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.griffin_lim import MelSpec
from benchmarks.waveform import FloatArray

PACKAGES = ("torch",)
"""For ``unitcodec.features``."""

_spec = lru_cache(maxsize=1)(MelSpec.reference)


def distance(reference: FloatArray, decoded: FloatArray) -> float:
    """Mean absolute log-mel difference in dB of two waveforms of one length, ``(T,)``; 0 where there are no samples."""
    if not len(reference):
        return 0.0
    difference = _spec().log_mel(reference) - _spec().log_mel(decoded)
    # Natural logarithms of magnitudes.
    return float(20 / np.log(10) * np.abs(difference).mean())
