"""Values keep the positions that they have in the whole stream."""

from __future__ import annotations

import numpy as np

from unitcodec.encoder.buffer import Buffer


def test_values_are_found_by_their_positions() -> None:
    buffer = Buffer()
    for start in range(0, 100, 7):
        buffer.append(np.arange(start, min(start + 7, 100), dtype=np.float32))
        buffer.forget(start - 20)
    assert (buffer.start, buffer.end, len(buffer)) == (78, 100, 22)
    assert buffer.window(80, 84).tolist() == [80, 81, 82, 83]
    assert buffer.window(70, 80).tolist() == [78, 79]
    assert buffer.window(98, 120).tolist() == [98, 99]
    assert buffer.window(120, 140).size == buffer.window(10, 20).size == 0


def test_what_was_forgotten_counts() -> None:
    buffer = Buffer()
    buffer.append(np.ones(10, np.float32))
    buffer.forget(4)
    buffer.forget(2)
    assert (buffer.start, buffer.end) == (4, 10)
    buffer.forget(99)
    assert (buffer.start, buffer.end, len(buffer)) == (10, 10, 0)
