"""Windows of several packets, of one stream or of many, analysed side by side.

A stream that is being encoded is a generator: it yields the windows that it wants to be analysed, is sent the candidates for
each, and returns its packets. Whoever drives it decides how many windows go through the networks at once; a single stream is a
batch of one. How many they are cannot show in the codes: see :mod:`unitcodec.content.decision`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..content.rungs import Candidates

T = TypeVar("T")

Window = tuple[NDArray[np.float64], slice]
"""Waveform (1, 1280 n) at the reference level, and the unit frames that are asked for."""

Work = Generator[list[Window], list[Candidates], T]
Decide = Callable[[Sequence[Window]], list[Candidates]]

WINDOWS = 8
"""That a stream asks for at once, at most: its memory does not grow with what it is given."""


def together(decide: Decide, works: Sequence[Work[T]]) -> list[T]:
    """Drive work to its end, the windows of all of it side by side. What ``works`` return, in order."""
    results: dict[int, T] = {}
    asked: dict[int, list[Window]] = {}

    def drive(index: int, found: list[Candidates] | None) -> None:
        try:
            asked[index] = next(works[index]) if found is None else works[index].send(found)
        except StopIteration as end:
            results[index] = end.value

    for index in range(len(works)):
        drive(index, None)
    while asked:
        found = iter(decide([window for windows in asked.values() for window in windows]))
        answers = {index: [next(found) for _ in windows] for index, windows in asked.items()}
        asked.clear()
        for index, answer in answers.items():
            drive(index, answer)
    return [results[index] for index in range(len(works))]
