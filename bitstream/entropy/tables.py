"""An entropy model of static tables: the frequencies of a symbol given up to four symbols before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.batch import Batch
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.rangecoder import Distribution
from bitstream.entropy.spec import EntropySpec, stream_title
from bitstream.errors import InvalidEntropyModel, shown

PREFIX = "table."
ROWS = 2**16
"""Distributions that are checked at once."""


class TableModel(EntropyModel, key=""):
    """Static context tables for every stream, integers throughout; see docs/bitstream.md for their meaning.

    Attributes:
        tables: stream title ("units.0", ..., "f0") -> (*context axes, alphabet) uint32, read-only; the last axis sums to
            2**precision and no entry is 0.

    Raises InvalidEntropyModel if the tables do not fit the description.
    """

    few = 32

    def __init__(self, spec: EntropySpec, tables: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        titles = [stream_title(name) for name in spec.names]
        if sorted(tables) != sorted(titles):
            raise InvalidEntropyModel(f"tables {shown(sorted(tables))} given, {shown(sorted(titles))} needed")
        self.tables = {stream_title(name): _checked(spec, name, tables[stream_title(name)]) for name in spec.names}
        self.flat = {
            name: table.reshape(-1, table.shape[-1]) for name, table in zip(spec.names, self.tables.values(), strict=True)
        }
        self.distributions = {name: _Lazy(table) for name, table in self.flat.items()}

    @staticmethod
    def from_file(spec: EntropySpec, description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> TableModel:
        """The model of a file's parts."""
        return TableModel(spec, {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items() if key.startswith(PREFIX)})

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {PREFIX + title: table for title, table in self.tables.items()}

    def lanes(self, batch: Batch) -> _TableLanes:
        return _TableLanes(self, batch)


class _TableLanes:
    def __init__(self, model: TableModel, batch: Batch) -> None:
        self._flat, self._made, self._batch = model.flat, model.distributions, batch

    def frequencies(self, name: int | str, position: int, count: int) -> NDArray[np.int64]:
        return self._flat[name][self._batch.cells(name, position, count)].astype(np.int64)

    def few(self, name: int | str, position: int, count: int) -> list[Distribution]:
        made, cells = self._made[name], self._batch.cells(name, position, count)
        return [made[cells]] if self._batch.alone else [made[cell] for cell in cells.tolist()]

    def block(self, frames: range, count: int) -> Iterator[tuple[int | str, slice, NDArray[np.int64]]]:
        for name, table in self._flat.items():
            positions = self._batch.positions(name, frames)
            if table.shape[1] > 1 and positions.start < positions.stop:
                yield name, positions, table[self._batch.block(name, positions, count)].astype(np.int64)


class _Lazy(dict[int, Distribution]):
    """Context cell -> Distribution, made when first met: most contexts of a large table never are."""

    def __init__(self, table: NDArray[np.uint32]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, cell: int) -> Distribution:
        made = self[cell] = Distribution(self._table[cell].tolist())
        return made


def _checked(spec: EntropySpec, name: int | str, table: NDArray[Any]) -> NDArray[np.uint32]:
    title, shape, total = stream_title(name), spec.table_shape(name), 2**spec.precision
    table = np.asarray(table)
    if table.dtype.kind not in "iu":
        raise InvalidEntropyModel(f"table.{title} must hold integers, not {table.dtype}")
    if table.shape != shape:
        raise InvalidEntropyModel(f"table.{title} has shape {table.shape}; its contexts ask for {shape}")
    if int(table.min()) < 1 or int(table.max()) > total:
        raise InvalidEntropyModel(f"table.{title} holds a frequency outside 1 .. {total}")
    copy = np.array(table, dtype=np.uint32, order="C")
    # No entry passes 2**22 and no alphabet 2**15. Part by part, as sums can take more memory than the table.
    rows = copy.reshape(-1, shape[-1])
    for start in range(0, len(rows), ROWS):
        if (rows[start : start + ROWS].sum(axis=1, dtype=np.int64) != total).any():
            raise InvalidEntropyModel(f"table.{title} has a distribution that does not sum to {total}")
    copy.flags.writeable = False
    return copy
