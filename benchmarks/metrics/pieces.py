"""A long recording cut at its pauses, for judges that hear only so much at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import SAMPLE_RATE, FloatArray

_FRAME = SAMPLE_RATE // 50
_PAUSE = 10  # frames


def levels(waveform: FloatArray) -> NDArray[np.float64]:
    """The RMS of every 20 ms of ``(T,)``, the last one filled up with zeros; one zero for an empty waveform."""
    padded = np.pad(waveform, (0, -len(waveform) % _FRAME if len(waveform) else _FRAME))
    return np.sqrt(np.square(padded.reshape(-1, _FRAME), dtype=np.float64).mean(1))


def cut(waveform: FloatArray, longest: int) -> Iterator[FloatArray]:
    """Pieces of ``(T,)`` of at most ``longest`` samples, which are the whole when put together.

    A piece ends in the middle of the quietest 0.2 s of its second half.
    """
    while len(waveform) > longest:
        start = longest // 2
        energy = np.square(levels(waveform[start:longest]))
        at = int(np.convolve(energy, np.ones(_PAUSE), "valid").argmin()) + _PAUSE // 2
        end = min(start + at * _FRAME, longest)
        yield waveform[:end]
        waveform = waveform[end:]
    yield waveform
