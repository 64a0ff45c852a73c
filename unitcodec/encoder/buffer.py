"""What an encoder holds of a stream: the latest samples, and their F0, found by their positions in the whole."""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from ..frames import HOP
from ..pitch.tracker import CONTEXT, Tracker


class Buffer:
    """Values [start, end) of a stream, (end - start,) float32; earlier ones were forgotten, later ones have not come."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self._values: FloatArray = np.zeros(0, np.float32)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def end(self) -> int:
        return self.start + len(self._values)

    def append(self, values: FloatArray) -> None:
        self._values = np.concatenate([self._values, values])

    def window(self, first: int, last: int) -> FloatArray:
        """Values [first, last) of the stream, as far as they are here."""
        return self._values[max(0, first - self.start) : max(0, last - self.start)]

    def forget(self, before: int) -> None:
        """Drop the values that lie before this position."""
        kept = min(max(before, self.start), self.end)
        self._values, self.start = self._values[kept - self.start :], kept


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
