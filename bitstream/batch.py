"""Packets side by side, so that one array operation serves all of them: what is coded in lockstep.

Longest first: whatever step of the coding order comes next, the packets that still have it are the first so many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.plan import strides
from bitstream.spec import F0, EntropySpec

IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Batch:
    """n packets of one model.

    Attributes:
        units: (rows, n, most frames) and
        f0: (n, most F0 frames), filled as far as is known.
        frames, f0_frames: (n,), how much of them each packet has; both fall from packet to packet or stay.
        order: (n,), where each packet stood before they were sorted.
    """

    units: IntArray
    f0: IntArray
    frames: NDArray[np.intp]
    f0_frames: NDArray[np.intp]
    order: NDArray[np.intp]

    @staticmethod
    def of_shapes(rows: int, shapes: Sequence[tuple[int, int]]) -> Batch:
        """Packets of these (frames, F0 frames), at least one, all zeros."""
        sizes = np.array(shapes, dtype=np.intp)
        # A packet with more frames has no fewer F0 frames, so both columns fall.
        order = np.lexsort((-sizes[:, 1], -sizes[:, 0]))
        frames, f0_frames = sizes[order].T
        units = np.zeros((rows, len(shapes), int(frames[0])), dtype=np.int32)
        return Batch(units, np.zeros((len(shapes), int(f0_frames[0])), dtype=np.int32), frames, f0_frames, order)

    @staticmethod
    def of_packets(packets: Sequence[tuple[IntArray, IntArray]]) -> Batch:
        """Packets of units (rows, frames) and f0 (F0 frames,)."""
        batch = Batch.of_shapes(len(packets[0][0]), [(units.shape[1], len(f0)) for units, f0 in packets])
        for lane, index in enumerate(batch.order):
            units, f0 = packets[index]
            batch.units[:, lane, : units.shape[1]], batch.f0[lane, : len(f0)] = units, f0
        return batch

    def packets(self) -> list[tuple[IntArray, IntArray]]:
        """Inverse of `of_packets`."""
        out: list[tuple[IntArray, IntArray]] = [(self.units[:, 0], self.f0[0])] * len(self.order)
        for lane, index in enumerate(self.order):
            out[index] = self.units[:, lane, : self.frames[lane]].copy(), self.f0[lane, : self.f0_frames[lane]].copy()
        return out

    def symbols(self, name: int | str) -> IntArray:
        """(n, positions) symbols of a stream, a view."""
        return self.f0 if name == F0 else self.units[int(name)]

    def lanes(self, frame: int) -> int:
        """How many of the packets have this unit frame."""
        return int((self.frames > frame).sum())

    def positions(self, spec: EntropySpec, name: int | str, frames: range) -> range:
        """The symbols of a stream that begin in these unit frames, of the longest packet."""
        if name != F0:
            return frames
        first, stop = (-(-frame * spec.unit_hop // spec.f0_hop) for frame in (frames.start, frames.stop))
        return range(first, min(stop, self.f0.shape[1]))

    def steps(self, spec: EntropySpec) -> Iterator[tuple[int | str, int, int]]:
        """(stream, position, how many of the packets have it) in coding order; see docs/bitstream.md, section 2.1."""
        # A stream of one symbol says nothing and is never asked for.
        spoken = [row for row in range(len(spec.rows)) if spec.rows[row].alphabet > 1]
        least, least_f0 = int(self.frames[-1]), int(self.f0_frames[-1])
        count = lanes = len(self.frames)
        g = 0
        for t in range(int(self.frames[0])):
            while g < self.f0.shape[1] and g * spec.f0_hop // spec.unit_hop <= t:
                if spec.f0.alphabet > 1:
                    yield F0, g, lanes if g < least_f0 else int((self.f0_frames > g).sum())
                g += 1
            if t >= least:
                count = self.lanes(t)
            for row in spoken:
                yield row, t, count


class Cells:
    """The context cell of each symbol of a batch, read from the batch as it fills."""

    def __init__(self, spec: EntropySpec, batch: Batch) -> None:
        self._spec, self._batch = spec, batch
        self._references = {
            name: [
                (other, lag, stride, spec.stream(other).alphabet)
                for (other, lag), stride in zip(spec.stream(name).context, strides(spec.table_shape(name)[:-1]), strict=True)
            ]
            for name in spec.names
        }

    def read(self, name: int | str, position: int, count: int) -> NDArray[np.intp]:
        """(count,) cells of symbol `position` of stream `name` in the first `count` packets."""
        cells = np.zeros(count, dtype=np.intp)
        now = position * self._spec.f0_hop // self._spec.unit_hop if name == F0 else position
        for other, lag, stride, alphabet in self._references[name]:
            if other == F0:
                values = self.f0(position - lag, count, alphabet) if name == F0 else self.covering(now, count, lag, alphabet)
            else:
                values = self._batch.units[int(other), :count, now - lag] if now >= lag else alphabet
            cells += stride * values
        return cells

    def block(self, name: int | str, positions: range, count: int) -> NDArray[np.intp]:
        """(positions, count) cells of symbols of the first packets; of those that have ended, whatever the batch holds."""
        return np.stack([self.read(name, position, count) for position in positions])

    def f0(self, position: int, count: int, before: int) -> IntArray | int:
        """F0 code `position` of the first `count` packets; `before` where that is before the packet."""
        return self._batch.f0[:count, position] if position >= 0 else before

    def covering(self, frame: int, count: int, lag: int, before: int) -> IntArray | int:
        """`lag` codes before the last F0 code that begins no later than in unit frame `frame`."""
        at = ((frame + 1) * self._spec.unit_hop - 1) // self._spec.f0_hop
        if at < self._batch.f0_frames[count - 1]:
            return self.f0(at - lag, count, before)
        # A packet's last frame may be too short for all the F0 codes that would begin in it.
        own = np.minimum(at, self._batch.f0_frames[:count] - 1) - lag
        values: IntArray = np.where(own < 0, np.int32(before), self._batch.f0[np.arange(count), np.maximum(own, 0)])
        return values
