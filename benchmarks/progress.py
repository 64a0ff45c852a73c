"""What a long run is doing, on stderr: a bar on a terminal, plain lines in a log. Results alone go to stdout."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

_Item = TypeVar("_Item")

EVERY = 15.0
"""Seconds between two lines of a log that only say how far a stage is."""


def say(text: str) -> None:
    """One line on stderr, at once."""
    from unitcodec.command.run import say as line

    line(text)


def many(count: int, noun: str) -> str:
    """A number and what it counts, as "1 utterance" and "2 utterances"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, ``0:42``, or from an hour on ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Stage:
    """How far a stage is: a bar on a terminal; elsewhere a line every :data:`EVERY` seconds, as ``codec2-700c: 37/100, 0:42``.

    A context manager. The line comes also while nothing is finished, so that a log shows that the run is alive. ``total``
    is how much there is to do, None where that is not known. ``advance`` and ``say`` may be called from any thread.
    """

    def __init__(self, name: str, total: int | None, unit: str = "utterances") -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, 0
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._bar: Any = None
        self._clock = threading.Thread(target=self._tell, name=f"progress of {name}", daemon=True)

    def __enter__(self) -> Stage:
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=self.name, total=self.total, unit=f" {self.unit}", leave=False, file=sys.stderr)
        self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._clock.join()
        if self._bar is not None:
            self._bar.close()

    @property
    def elapsed(self) -> str:
        """The time since the stage began, as :func:`clock` writes it."""
        return clock(time.monotonic() - self._begin)

    def advance(self) -> None:
        """One more is finished."""
        with self._lock:
            self.done += 1
            if self._bar is not None:
                self._bar.update()

    def say(self, text: str) -> None:
        """One line on stderr that the bar does not break."""
        with self._lock:
            if self._bar is None:
                say(text)
            else:
                self._bar.write(text, file=sys.stderr)

    def _tell(self) -> None:
        while not self._ended.wait(EVERY if self._bar is None else 1.0):
            if self._bar is not None:
                self._bar.refresh()  # its clock
                continue
            done = f"{self.done} {self.unit}" if self.total is None else f"{self.done}/{self.total}"
            self.say(f"{self.name}: {done}, {self.elapsed}")


def track(name: str, items: Iterable[_Item], total: int) -> Iterator[_Item]:
    """The items as they come, with the progress of a :class:`Stage`."""
    with Stage(name, total) as stage:
        for item in items:
            yield item
            stage.advance()
