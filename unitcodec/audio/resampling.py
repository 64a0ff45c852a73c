"""Mono at any rate -> 16 kHz.

One rule for lengths, here and everywhere: ``frames`` at ``rate`` Hz become ``ceil(frames * 16000 / rate)`` samples. Audio
that is not empty therefore never becomes empty.
"""

from __future__ import annotations

from typing import Any, SupportsInt

import numpy as np

from bitstream.entropy.spec import SAMPLE_RATE

from ..arrays import Samples
from ..errors import AudioError

MIN_SAMPLE_RATE = 8000
"""Lowest input rate, in Hz: below it the speech band itself is missing."""

MAX_SAMPLE_RATE = 10_000_000
"""Highest input rate, in Hz: beyond it the number is wrong, and resampling would take for ever."""


def resampled_length(frames: int, sample_rate: int) -> int:
    """Number of samples at 16 kHz that ``frames`` at ``sample_rate`` Hz become: the quotient rounded up.

    >>> resampled_length(1, 48000), resampled_length(48000, 48000), resampled_length(8001, 8000)
    (1, 16000, 16002)
    """
    return -(-frames * SAMPLE_RATE // sample_rate)


class Resampler:
    """Mono to 16 kHz in a stream; the length is ``resampled_length`` of the whole, whatever the blocks were."""

    def __init__(self, sample_rate: int) -> None:
        self.frames = 0  # pushed so far
        self._rate = sample_rate
        self._done = 0
        self._stream: Any = None
        if sample_rate != SAMPLE_RATE:
            import soxr  # audio at 16 kHz does without

            self._stream = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def push(self, mono: Samples) -> Samples:
        self.frames += len(mono)
        return mono if self._stream is None else self._count(self._stream.resample_chunk(mono))

    def finish(self) -> Samples:
        if self._stream is None or self.frames == 0:
            return np.zeros(0, np.float32)
        # soxr rounds the length to the nearest; a little silence behind the end lets it be rounded up.
        silence = np.zeros(self._rate // SAMPLE_RATE + 2, np.float32)
        left = resampled_length(self.frames, self._rate) - self._done
        return self._count(self._stream.resample_chunk(silence, last=True)[:left])

    def _count(self, block: Samples) -> Samples:
        self._done += len(block)
        return block


def check_rate(sample_rate: SupportsInt, name: str) -> int:
    """The rate as an int, whatever type the whole number has: NumPy's narrow ones would overflow. Raises AudioError."""
    try:
        whole = int(sample_rate)
        exact = bool(whole == sample_rate)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # of tensors without a value the last
        whole, exact = -1, False
    if not exact or isinstance(sample_rate, (bool, np.bool_)) or not 0 < whole <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name}: {sample_rate!r:.40} is no sample rate; it takes a whole number of Hz, 16000 or 44100 for instance"
        )
    if whole < MIN_SAMPLE_RATE:
        raise AudioError(
            f"{name}: a sample rate of {whole} Hz is too low for speech; at least {MIN_SAMPLE_RATE} Hz is needed "
            "(if the header is wrong, mend it; else record at a higher rate)"
        )
    return whole
