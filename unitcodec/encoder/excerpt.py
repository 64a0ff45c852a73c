"""Speech by which a voice is chosen: which part of a stream, and which part of that in each step of the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.arrays import IntArray

from ..frames import HOP
from ..pitch.track import STRIDE

SEGMENT = 128
"""Frames (10 ms) of an excerpt that is looked at as a whole."""

LOOKED_AT = 96
"""Frames of a longer one that a step looks at: many steps on different speech do more than few on much."""

SMOOTH = 2.0**-6
"""Errors of the normalised log-mel below which their square counts, not their size: the sign of a tiny one is chance."""

MARGIN = 2.0**-12
"""Steps of a field's code. So far from all borders between two codes a search in float32 has to end, else float64 searches. Of 9
recordings, 12 steps each, the largest difference of the two was 1e-5. Of 32 latents one comes so near by chance in one search of
sixty."""

GOLDEN = 0.6180339887
"""Multiples of it, modulo 1, are spread evenly however many there are."""

SEARCHED_PACKETS = 3
"""At most; the loudest ones of the opening, by which the voice is chosen where a model asks for it."""


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Speech and its codes."""

    units: IntArray
    """(rows, m)"""
    f0: IntArray
    """(k,)"""
    mel: NDArray[np.float64]
    """(80, n) normalised log-mel."""


def loudest_packets(samples: NDArray[np.float32], packet: int, reach: int | None) -> list[tuple[int, int]]:
    """Where the loudest packets lie in the first samples (n,) of a stream, the loudest first: [start, stop) of each.

    ``reach``: samples behind a packet that must be there too; None where the stream is complete.
    """
    end = len(samples)
    count = -(-end // packet) if reach is None else (end - reach) // packet
    packets = [(start, min(start + packet, end)) for start in range(0, count * packet, packet)]
    # All excerpts get as many steps: a short last one only where there is no other.
    packets = [(start, stop) for start, stop in packets if stop - start >= SEGMENT * HOP] or packets
    loudest = sorted(packets, key=lambda each: -np.square(samples[slice(*each)], dtype=np.float64).sum())
    return loudest[:SEARCHED_PACKETS]


def segment(step: int, frames: int) -> slice:
    """The frames of an excerpt of so many that a step looks at, in whole F0 codes; every step has others."""
    size = LOOKED_AT if frames > SEGMENT else frames // STRIDE * STRIDE
    first = int((frames - size) * (GOLDEN * step % 1.0)) // STRIDE * STRIDE
    return slice(first, first + size)
