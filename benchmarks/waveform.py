"""Waveforms for the judges: mono float32 at 16 kHz, from and to 16-bit files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from soundfile import SoundFile

FloatArray = NDArray[np.float32]

SAMPLE_RATE = 16000
"""Hz; every judge here takes 16 kHz."""


def read(path: Path) -> FloatArray:
    """A sound file as mono float32 ``(T,)`` at 16 kHz; channels are averaged, other rates resampled.

    Raises:
        BenchmarkError: it cannot be read, is no regular file, or holds a sample that is no finite number.
    """
    with _opened(path) as file:
        rate = int(file.samplerate)
        try:
            samples = file.read(dtype="float32", always_2d=True)
        # A header that claims a length that nothing holds: the array for it is too large, or the reader cannot go on.
        except (OSError, RuntimeError, MemoryError, ValueError) as error:
            claimed = f"its header claims {file.frames} samples, which cannot be read"
            raise BenchmarkError(f"{path}: damaged: {claimed}; write it anew") from error
    with np.errstate(over="ignore", invalid="ignore"):
        mono = samples.mean(axis=1)
    if (sample := not_finite(mono)) is not None:
        raise BenchmarkError(f"{path}: NaN or infinite at {sample / rate:.3f} s; write it anew with finite samples")
    if rate != SAMPLE_RATE:
        import soxr

        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono, dtype=np.float32)


def duration(path: Path) -> float:
    """Seconds of a sound file, as its header says. Raises BenchmarkError where :func:`read` cannot open it."""
    with _opened(path) as file:
        return float(file.frames / file.samplerate)


def _opened(path: Path) -> SoundFile:
    import soundfile

    if not path.is_file():  # before it is opened: a named pipe would wait for ever
        raise BenchmarkError(f"{path}: {'no regular file' if path.exists() else 'is not there'}")
    try:
        if not path.stat().st_size:
            raise BenchmarkError(f"{path}: is empty")
        path.open("rb").close()  # the system's own words for what is forbidden
        return soundfile.SoundFile(path)
    except OSError as error:
        raise BenchmarkError(f"{path}: {error.strerror or error}") from error
    except soundfile.LibsndfileError as error:
        raise BenchmarkError(f"{path}: no sound file that can be read ({error.error_string.rstrip('.')})") from error
    except TypeError as error:  # soundfile asks for the rate of a file that is called .raw
        raise BenchmarkError(f"{path}: no sound file that can be read") from error


def not_finite(waveform: FloatArray) -> int | None:
    """The index of the first sample of ``(T,)`` that is NaN or infinite; None where there is none."""
    bad = ~np.isfinite(waveform)
    return int(bad.argmax()) if bad.any() else None


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
