"""What noise does to the units: ``unitcodec bench noise``.

The same utterance is coded from a clean and from a noisy recording, and the units are compared. Level and speaker code do
not count, nor does F0. ``noise.json`` holds ``version``; ``made``, when, where and with what; ``clean`` and ``noisy``, the
folders' names; and what :func:`measure` returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import bitrate, corpus, progress
from benchmarks.errors import BenchmarkError
from benchmarks.metrics import bootstrap
from benchmarks.metrics.edit import PACKAGES, Edits, edits
from benchmarks.progress import many
from benchmarks.waveform import duration

PUBLISHED = {"HuBERT, 500 clusters": 0.20, "StableToken": 0.10}
"""Unit edit distances of other units, as Song et al. 2025 (arXiv 2509.22220) give them; their noise is other noise."""

ROOM = (0.01, 0.1)
"""Recordings of the same utterance may differ in duration by this share of the longer and these seconds more."""


def pairs(clean: Path, noisy: Path) -> list[tuple[corpus.Utterance, corpus.Utterance]]:
    """The recordings of two folders that have the same stem, sorted by it.

    Raises:
        BenchmarkError: a folder has no recordings, one of them has no partner or cannot be read or holds no samples, or the
            durations of two differ by more than :data:`ROOM` allows.
    """
    one, other = ({each.name: each for each in corpus.load(folder)} for folder in (clean, noisy))
    if alone := sorted(one.keys() ^ other.keys()):
        folder = noisy if alone[0] in one else clean
        raise BenchmarkError(f"{folder}: no recording {alone[0]}; both folders must hold the same names")
    found = [(one[name], other[name]) for name in sorted(one)]
    for pair in found:
        seconds = [duration(each.path) for each in pair]
        if abs(seconds[0] - seconds[1]) > ROOM[0] * max(seconds) + ROOM[1]:
            told = " and ".join(f"{each.path} ({time:.2f} s)" for each, time in zip(pair, seconds, strict=True))
            raise BenchmarkError(f"{told} differ in duration; a pair is the same utterance without and with noise")
    return found


def measure(found: Sequence[tuple[corpus.Utterance, corpus.Utterance]], model: str = "default", jobs: int = 1) -> dict[str, Any]:
    """Code both recordings of each pair, in ``jobs`` processes, and compare the units.

    Returns:
        ``model``: its fingerprint. ``utterances``: objects with ``name``, ``frames`` (of the clean recording), ``edits``,
        ``row_edits`` and ``differ`` as in :class:`.Edits`. ``edit_distance``: the mean over utterances of edits / frames.
        ``codes_differ``: the share of single codes that differ, of all utterances. ``rows``: both for each row alone. Each
        figure's 95 % interval over utterances is under the same key and ``_95``.

    Raises:
        BenchmarkError: rapidfuzz is not installed, there is nothing to compare, or a recording is no sound file or holds none.
        ModelError: there is no such model.
        OSError: a recording cannot be opened.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise BenchmarkError(f"not installed: {', '.join(missing)} (pip install 'unitcodec[eval]')")
    paths = [each.path for pair in found for each in pair]
    coded = list(progress.track("noise", bitrate.encoded(paths, model, jobs), len(paths)))
    counts = [edits(clean.units, noisy.units) for clean, noisy in zip(coded[::2], coded[1::2], strict=True)]
    if not counts:
        raise BenchmarkError("no speech to compare the units of")
    rows = range(len(counts[0].differ))
    return {
        "model": coded[0].model,
        "utterances": [
            {"name": clean.name, "frames": each.frames, "edits": each.edits, "row_edits": each.row_edits, "differ": each.differ}
            for (clean, _), each in zip(found, counts, strict=True)
        ],
        **_figures(counts, [each.edits for each in counts], [sum(each.differ) / len(each.differ) for each in counts]),
        "rows": [
            _figures(counts, [each.row_edits[row] for each in counts], [each.differ[row] for each in counts]) for row in rows
        ],
    }


def _figures(counts: Sequence[Edits], changed: Sequence[int], differ: Sequence[float]) -> dict[str, Any]:
    distances, frames = [n / each.frames for n, each in zip(changed, counts, strict=True)], [each.frames for each in counts]
    return {
        "edit_distance": sum(distances) / len(distances),
        "edit_distance_95": bootstrap.interval(distances),
        "codes_differ": sum(differ) / sum(frames),
        "codes_differ_95": bootstrap.interval(differ, frames),
    }


def table(measured: dict[str, Any]) -> str:
    """The figures as a Markdown table, published ones below."""
    lines = ["| units | edit distance, edits a frame ↓ | codes that differ, share ↓ |", "|---|---|---|"]
    whole = f"all rows, {many(len(measured['utterances']), 'utterance')}"
    for title, figures in [(whole, measured), *((f"row {i} alone", row) for i, row in enumerate(measured["rows"]))]:
        cells = []
        for key in ("edit_distance", "codes_differ"):
            bounds = figures[f"{key}_95"]
            cells.append(f"{figures[key]:.3f} ± " + ("-" if bounds is None else f"{(bounds[1] - bounds[0]) / 2:.3f}"))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += [f"| published, other noise: {name} | {figure:.2f} | - |" for name, figure in PUBLISHED.items()]
    return "\n".join([*lines, "", "↓ lower is better. ± is half a 95 % bootstrap interval over the utterances."])
