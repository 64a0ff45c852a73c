"""What is said of an F0 track beside its codes, and the channels that it is coded as; in NumPy.

Two channels describe the track at 100 Hz: normalised log-F0 (0 where unvoiced) and voicing (1 or 0). The speaker's mean and
deviation of log-F0 travel beside the codes (:func:`statistics`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray

MEAN_CODES, MEAN_MIN, MEAN_MAX = 64, float(np.log(60.0)), float(np.log(420.0))
DEVIATION_CODES, DEVIATION_MIN, DEVIATION_MAX = 8, 0.06, 0.41
FEW_FRAMES, TYPICAL_DEVIATION = 100, 0.2
"""What is taken for granted of the deviation counts as so many voiced frames (10 ms)."""
STRIDE = 8
"""F0 values (100 Hz) a code (12.5 Hz)."""


def statistics(f0: FloatArray) -> tuple[int, int]:
    """F0 (n,) in Hz, 0 where unvoiced -> codes of the mean and the standard deviation of log-F0 over voiced frames."""
    voiced = f0[f0 > 0].astype(np.float64)
    if len(voiced) == 0:
        return MEAN_CODES // 2, DEVIATION_CODES // 2
    return statistics_codes(float(np.log(voiced).mean()), float(np.log(voiced).std()))


def live_statistics(f0: FloatArray) -> tuple[int, int]:
    """:func:`statistics` of a stream that has just begun: few voiced frames tell little of how far F0 will move."""
    voiced = f0[f0 > 0].astype(np.float64)
    if len(voiced) == 0:
        return statistics(f0)
    seen = len(voiced) / (len(voiced) + FEW_FRAMES)
    variance = seen * np.log(voiced).var() + (1.0 - seen) * TYPICAL_DEVIATION**2
    return statistics_codes(float(np.log(voiced).mean()), float(np.sqrt(variance)))


def statistics_codes(mean: float, deviation: float) -> tuple[int, int]:
    """Mean and standard deviation of log-F0 (F0 in Hz) -> their codes, the nearest."""
    mean_code = np.rint((mean - MEAN_MIN) / (MEAN_MAX - MEAN_MIN) * (MEAN_CODES - 1))
    deviation_code = np.rint((deviation - DEVIATION_MIN) / (DEVIATION_MAX - DEVIATION_MIN) * (DEVIATION_CODES - 1))
    return int(np.clip(mean_code, 0, MEAN_CODES - 1)), int(np.clip(deviation_code, 0, DEVIATION_CODES - 1))


def mean_and_deviation(mean_code: int, deviation_code: int) -> tuple[float, float]:
    """Codes of :func:`statistics` -> mean and standard deviation of log-F0 (F0 in Hz)."""
    mean = MEAN_MIN + mean_code * (MEAN_MAX - MEAN_MIN) / (MEAN_CODES - 1)
    return mean, DEVIATION_MIN + deviation_code * (DEVIATION_MAX - DEVIATION_MIN) / (DEVIATION_CODES - 1)


def track_channels(f0: FloatArray, mean: float, deviation: float) -> FloatArray:
    """F0 (n,) in Hz, 0 where unvoiced -> (2, n): normalised log-F0, 0 where unvoiced, and voicing.

    Each column depends on its own F0 value alone, so a stream cut anywhere gives the same columns.
    """
    voiced = f0 > 0
    log_f0 = np.log(np.where(voiced, f0, 1.0).astype(np.float64))
    return np.stack([np.where(voiced, np.clip((log_f0 - mean) / deviation, -4.0, 4.0), 0.0), voiced]).astype(np.float32)
