"""Cases of a reader, tried and counted."""

from __future__ import annotations

import contextlib
import functools
import operator
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from readers import READERS, Reader

SLOW, HANG, MEMORY = 2.0, 20.0, 200
"""Seconds of processor time that a case may take, and after which it is stopped; MB that a reader may take."""


@dataclass
class Figures:
    """Of one reader; ``slowest`` in ms of processor time, ``memory`` in MB beyond what the sound inputs took."""

    reader: str
    cases: int = 0
    refused: int = 0
    accepted: int = 0
    escapes: int = 0
    slow: int = 0
    slowest: float = 0.0
    memory: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        counts = (getattr(self, name) + getattr(other, name) for name in ("cases", "refused", "accepted", "escapes", "slow"))
        return Figures(self.reader, *counts, max(self.slowest, other.slowest), max(self.memory, other.memory))  # type: ignore[call-arg]

    @property
    def sound(self) -> bool:
        return not self.escapes and not self.slow and self.memory <= MEMORY


def run(name: str, cases: int, seed: int, keep: Path, limit: float = float("inf")) -> Figures:
    """Try so many cases, or as many as can be in ``limit`` seconds."""
    figures, deadline = Figures(name), time.monotonic() + limit
    signal.signal(signal.SIGPROF, _too_long)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        reader = READERS[name][1](Path(scratch))
        for data in reader.inputs:
            with contextlib.suppress(*reader.refusals):  # one or the other sound input is one that is refused
                reader.read(data)
        before = _peak(reset=True)
        for number in range(cases):
            if time.monotonic() > deadline:
                break
            data = reader.spoil(random.Random(f"{seed} {name} {number}"), reader.inputs)
            _try(reader, data, figures, keep / f"{re.sub('[^a-z0-9]+', '-', name)}-{seed}-{number}")
        figures.memory = max(0.0, round(_peak() - before, 1))
    return figures


def _try(reader: Reader, data: bytes, figures: Figures, kept: Path) -> None:
    begin, escaped = time.process_time(), False
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        read = reader.read(data)
    except reader.refusals:
        read = False
    except Exception:
        escaped = True
        _keep(kept, data)
        print(f"{kept}:\n{traceback.format_exc(limit=-4)}", file=sys.stderr, flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)
    taken = time.process_time() - begin
    figures.cases += 1
    if escaped:
        figures.escapes += 1
    elif read is False:
        figures.refused += 1
    else:
        figures.accepted += 1
    figures.slowest = max(figures.slowest, round(1000 * taken, 1))
    if taken > SLOW:
        figures.slow += 1
        _keep(kept, data)
        print(f"{kept}: {taken:.1f} s", file=sys.stderr, flush=True)


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _peak(reset: bool = False) -> float:
    """The most memory that this process had, MB; ``reset``: the most begins anew with what it has now, which is returned."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _too_long(number: int, frame: object) -> NoReturn:
    raise TimeoutError(f"more than {HANG:g} s of processor time")


def total(rows: Iterable[Figures]) -> Figures:
    return functools.reduce(operator.add, rows, Figures("all"))


def table(rows: list[Figures]) -> str:
    """For docs/reliability.md."""
    lines = ["| reader | cases | refused | accepted | escapes | over 2 s | slowest, ms | memory, MB |", "|---" * 8 + "|"]
    for row in rows:
        facts = (row.cases, row.refused, row.accepted, row.escapes, row.slow)
        lines.append(
            f"| {row.reader} | " + " | ".join(f"{each:,}" for each in facts) + f" | {row.slowest:.0f} | {row.memory:.0f} |"
        )
    return "\n".join(lines)
