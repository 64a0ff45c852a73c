"""The latest values of a stream, found by their positions in the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


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
