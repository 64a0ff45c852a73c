"""Many channels -> one: their mean, or the loudest channel where the mean would be next to nothing.

Channels of opposite polarity (a miswired cable, a side signal) cancel each other in the mean. What is mixed is therefore
looked at in blocks of a quarter of a second that lie on a fixed grid, and a block is decided by itself and by what came before
it: however a recording is cut, an array or a file, it becomes the same samples, and a stream waits for one block at most.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Samples
from ..errors import AudioError, AudioWarning, warn

BLOCKS_PER_SECOND, OF_ONE_CHANNEL = 4, 20
"""How often channels are compared; and how often samples are handed on where there is nothing to compare."""

MOST_SAMPLES = 1 << 20
"""Of a block, frames times channels; one of very many channels is shorter than a quarter of a second."""

CANCELLED, PRESENT = 0.1, 0.5
"""Power of the channels' sum over the sum of their powers: 1 for channels that have nothing to do with each other, as many as
there are for equal ones, 0 for opposite ones. Below the first the loudest is taken, from the second on the mean again."""

HEARD = 0.01
"""A block this far below the loudest one of late decides nothing: in a pause hum may cancel where speech does not."""

FADING = 0.9
"""How loud the loudest block of late still counts a block later."""

FADES_PER_SECOND = 100
"""Going over from the one to the other takes a hundredth of a second."""

FAR_ABOVE = 2.0
"""Peak, full scale being 1, from which floating-point audio is brought down. Less is what mixing and lossy coding leave."""


class Mixer:
    """Frames ``(T, channels)`` in blocks of any size -> mono ``(T,)``, float32; ``finish`` gives what ``push`` held back.

    Args:
        channels: how many.
        sample_rate: Hz.
        name: what messages call the audio.
        scale: factor for every sample; see ``scale_down``.
        start: time of the first frame in the whole, in seconds.
    """

    def __init__(self, channels: int, sample_rate: int, name: str, scale: float = 1.0, start: float = 0.0) -> None:
        self._channels, self._rate, self._name, self._start = channels, int(sample_rate), name, start
        self._scale = np.float32(scale)
        per_second = OF_ONE_CHANNEL if channels == 1 else BLOCKS_PER_SECOND
        self._size = max(1, min(self._rate // per_second, MOST_SAMPLES // channels))
        self._rest: Samples = np.zeros((0, channels), np.float32)
        self._frames = 0  # mixed so far
        self._loudest = 0.0  # power of the loudest block of late
        self._alone: int | None = None  # the channel that is taken for the mean
        self._noted = False

    def push(self, frames: Samples) -> Samples:
        """Raises AudioError if the mean of a frame is NaN or infinite."""
        if self._channels == 1:
            return self._mix(frames)
        frames = np.concatenate([self._rest, frames])
        whole = len(frames) - len(frames) % self._size
        self._rest = frames[whole:].copy()
        return self._mix(frames[:whole])

    def finish(self) -> Samples:
        rest, self._rest = self._rest, self._rest[:0]
        return self._mix(rest)

    def _mix(self, frames: Samples) -> Samples:
        # Channel after channel: np.mean may add in another order for another memory layout, and codes must not depend on that.
        with np.errstate(over="ignore", invalid="ignore"):
            if self._scale != 1:
                frames = frames * self._scale
            mono: Samples = frames[:, 0].copy()
            for channel in range(1, self._channels):
                mono += frames[:, channel]
            mono /= np.float32(self._channels)
        finite = np.isfinite(mono)
        if not finite.all():
            seconds = self._start + (self._frames + int(np.argmin(finite))) / self._rate
            raise AudioError(f"{self._name}: the sample at {seconds:.4f} s is NaN or infinite; repair the audio first")
        if self._channels > 1:
            for start in range(0, len(mono), self._size):
                self._unless_cancelled(frames[start : start + self._size], mono[start : start + self._size], self._frames + start)
        self._frames += len(mono)
        return mono

    def _unless_cancelled(self, block: Samples, mono: Samples, first: int) -> None:
        """Put the loudest channel in the place of a block's mean where that is called for; ``first`` is its first frame."""
        powers = [_power(channel) for channel in block.T]
        before = self._alone
        # What is left over at the end may be so short that it cancels by chance.
        if len(mono) == self._size or first == 0:
            self._decide(powers, self._channels**2 * _power(mono), self._start + first / self._rate)
        if before is None and self._alone is None:
            return
        fade = min(len(mono), self._rate // FADES_PER_SECOND) if first else 0
        old = mono[:fade] if before is None else block[:fade, before]
        new = mono if self._alone is None else block[:, self._alone]
        weight = np.arange(fade, dtype=np.float32) / np.float32(fade)
        seam = old + weight * (new[:fade] - old)
        mono[:] = new
        mono[:fade] = seam

    def _decide(self, powers: list[float], together: float, seconds: float) -> None:
        power = sum(powers)
        self._loudest = max(power, FADING * self._loudest)
        if power <= HEARD * self._loudest:
            return
        if together >= PRESENT * power:
            self._alone = None
        elif together < CANCELLED * power and self._alone is None:
            self._alone = int(np.argmax(powers))
            if not self._noted:
                warn(
                    f"{self._name}: the channels cancel each other when mixed, first at {seconds:.1f} s; "
                    f"where they do, channel {self._alone + 1} alone is taken",
                    AudioWarning,
                )
                self._noted = True


def scale_down(peak: float, name: str) -> float:
    """Factor that brings audio whose largest sample is ``peak`` down to half of full scale; 1 unless it is far above it."""
    if not FAR_ABOVE < peak < math.inf:
        return 1.0
    warn(f"{name}: its samples reach {peak:.4g} times full scale; brought down to half of it", AudioWarning)
    return 0.5 / peak


def peak_of(samples: Samples) -> float:
    """The largest absolute value; 0 where there is none."""
    return max(float(samples.max(initial=0)), -float(samples.min(initial=0)))


def to_float32(array: NDArray[Any], name: str) -> Samples:
    """Samples of any numeric type, full scale 1.0 for what is floating point already. Raises AudioError for other types."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what does not fit becomes infinite and is refused with its time
            return array.astype(np.float32, copy=False)
    if array.dtype.kind not in "iu":
        raise AudioError(f"{name}: samples must be floating point or integers, not {array.dtype}")
    if array.dtype.itemsize > 4:  # what arithmetic made of smaller ones: by its own full scale it would be silence
        raise AudioError(f"{name}: {array.dtype} samples have no known full scale; make them int16, int32 or floating point")
    half = 1 << (8 * array.dtype.itemsize - 1)
    offset = half if array.dtype.kind == "u" else 0
    return ((array.astype(np.float64) - offset) / half).astype(np.float32)


def _power(samples: Samples) -> float:
    """Of (n,), the mean square."""
    return float(np.square(samples, dtype=np.float64).mean())
