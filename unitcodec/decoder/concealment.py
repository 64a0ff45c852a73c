"""What is heard of lost frames: the last sound before them, held and faded out, and the first after them, faded in.

The codes in a hole are those of the last frame that came, its F0 too, and just before its end those of the next one. Nothing is
guessed of what was said: the entropy model's most likely continuation costs as many words as silence, sampled ones more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.arrays import IntArray

HOLD, FADE = 0.32, 0.32
"""Seconds for which the last sound is held as it was, and in which it then becomes silence."""

AHEAD = 0.08
"""Seconds before the end of a hole in which the next sound rises: so far it has to be known what comes."""

NEVER = 2**30
"""Frames since the last one that came, of a stream that begins with a hole."""


@dataclass(frozen=True, eq=False)
class Past:
    """All of a stream's past that a hole depends on.

    Attributes:
        units: (rows,) int32, of the last unit frame that came; zeros before the first.
        f0: the last F0 code that came.
        since: unit frames lost since then.
    """

    units: IntArray
    f0: int = 0
    since: int = NEVER

    def after(self, units: IntArray, f0: IntArray, lost: NDArray[np.bool_], ratio: int) -> Past:
        """The past of what follows these frames; arguments as for :func:`conceal`."""
        if not len(lost):
            return self
        last = filled(units, lost, self.units, 0)[:, -1]
        last_f0 = filled(f0[None], _f0_lost(lost, ratio), np.array([self.f0], np.int32), 0)[0, -1]
        return Past(last, int(last_f0), min(int(_since(lost, self.since)[-1]), NEVER))


def conceal(
    units: IntArray, f0: IntArray, lost: NDArray[np.bool_], ratio: int, frame_rate: float, past: Past
) -> tuple[IntArray, IntArray, NDArray[np.float32]]:
    """Frames of which some are lost -> codes to speak in their place, and how loud.

    A frame depends on :func:`frames_ahead` frames after it and, by way of ``past``, on all before it: whoever gives a stream in
    pieces lets them overlap by so many.

    Args:
        units: (rows, n), anything where they are lost.
        f0: (ceil(n / ratio),), the same.
        lost: (n,).
        ratio: unit frames an F0 code, which is lost where one of them is.
        frame_rate: of units, Hz.
        past: of what came before.

    Returns:
        The same units and F0 codes with the holes filled, and a gain (n,), 1 where nothing is lost.
    """
    ahead = frames_ahead(frame_rate, ratio)
    fading = 1.0 - (_since(lost, past.since) / frame_rate - HOLD) / FADE
    rising = 1.0 - (_until(lost) - 0.5) / ahead
    gain = np.where(lost, np.clip(np.maximum(fading, rising), 0.0, 1.0), 1.0)
    filled_f0 = filled(f0[None], _f0_lost(lost, ratio), np.array([past.f0], np.int32), ahead // ratio)[0]
    return filled(units, lost, past.units, ahead), filled_f0, gain.astype(np.float32)


def frames_ahead(frame_rate: float, ratio: int) -> int:
    """:data:`AHEAD` in unit frames at this rate (Hz), in whole F0 codes of ``ratio`` frames."""
    return -(-round(AHEAD * frame_rate) // ratio) * ratio


def gain_curve(gain: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """Gains of unit frames (n,) -> of their samples (n * hop,): linear between the frames' middles."""
    return np.interp(np.arange(len(gain) * hop), (np.arange(len(gain)) + 0.5) * hop, gain).astype(np.float32)


def _since(lost: NDArray[np.bool_], before: int) -> NDArray[np.intp]:
    """For each frame how many were lost, up to it, since one came."""
    position = np.arange(len(lost))
    return position - np.maximum.accumulate(np.where(lost, -1 - before, position))


def _until(lost: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each frame how many are lost, from it on, until one comes."""
    return _since(lost[::-1], NEVER)[::-1]


def _f0_lost(lost: NDArray[np.bool_], ratio: int) -> NDArray[np.bool_]:
    """Unit frames lost (n,) -> F0 codes lost (ceil(n / ratio),)."""
    return np.logical_or.reduceat(lost, np.arange(0, len(lost), ratio))


def filled(codes: IntArray, lost: NDArray[np.bool_], last: IntArray, ahead: int) -> IntArray:
    """Codes (rows, n) with the holes filled: in the ``ahead`` frames before their end by the next, else by the last.

    ``last`` (rows,): the last before these.
    """
    position = np.arange(len(lost))
    until = _until(lost)
    source = np.where(until <= ahead, position + until, np.maximum.accumulate(np.where(lost, -1, position)))
    return np.concatenate([codes, last[:, None]], 1)[:, source]
