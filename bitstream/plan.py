"""The order in which a packet's symbols are coded, and where each finds its context."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bitstream.spec import F0, MAX_ORDER, EntropySpec


@dataclass(frozen=True)
class Step:
    """One symbol of a packet.

    Attributes:
        stream: row number, or the number of rows for F0.
        slot: its place in the flat packet, units row by row, then F0.
        base: context cell before the references are added; holds the "before the packet" entries.
        references: (stride, number of an earlier step) pairs; the cell is base + sum(stride * symbol).
    """

    stream: int
    slot: int
    base: int
    references: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """The steps of a packet of a given shape, in coding order; `slots` maps step -> place in the flat packet."""

    steps: tuple[Step, ...]
    slots: NDArray[np.intp]

    def order(self, units: NDArray[np.int32], f0: NDArray[np.int32]) -> NDArray[np.int32]:
        """Codes of a packet, units (rows, n) and f0 (m,), in coding order: (steps,)."""
        return np.concatenate([units.ravel(), f0])[self.slots]

    def restore(self, symbols: list[int], rows: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Inverse of `order`."""
        flat = np.empty(len(symbols), dtype=np.int32)
        flat[self.slots] = symbols
        units = sum(step.stream < rows for step in self.steps)
        return flat[:units].reshape(rows, -1), flat[units:]

    def cells(self, symbols: NDArray[np.int32]) -> NDArray[np.int64]:
        """Context cells of symbols (..., steps) in coding order, all at once."""
        base, strides, references = self._arrays
        cells: NDArray[np.int64] = base + (strides * symbols[..., references]).sum(axis=-1)
        return cells

    @cached_property
    def streams(self) -> NDArray[np.intp]:
        """Stream of each step, (steps,)."""
        return np.array([step.stream for step in self.steps], dtype=np.intp)

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
        base = np.array([step.base for step in self.steps], dtype=np.int64)
        # Orders differ: a reference that is not there has stride 0.
        strides = np.zeros((len(self.steps), MAX_ORDER), dtype=np.int64)
        references = np.zeros((len(self.steps), MAX_ORDER), dtype=np.intp)
        for i, step in enumerate(self.steps):
            for j, (stride, earlier) in enumerate(step.references):
                strides[i, j], references[i, j] = stride, earlier
        return base, strides, references


@lru_cache(maxsize=64)
def make_plan(spec: EntropySpec, frames: int, f0_frames: int) -> Plan:
    """Lay out a packet: frame by frame, the F0 codes that begin in the frame, then the unit rows."""
    rows = len(spec.rows)
    stride_of = {name: strides(spec.table_shape(name)[:-1]) for name in spec.names}
    step_of: dict[tuple[int | str, int], int] = {}
    steps: list[Step] = []

    def add(name: int | str, position: int, now: int, covering: int) -> None:
        base, references = 0, []
        for (other, lag), stride in zip(spec.stream(name).context, stride_of[name], strict=True):
            at = (position if name == F0 else covering) - lag if other == F0 else now - lag
            if at < 0:
                base += stride * spec.stream(other).alphabet
            else:
                references.append((stride, step_of[other, at]))
        step_of[name, position] = len(steps)
        stream, slot = (rows, rows * frames + position) if name == F0 else (int(name), int(name) * frames + position)
        steps.append(Step(stream, slot, base, tuple(references)))

    g = 0
    for t in range(frames):
        while g < f0_frames and g * spec.f0_hop // spec.unit_hop <= t:
            add(F0, g, t, g)
            g += 1
        for row in range(rows):
            add(row, t, t, g - 1)
    return Plan(tuple(steps), np.array([step.slot for step in steps], dtype=np.intp))


def strides(axes: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart neighbours on each axis lie in a flat table."""
    out, stride = [], 1
    for axis in reversed(axes):
        out.append(stride)
        stride *= axis
    return tuple(reversed(out))
