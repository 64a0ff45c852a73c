"""What the encoder with Whisper in it is given of a packet's window: which of its units take part in those that are wanted."""

from __future__ import annotations

from dataclasses import dataclass

LOUDEST = 1.0
"""Logarithm (base 10) of the mel power of the loudest frames of speech at the reference level. Whisper's own front end takes
it from 30 s of the recording, and what is 8 below is floor; a constant does not depend on what else is in the window."""


@dataclass(frozen=True)
class Parts:
    """Unit frames of a window, each part within the next.

    Attributes:
        seen: what the convolutional encoder sees of it.
        listened: the frames whose words are made, of all that Whisper hears.
        around: the samples that the log-mel of ``seen`` is made of.
        within: where ``seen`` lies among those listened to.
    """

    seen: slice
    listened: slice
    around: slice

    @property
    def within(self) -> slice:
        return slice(self.seen.start - self.listened.start, self.seen.stop - self.listened.start)


def parts_of(units: int, own: slice, reach: int, near: int) -> Parts:
    """Of a window of so many units, for its units ``own``.

    Args:
        reach: units to each side that the convolutional encoder sees.
        near: that the words of a unit depend on, beyond what Whisper hears.
    """
    seen = _wider(own, reach, units)
    # A spectrum's window reaches half its length, less than a unit, to either side.
    return Parts(seen, _wider(seen, near, units), _wider(seen, 1, units))


def _wider(part: slice, reach: int, units: int) -> slice:
    return slice(max(0, part.start - reach), min(units, part.stop + reach))
