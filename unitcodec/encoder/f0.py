"""The F0 track of a stream, as far as its samples are there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frames import HOP
from ..pitch.tracker import CONTEXT, Tracker
from .buffer import Buffer

FloatArray = NDArray[np.float32]


class F0Track:
    """F0 at 100 Hz, tracked packet by packet, each in a window of its own: how the stream was cut does not show.

    Args:
        track: the F0 tracker.
        packet_samples: of a packet; whole frames.
        gain: what brings the stream to the reference level.
        start: the first sample whose F0 is asked for, that of a packet.
    """

    def __init__(self, track: Tracker, packet_samples: int, gain: float, start: int = 0) -> None:
        self._track, self._packet, self._gain = track, packet_samples, np.float32(gain)
        self._f0 = Buffer(start // HOP)  # by frames
        self.end = start
        """Samples whose F0 is known, in whole packets: more than the stream has at its end."""

    def __len__(self) -> int:
        """Frames that are held."""
        return len(self._f0)

    def extend(self, samples: Buffer, complete: bool) -> None:
        """Track the packets whose surroundings are in ``samples``; ``complete``: no more samples will come."""
        while self.end < samples.end and (complete or samples.end >= self.end + self._packet + CONTEXT):
            start, end = self.end, self.end + self._packet
            left = max(0, start - CONTEXT)
            f0 = self._track(samples.window(left, end + CONTEXT) * self._gain)
            self._f0.append(f0[(start - left) // HOP : (end - left) // HOP])
            self.end = end

    def window(self, first: int, last: int) -> FloatArray:
        """F0 in Hz, 0 where unvoiced, of the frames of samples [first, last), as far as it is known and held."""
        return self._f0.window(first // HOP, -(-last // HOP))

    def forget(self, before: int) -> None:
        """Drop the F0 of the samples before this one."""
        self._f0.forget(before // HOP)
