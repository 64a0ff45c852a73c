"""What ``effort`` asks for: a search for the units of a packet, and what it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.arrays import IntArray

from ..content.rungs import Candidates
from ..fields import Fields

AROUND = 24
"""Unit frames on either side of a packet that are spoken with it, as far as there are any."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A packet of n unit frames and what lies around it, m frames in all.

    Attributes:
        waveform: (1, 640 m) at the reference level.
        before, after: units (rows, k) of the frames before the packet, as they were sent, and of those behind it.
        f0: codes of all frames.
        fields: of the stream.
    """

    waveform: NDArray[np.float64]
    before: IntArray
    after: IntArray
    f0: IntArray
    fields: Fields


class Search(Protocol):
    """For better units than a content encoder finds in one pass."""

    def refined(self, candidates: Candidates, rung: int, around: Surroundings) -> Candidates:
        """What may be sent of a packet, as the content encoder has it -> what is better at this rung."""
        ...


MOST_EFFORT = 1000


def checked_effort(effort: object) -> int:
    """Steps of the search for each packet. Raises ValueError for what is no whole number from 0 to 1000."""
    if isinstance(effort, bool) or not isinstance(effort, Integral) or not 0 <= int(effort) <= MOST_EFFORT:
        raise ValueError(f"effort is {effort!r:.40}; it must be a whole number of steps from 0 to {MOST_EFFORT}, 20 for instance")
    return int(effort)
