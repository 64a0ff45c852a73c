"""Packets side by side, so that one step serves all of them: the order of coding, and what each symbol depends on.

Longest first: whatever step of the coding order comes next, the packets that still have it are the first so many. A single
packet that is filled symbol by symbol is held in Python's numbers, as NumPy's calls would take longer than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitstream.arrays import IntArray
from bitstream.entropy.spec import F0, EntropySpec, stream_title
from bitstream.errors import InvalidCodes

T = TypeVar("T")
G = TypeVar("G")
Codes = tuple[IntArray, IntArray]
"""units (rows, n) and f0 (m,)"""

LANES = 256
"""Packets that run side by side: more need more memory and gain nothing."""


class Reference(NamedTuple):
    """Where one reference of a stream's context is read, by the position of the symbol that is coded.

    `place` (positions,) is among a batch's symbols; the value there times `stride` is its part of the context's row in the
    table. `last`: of a reference to the F0 code that covers a frame, what the number of F0 codes adds to for the last place.
    """

    place: NDArray[np.intp]
    stride: int
    last: int | None


class Plan(NamedTuple):
    """A full packet of a model, of which shorter ones are a part; docs/bitstream.md, section 2.

    Attributes:
        steps: (stream, position) in coding order.
        number: by stream, (positions,) of those steps.
        frame: by stream, (positions,) the unit frame in which each symbol begins.
        blank: a packet before anything is known: the streams one after another, each with what is read before its beginning.
        first: by stream, the place of its first symbol.
        context: by stream, its references; `reads` has their places and strides, position by position.
    """

    steps: list[tuple[int | str, int]]
    number: dict[int | str, NDArray[np.intp]]
    frame: dict[int | str, NDArray[np.intp]]
    blank: list[int]
    first: dict[int | str, int]
    context: dict[int | str, list[Reference]]
    reads: dict[int | str, list[list[tuple[int, int]]]]


@lru_cache(maxsize=16)
def plan(spec: EntropySpec) -> Plan:
    """The order of coding and the contexts of a model's packets."""
    counts: dict[int | str, int] = {F0: spec.packet_f0_frames, **dict.fromkeys(range(len(spec.rows)), spec.packet_frames)}
    reach = max((lag for name in counts for _, lag in spec.stream(name).context), default=0)
    blank: list[int] = []
    first, frame, reads = {}, {}, {}
    context: dict[int | str, list[Reference]] = {name: [] for name in counts}
    for name, count in counts.items():
        first[name] = len(blank) + reach
        blank += [spec.stream(name).alphabet] * reach + [0] * count
        frame[name] = np.arange(count) * spec.f0_hop // spec.unit_hop if name == F0 else np.arange(count)
    for name, count in counts.items():
        stride = 1
        for (other, lag), axis in zip(reversed(spec.stream(name).context), spec.table_shape(name)[-2::-1], strict=True):
            at, last = np.arange(count) if other == name else frame[name], None
            if other == F0 != name:
                # The code that covers the frame: the last that begins no later than in it, and that the packet has.
                at, last = covering(spec, at), first[F0] - lag - 1
            context[name].append(Reference(first[other] + at - lag, stride, last))
            stride *= axis
        columns = [[(place, each.stride) for place in each.place.tolist()] for each in context[name]]
        reads[name] = [[column[position] for column in columns] for position in range(count)]
    # F0 first in its frame. A stream of one symbol says nothing and is never asked for.
    spoken = [name for name in counts if spec.stream(name).alphabet > 1]
    begins = [(begin, rank, position) for rank, name in enumerate(spoken) for position, begin in enumerate(frame[name].tolist())]
    steps = [(spoken[rank], position) for _, rank, position in sorted(begins)]
    number = {name: np.array([step for step, (other, _) in enumerate(steps) if other == name], dtype=np.intp) for name in counts}
    return Plan(steps, number, frame, blank, first, context, reads)


def covering(spec: EntropySpec, frame: Any) -> Any:
    """The F0 code that covers a unit frame, of a packet that has so many; numbers or arrays."""
    return ((frame + 1) * spec.unit_hop - 1) // spec.f0_hop


class Batch:
    """n packets of one model, at least one.

    Attributes:
        frames, f0_frames: (n,), how many of them each packet has; both fall from packet to packet or stay.
        order: (n,), where each packet stood before they were sorted.
    """

    def __init__(self, spec: EntropySpec, shapes: Sequence[tuple[int, int]], alone: bool = False) -> None:
        """Packets of these (frames, F0 frames), all zeros. `alone`: it is one, to be filled symbol by symbol."""
        self.spec, self.plan, self.alone = spec, plan(spec), alone
        sizes = np.array(shapes, dtype=np.intp)
        # A packet with more frames has no fewer F0 frames, so both columns fall.
        self.order = np.lexsort((-sizes[:, 1], -sizes[:, 0]))
        self.frames, self.f0_frames = sizes[self.order].T
        self._least: dict[int | str, int] = {name: int(self.counts(name)[-1]) for name in spec.names}
        # In so many unit frames every packet has the F0 code that covers them in a full one.
        self._whole = self._least[F0] * spec.f0_hop // spec.unit_hop
        self._symbols: Any = self.plan.blank.copy()
        if not alone:
            self._symbols = np.repeat(np.array(self._symbols, dtype=np.int32)[:, None], len(sizes), axis=1)

    @staticmethod
    def of_packets(spec: EntropySpec, packets: Sequence[Codes]) -> Batch:
        """Packets whose symbols are known."""
        batch = Batch(spec, [(units.shape[1], len(f0)) for units, f0 in packets])
        streams = [batch.symbols(name) for name in spec.names]
        for lane, index in enumerate(batch.order.tolist()):
            units, f0 = packets[index]
            for stream, symbols in zip(streams, (*units, f0), strict=True):
                stream[: len(symbols), lane] = symbols
        return batch

    def packets(self) -> list[Codes]:
        """Inverse of `of_packets`."""
        units, f0 = np.stack([self.symbols(row) for row in range(len(self.spec.rows))]), self.symbols(F0)
        lanes = zip(self.frames.tolist(), self.f0_frames.tolist(), strict=True)
        return self.restored([(units[:, :n, lane].copy(), f0[:m, lane].copy()) for lane, (n, m) in enumerate(lanes)])

    def restored(self, values: Sequence[T]) -> list[T]:
        """Values of the packets in the order in which these were given."""
        return [values[lane] for lane in np.argsort(self.order).tolist()]

    def symbols(self, name: int | str) -> IntArray:
        """(positions, n) symbols of a stream; a view, unless one packet is `alone`."""
        first, count = self.plan.first[name], int(self.counts(name)[0])
        return np.asarray(self._symbols[first : first + count], dtype=np.int32).reshape(count, -1)

    def counts(self, name: int | str) -> NDArray[np.intp]:
        """(n,) how many symbols of a stream each packet has."""
        return self.f0_frames if name == F0 else self.frames

    def lanes(self, frame: int) -> int:
        """How many of the packets have this unit frame."""
        return int((self.frames > frame).sum())

    def steps(self) -> Iterator[tuple[int | str, int, int]]:
        """(stream, position, how many of the packets have it) in coding order."""
        everyone, least = len(self.order), self._least
        for name, position in self.plan.steps:
            if position < least[name]:
                yield name, position, everyone
            elif count := int((self.counts(name) > position).sum()):
                yield name, position, count

    def positions(self, name: int | str, frames: range) -> slice:
        """The symbols of a stream that begin in these unit frames, of the longest packet."""
        first, stop = np.searchsorted(self.plan.frame[name], (frames.start, frames.stop)).tolist()
        return slice(first, min(stop, int(self.counts(name)[0])))

    def read(self, name: int | str, position: int, count: int) -> Any:
        """(count,) a symbol of the first packets; a number if one is `alone`."""
        found = self._symbols[self.plan.first[name] + position]
        return found if self.alone else found[:count]

    def covering(self, frame: int, count: int) -> Any:
        """The same of the F0 code that covers a unit frame."""
        at, first = covering(self.spec, frame), self.plan.first[F0]
        if at < self._least[F0]:
            return self.read(F0, at, count)
        found = self._early(first + at, first - 1)
        return found if self.alone else found[:count]

    def write(self, name: int | str, position: int, values: Sequence[int] | NDArray[np.integer[Any]]) -> None:
        """Put a symbol into the first so many packets."""
        if self.alone:
            self._symbols[self.plan.first[name] + position] = values[0]
        else:
            self._symbols[self.plan.first[name] + position, : len(values)] = values

    def cells(self, name: int | str, position: int, count: int) -> Any:
        """(count,) rows of its stream's table that a symbol's context picks in the first packets; a number if one is `alone`."""
        symbols = self._symbols
        cells: Any = 0 if self.alone else np.zeros(len(self.order), dtype=np.intp)
        if position < self._whole:
            for place, stride in self.plan.reads[name][position]:
                cells += stride * symbols[place]
        else:
            for each in self.plan.context[name]:
                place = int(each.place[position])
                cells += each.stride * (symbols[place] if each.last is None else self._early(place, each.last))
        return cells if self.alone else cells[:count]

    def block(self, name: int | str, positions: slice, count: int) -> NDArray[np.intp]:
        """(positions, count), the same for several positions. Where a packet has no such symbol, its cell means nothing."""
        cells = np.zeros((positions.stop - positions.start, len(self.order)), dtype=np.intp)
        for each in self.plan.context[name]:
            place = each.place[positions]
            if each.last is None or positions.stop <= self._whole:
                cells += each.stride * self._symbols[place]
            else:
                cells += each.stride * self._early(place[:, None], each.last)
        return cells[:, :count]

    def _early(self, place: Any, last: int) -> Any:
        """What is read at the place, or at the last one that a packet has."""
        # A packet's last frame may be too short for all the F0 codes that would begin in it.
        if self.alone:
            return self._symbols[min(place, last + self._least[F0])]
        return self._symbols[np.minimum(place, last + self.f0_frames), np.arange(len(self.order))]


def in_groups(work: Callable[[list[G]], list[T]], given: Sequence[G], lengths: Sequence[int]) -> list[T]:
    """What `work` makes of the given, those of like length together, so that few lanes wait for others to end; in order."""
    # No threads of our own: those of the BLAS wait by turning in circles, and would take the cores that ours need.
    order = np.argsort(lengths, kind="stable").tolist()
    groups = (order[start : start + LANES] for start in range(0, len(order), LANES))
    made = {index: each for group in groups for index, each in zip(group, work([given[i] for i in group]), strict=True)}
    return [made[index] for index in range(len(given))]


def packet_of(spec: EntropySpec, units: IntArray, f0: IntArray, index: int) -> Codes:
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
