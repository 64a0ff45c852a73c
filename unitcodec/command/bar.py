"""Progress on a terminal, with the time that is left: of one recording, or of a run over many."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from unitcodec.audio import Samples

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

REPORT_SECONDS = 0.5
"""Between two reports of a worker."""

ERASE = "\r\x1b[K"
"""Takes a bar away that a line of text is to replace."""


class Run:
    """A bar over many items, each with a weight: its bytes, for instance. How far an item is may be told while it is done."""

    def __init__(self, weights: Mapping[Any, float], unit: str) -> None:
        from tqdm import tqdm

        self._weights = weights
        self._parts: dict[Any, float] = {}  # of the items that were begun, how much of each is done
        self._done, self._count, self._unit = 0.0, 0, unit
        shape = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
        self._bar = tqdm(total=sum(weights.values()), bar_format=shape, leave=False, file=sys.stderr, desc=self._title())

    def part(self, item: Any, share: float) -> None:
        """So much of an item is done, 0 to 1."""
        self._parts[item] = min(1.0, share) * self._weights.get(item, 0.0)
        self._show()

    def finish(self, item: Any, count: int = 1) -> None:
        """An item is done, or could not be; it stands for ``count``."""
        self._parts.pop(item, None)
        self._done += self._weights.get(item, 0.0)
        self._count += count
        self._bar.set_description_str(self._title(), refresh=False)
        self._show()

    def close(self) -> None:
        self._bar.close()

    def _title(self) -> str:
        return f"{self._count} {self._unit}"

    def _show(self) -> None:
        self._bar.update(self._done + sum(self._parts.values()) - self._bar.n)


_run: Run | None = None
_report: Callable[[float], None] | None = None


def terminal() -> bool:
    """Whether a bar would be seen."""
    return sys.stderr is not None and sys.stderr.isatty() and parent_process() is None


def shown() -> bool:
    """Whether there is a bar over many items, of this process or of the one that it works for."""
    return _run is not None or _report is not None


@contextlib.contextmanager
def over(weights: Mapping[Any, float], unit: str, quiet: bool) -> Iterator[Run | None]:
    """A bar over many items, called ``unit``, while the block runs; None unless standard error is a terminal, or if ``quiet``."""
    global _run
    if quiet or len(weights) < 2 or not terminal():
        yield None
        return
    _run = Run(weights, unit)
    try:
        yield _run
    finally:
        _run.close()
        _run = None


def counted(run: Run | None, items: Iterable[Item], outcomes: Iterator[tuple[Item, Result]]) -> Iterator[tuple[Item, Result]]:
    """The outcomes, each of which moves the bar. ``items``: in the order in which they are done, where that is one by one."""
    if run is None:
        yield from outcomes
        return
    following = iter(items)
    try:
        report_to(lambda share: run.part(current, share))
        current = next(following, None)
        for item, outcome in outcomes:
            run.finish(item)
            yield item, outcome
            current = next(following, None)
    finally:
        report_to(None)


def report_to(report: Callable[[float], None] | None) -> None:
    """Who is told how much of the item that this process does is done; None: nobody."""
    global _report
    _report = report


def told() -> Callable[[float], None] | None:
    """Who is told how much of the item that this process does is done."""
    return _report


def moved(item: Any, share: float) -> None:
    """A worker says how far an item is."""
    if _run is not None:
        _run.part(item, share)


def weights(items: Iterable[Item], path: Callable[[Item], str]) -> dict[Item, float]:
    """The sizes of the files that items are about, in bytes; 1 for what has none."""
    found = {}
    for item in items:
        try:
            found[item] = float(max(1, os.stat(path(item)).st_size))
        except (OSError, ValueError):
            found[item] = 1.0
    return found


def progress(blocks: Iterable[Samples], duration: float | None, name: str, quiet: bool) -> Iterator[Samples]:
    """The blocks, with a bar over ``duration`` (seconds) on a terminal unless ``quiet``; in a run over many they move its bar."""
    if quiet:
        yield from blocks
    elif _report is not None:
        yield from _reported(blocks, duration, _report)
    elif terminal():
        yield from _with_bar(blocks, duration, name)
    else:
        yield from blocks


def _reported(blocks: Iterable[Samples], duration: float | None, report: Callable[[float], None]) -> Iterator[Samples]:
    from unitcodec.audio import SAMPLE_RATE

    seconds, told = 0.0, time.monotonic()
    for block in blocks:
        yield block
        seconds += len(block) / SAMPLE_RATE
        if duration and time.monotonic() > told + REPORT_SECONDS:
            told = time.monotonic()
            report(seconds / duration)


def _with_bar(blocks: Iterable[Samples], duration: float | None, name: str) -> Iterator[Samples]:
    from tqdm import tqdm

    from unitcodec.audio import SAMPLE_RATE

    class Bar(tqdm):  # type: ignore[misc]
        """Counts in minutes and seconds."""

        @property
        def format_dict(self) -> dict[str, Any]:
            facts = super().format_dict
            whole = "?" if self.total is None else self.format_interval(self.total)
            return {**facts, "done": self.format_interval(self.n), "whole": whole}

    shape = "{desc}: {percentage:3.0f}%|{bar}| {done}/{whole} [{elapsed}<{remaining}]"
    with Bar(total=duration, desc=name, bar_format=shape, leave=False, file=sys.stderr) as bar:
        for block in blocks:
            yield block
            bar.update(len(block) / SAMPLE_RATE)
