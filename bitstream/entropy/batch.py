"""Packets side by side, so that one array operation serves all of them: the order of coding, and what each symbol depends on.

Longest first: whatever step of the coding order comes next, the packets that still have it are the first so many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.spec import F0, EntropySpec, stream_title
from bitstream.errors import InvalidCodes

T = TypeVar("T")
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
        lanes = range(len(self.order))
        return self.restored(
            [(self.units[:, lane, : self.frames[lane]].copy(), self.f0[lane, : self.f0_frames[lane]].copy()) for lane in lanes]
        )

    def restored(self, values: Sequence[T]) -> list[T]:
        """Values of the packets in the order in which these were given."""
        return [values[lane] for lane in np.argsort(self.order).tolist()]

    def symbols(self, name: int | str) -> IntArray:
        """(n, positions) symbols of a stream, a view."""
        return self.f0 if name == F0 else self.units[int(name)]

    def counts(self, name: int | str) -> NDArray[np.intp]:
        """(n,) how many symbols of a stream each packet has."""
        return self.f0_frames if name == F0 else self.frames

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
    """Which row of its stream's table each symbol of a batch has, read from the batch as it fills; docs/bitstream.md, 2.2."""

    def __init__(self, spec: EntropySpec, batch: Batch) -> None:
        self._spec, self._batch, self._everyone = spec, batch, np.arange(len(batch.order))
        self._references: dict[int | str, list[tuple[int | str, int, int, int]]] = {}
        for name in spec.names:
            stride, references = 1, []
            for (other, lag), axis in zip(reversed(spec.stream(name).context), spec.table_shape(name)[-2::-1], strict=True):
                references.append((other, lag, stride, spec.stream(other).alphabet))
                stride *= axis
            self._references[name] = references

    def read(self, name: int | str, position: Any, count: int) -> NDArray[np.intp]:
        """(count,) cells of symbol `position` of stream `name` in the first `count` packets; (k, count) of positions (k, 1).

        Where a packet has no such symbol, its cell means nothing.
        """
        cells = np.zeros(count if isinstance(position, int) else (len(position), count), dtype=np.intp)
        frame = position * self._spec.f0_hop // self._spec.unit_hop if name == F0 else position
        for other, lag, stride, alphabet in self._references[name]:
            if other != F0:
                values = _before(self._batch.units[int(other)], frame, lag, count, alphabet)
            elif name == F0:
                values = _before(self._batch.f0, position, lag, count, alphabet)
            else:
                values = self._covering(frame, lag, count, alphabet)
            cells += stride * values
        return cells

    def f0(self, frame: int, count: int) -> IntArray:
        """(count,) the F0 codes that cover a unit frame: the last that begin no later than in it."""
        return np.asarray(self._covering(frame, 0, count, 0))

    def _covering(self, frame: Any, lag: int, count: int, before: int) -> IntArray | int:
        at = ((frame + 1) * self._spec.unit_hop - 1) // self._spec.f0_hop
        if isinstance(at, int) and at < self._batch.f0_frames[count - 1]:
            return _before(self._batch.f0, at, lag, count, before)
        # A packet's last frame may be too short for all the F0 codes that would begin in it.
        places = np.minimum(at, self._batch.f0_frames[:count] - 1) - lag
        found: IntArray = np.where(places < 0, before, self._batch.f0[self._everyone[:count], np.maximum(places, 0)])
        return found


def _before(symbols: IntArray, at: Any, lag: int, count: int, before: int) -> IntArray | int:
    """Of the first packets the symbol `lag` places before `at`; `before` where there is none."""
    if isinstance(at, int):
        return symbols[:count, at - lag] if at >= lag else before
    found: IntArray = np.where(at < lag, before, symbols[:count, np.maximum(at - lag, 0)[:, 0]].T)
    return found


def packet_of(spec: EntropySpec, units: IntArray, f0: IntArray, index: int) -> tuple[IntArray, IntArray]:
    """The part of units (rows, frames) and f0 (f0_frames,) that packet `index` carries (views)."""
    start, f0_start = index * spec.packet_frames, index * spec.packet_f0_frames
    return units[:, start : start + spec.packet_frames], f0[f0_start : f0_start + spec.packet_f0_frames]


def check_symbols(spec: EntropySpec, units: IntArray, f0: IntArray) -> None:
    """Raise InvalidCodes unless units (rows, n) and f0 (m,) lie in their alphabets."""
    if len(units) != len(spec.rows):
        raise InvalidCodes(f"{len(units)} unit rows given; the model has {len(spec.rows)}")
    for name, values in zip(spec.names, (*units, f0), strict=True):
        if values.size and int(values.max()) >= spec.stream(name).alphabet:
            raise InvalidCodes(
                f"{stream_title(name)} holds {values.max()}; its alphabet ends at {spec.stream(name).alphabet - 1}"
            )
