"""Waveforms for the judges: mono float32 at 16 kHz, from and to 16-bit files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError

FloatArray = NDArray[np.float32]

SAMPLE_RATE = 16000
"""Hz; every judge here takes 16 kHz."""


def read(path: Path) -> FloatArray:
    """A sound file as mono float32 ``(T,)`` at 16 kHz; channels are averaged, other rates resampled.

    Raises:
        BenchmarkError: it cannot be read.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BenchmarkError(f"{path}: {error.error_string}") from error
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        import soxr

        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono, dtype=np.float32)


def duration(path: Path) -> float:
    """Seconds of a sound file. Raises BenchmarkError as :func:`read` does."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError as error:
        raise BenchmarkError(f"{path}: {error.error_string}") from error


def write(path: Path, waveform: FloatArray) -> None:
    """Write ``(T,)`` at 16 kHz as 16-bit WAV, clipped to full scale."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, to_int16(waveform), SAMPLE_RATE, format="WAV", subtype="PCM_16")


def to_int16(waveform: FloatArray) -> NDArray[np.int16]:
    """Full scale 1.0 as 32768, rounded and clipped, so that 16-bit files survive a round trip exactly."""
    return np.clip(np.rint(np.asarray(waveform, dtype=np.float64) * 32768), -32768, 32767).astype(np.int16)


def fit(waveform: FloatArray, length: int) -> FloatArray:
    """The first ``length`` samples, zero-padded at the end where there are fewer."""
    return np.pad(waveform[:length], (0, max(0, length - len(waveform))))
