"""What moved between two runs by more than chance: ``unitcodec bench compare A B``.

A run is a folder with results.json, bitrate.json and speed.json, or some of them; one of these files; or a baseline: the
figures and utterances of this project's own systems (``quality``), the bits of every utterance (``bits``), and times as
multiples of a reference workload measured beside them (``ratios``), never seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import document, files, score
from benchmarks.difference import Difference, difference
from benchmarks.errors import BenchmarkError
from benchmarks.progress import many
from benchmarks.system import CONVERSION, OWN

NOISE = 0.25
"""A speed ratio that moved by a smaller share is the machine's restlessness."""

_FILES = ("results.json", "bitrate.json", "speed.json")
# What a reader of the baseline does not need and what quotes the corpus.
_LEFT_OUT = frozenset({"hypothesis"})


@dataclass(frozen=True)
class Run:
    """``quality``: system -> figures and rows; ``bits``: utterance -> bits; ``ratios``: case -> multiples of the yardstick."""

    quality: dict[str, Any]
    bits: dict[str, int]
    ratios: dict[str, float]


@dataclass(frozen=True)
class Move:
    """One figure that moved; ``low`` and ``high`` bound the difference at 95 %, where it has chance in it."""

    what: str
    before: float
    after: float
    low: float | None = None
    high: float | None = None
    worse: bool = False
    p: float | None = None

    @property
    def certain(self) -> bool:
        """Whether it is no chance even though many figures were looked at."""
        return self.p is None or self.p < 0.005


@dataclass(frozen=True)
class Common:
    """How many utterances and figures two runs have in common; ``lost`` names what should be compared and cannot be."""

    utterances: int
    figures: int
    lost: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there is something to compare and nothing was lost."""
        return self.figures > 0 and not self.lost

    def told(self) -> str:
        """One line, and one more for each that was lost."""
        first = (
            f"Compared: {many(self.figures, 'figure')}, of {many(self.utterances, 'utterance')} that A and B have in common."
            if self.figures
            else "Nothing was compared: A and B have no figure of the same utterances, and no timed case, in common."
        )
        return "\n".join([first, *(f"not compared: {line}" for line in self.lost)])


def load(path: Path) -> Run:
    """A run's folder or file.

    Raises:
        BenchmarkError: it holds nothing of a run, or what it holds is broken.
    """
    found = [path / name for name in _FILES if (path / name).exists()] if path.is_dir() else [path]
    quality: dict[str, Any] = {}
    bits: dict[str, int] = {}
    ratios: dict[str, float] = {}
    for each in map(document.read, found):
        quality |= each.get("systems") or each.get("quality") or {}
        bits |= each.get("bits") or {}
        ratios |= each.get("ratios") or {}
        # On several cores the ratio follows whatever else the machine does.
        cases = [case for case in each.get("cases") or [] if case["threads"] == 1 or case["device"] != "cpu"]
        ratios |= {case["name"]: case["per_yardstick"] for case in cases}
    if not (quality or bits or ratios):
        raise BenchmarkError(f"{path}: holds no run of the benchmarks ({', '.join(_FILES)})")
    return Run(quality, bits, ratios)


def save(out: Path, file: Path) -> None:
    """Write the baseline of the run in the folder ``out``."""
    run = load(out)
    quality = {
        name: {**run.quality[name], "rows": [_lean(row) for row in run.quality[name].get("rows", [])]}
        for name in (OWN, CONVERSION)
        if name in run.quality
    }
    made = next(document.read(out / name, "made")["made"] for name in _FILES if (out / name).exists())
    baseline = {"version": 1, "made": made, "quality": quality, "bits": run.bits, "ratios": run.ratios}
    files.write_text(file, json.dumps(baseline, separators=(",", ":")).replace('{"utterance"', '\n{"utterance"') + "\n")


def _lean(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if value is not None and key not in _LEFT_OUT}
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in kept.items()}


def moves(before: Run, after: Run) -> list[Move]:
    """The figures of the systems, utterances and cases that are in both runs and moved."""
    return [*_quality_moves(before, after), *_bit_moves(before.bits, after.bits), *_speed_moves(before, after)]


def _compared(before: Run, after: Run) -> Iterator[tuple[str, score.Metric, Difference]]:
    """Every figure that a system has in both runs, with the system's name."""
    for name in _judged_twice(before, after):
        a, b = before.quality[name], after.quality[name]
        for metric in score.metrics(a):
            if metric.key in score.WORDS and _recogniser(a) != _recogniser(b):
                continue
            found = difference(a, b, metric.key)
            if found is not None:
                yield name, metric, found


def _judged_twice(before: Run, after: Run) -> list[str]:
    both = [name for name in before.quality if name in after.quality]
    return [name for name in both if "gap" not in before.quality[name] and "gap" not in after.quality[name]]


def _quality_moves(before: Run, after: Run) -> list[Move]:
    found = []
    for name, metric, moved in _compared(before, after):
        # What no table shows is rounding, another machine's or the baseline's own.
        if moved.chance or abs(moved.after - moved.before) < 0.5 * 10**-metric.digits:
            continue
        worse = metric.better == ("lower" if moved.after > moved.before else "higher")
        found.append(Move(f"{name} {metric.title}", moved.before, moved.after, moved.low, moved.high, worse, moved.p))
    return found


def common(before: Run, after: Run) -> Common:
    """What of two runs can be compared, and what cannot be though both should have it."""
    figures: Counter[str] = Counter()
    utterances = before.bits.keys() & after.bits.keys()
    bits, times = len(utterances), len(before.ratios.keys() & after.ratios.keys())
    for name, _, each in _compared(before, after):
        figures[name] += 1
        utterances |= each.utterances
    lost = [
        f"{name}: A has figures, B has none: {after.quality[name]['gap']}"
        for name, system in before.quality.items()
        if "gap" not in system and "gap" in after.quality.get(name, {})
    ]
    alone = [name for name in _judged_twice(before, after) if not figures[name]]
    lost += [f"{name}: no figure is of the same utterances in A and B" for name in alone]
    if before.bits and after.bits and not bits:
        lost.append("bits: A and B have no utterance in common")
    if before.ratios and after.ratios and not times:
        lost.append("speed: A and B have no case in common")
    return Common(len(utterances), figures.total() + (bits > 0) + times, tuple(lost))


def left_out(before: Run, after: Run) -> list[str]:
    """What :func:`moves` does not compare though both runs have it, one line a system."""
    both = _judged_twice(before, after)
    heard = [(name, _recogniser(before.quality[name]), _recogniser(after.quality[name])) for name in both]
    return [
        f"{name}: words are not compared, their recognisers differ (moonshine-voice: A {a or 'none'}, B {b or 'none'})"
        for name, a, b in heard
        if a != b
    ]


def _recogniser(system: dict[str, Any]) -> str | None:
    version: str | None = system.get("made", {}).get("moonshine-voice")
    return version


def _bit_moves(before: dict[str, int], after: dict[str, int]) -> list[Move]:
    both = before.keys() & after.keys()
    changed = [name for name in both if before[name] != after[name]]
    if not changed:
        return []
    total = sum(before[name] for name in both), sum(after[name] for name in both)
    return [Move(f"bits ({len(changed)} of {many(len(both), 'utterance')} changed)", *total, worse=total[1] > total[0])]


def _speed_moves(before: Run, after: Run) -> list[Move]:
    pairs = [(name, before.ratios[name], after.ratios[name]) for name in before.ratios if name in after.ratios]
    return [Move(f"time of {name}", a, b, worse=b > a) for name, a, b in pairs if not 1 / (1 + NOISE) <= b / a <= 1 + NOISE]


def table(found: list[Move]) -> str:
    """The moves as a Markdown table."""
    if not found:
        return "Nothing moved beyond chance."
    lines = ["| figure | A | B | B - A, 95 % | |", "|---|---|---|---|---|"]
    for move in found:
        interval = "" if move.low is None or move.high is None else f"{move.low:+.4g} to {move.high:+.4g}"
        lines.append(f"| {move.what} | {move.before:.4g} | {move.after:.4g} | {interval} | {'worse' if move.worse else ''} |")
    return "\n".join(lines)
