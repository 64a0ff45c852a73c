"""A codec to compare with: waveform in, waveform of the same length and a bit count out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.waveform import FloatArray


@dataclass(frozen=True)
class Coded:
    """What a codec made of a waveform: ``(T,)`` float32 again at 16 kHz, as long as the input, and the bits it took."""

    waveform: FloatArray
    bits: int


def no_gap() -> None:
    """Of a codec that runs everywhere."""


@dataclass(frozen=True)
class Peer:
    """A codec under its ``title``; ``counted`` says what its bits are, ``left_out`` what a transmission needs besides.

    ``gap()`` is None where the codec can run here, else the reason with its cure. ``untrained()``, of neural codecs
    alone, makes the same ``code`` with random weights of the published configuration, for speed; it raises ``Gap``
    where the package is not installed. ``bits(samples)``, where a rate is fixed, is what that many samples at 16 kHz take,
    the same number that ``code`` gives with them, without running anything.
    """

    title: str
    code: Callable[[FloatArray], Coded]
    gap: Callable[[], str | None] = no_gap
    untrained: Callable[[], Callable[[FloatArray], Coded]] | None = None
    counted: str = ""
    left_out: str = ""
    bits: Callable[[int], int] | None = None
