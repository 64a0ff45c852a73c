"""A corpus to judge on: a tab-separated manifest with the columns ``path``, ``transcript`` and, optionally, ``speaker``; or a
folder of recordings of which no more is known.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.waveform import duration


@dataclass(frozen=True)
class Utterance:
    """One recording; ``name``, its stem, names it in every result and in every folder of decoded files.

    ``transcript`` is empty where nobody wrote down what is said. ``target`` is the recording whose voice it is given in voice
    conversion, None where the corpus has one speaker.
    """

    path: Path
    transcript: str
    speaker: str = ""
    target: Path | None = None

    @property
    def name(self) -> str:
        return self.path.stem


def load(manifest: Path, limit: int | None = None) -> list[Utterance]:
    """The utterances of a manifest in its order, paths relative to its folder.

    A folder means its ``manifest.tsv`` or, where it has none, its recordings by name.

    ``limit`` takes that many: one from each of as many equal stretches of the corpus, so that a short look still hears
    many speakers, and of each stretch the one nearest to 5 s: short, and twice that just fills DNSMOS's window of 9 s.

    Raises:
        BenchmarkError: the manifest or a recording cannot be read, a column or a field is missing, a manifest's transcript is
            empty, there are no recordings, one of them holds no samples, or two share a stem.
    """
    if manifest.is_dir() and not (manifest / "manifest.tsv").exists():
        utterances = _recordings(manifest)
    else:
        manifest = _file(manifest)
        utterances = _read(manifest)
        for utterance in utterances:
            if not utterance.transcript.strip():
                raise BenchmarkError(f"{manifest}: {utterance.path.name} has no transcript")
            if not os.path.isfile(utterance.path):  # pathlib raises for a name that is too long
                reason = "is no regular file" if os.path.exists(utterance.path) else "is not there"
                raise BenchmarkError(f"{manifest}: {utterance.path} {reason}")
    named: dict[str, Path] = {}
    for utterance in utterances:
        if (other := named.setdefault(utterance.name, utterance.path)) is not utterance.path:
            raise BenchmarkError(f"{manifest}: two files share a stem, which names a recording: {other} and {utterance.path}")
    for utterance in utterances:
        if not duration(utterance.path):
            raise BenchmarkError(f"{utterance.path}: holds no samples; leave it out")
    if limit is not None and limit < len(utterances):
        utterances = _short_ones(utterances, limit)
    return [replace(each, target=_target(utterances, i)) for i, each in enumerate(utterances)]


def transcribed(manifest: Path) -> list[Utterance]:
    """Those utterances of a manifest, or of a folder's, that have a transcript. Raises BenchmarkError if it cannot be read."""
    return [utterance for utterance in _read(_file(manifest)) if utterance.transcript.strip()]


def _recordings(folder: Path) -> list[Utterance]:
    from unitcodec.audio.suffixes import AUDIO_SUFFIXES

    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise BenchmarkError(f"{folder}: neither a manifest.tsv nor recordings")
    return [Utterance(path, "") for path in found]


def _file(manifest: Path) -> Path:
    return manifest / "manifest.tsv" if manifest.is_dir() else manifest


def _read(manifest: Path) -> list[Utterance]:
    if os.path.exists(manifest) and not os.path.isfile(manifest):  # a named pipe would wait for ever
        raise BenchmarkError(f"{manifest}: no regular file; a manifest.tsv is wanted")
    try:
        # Some editors put a byte order mark before the first column's name.
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, restkey=_TOO_MANY)
            columns = reader.fieldnames or ()
            rows = [_row(manifest, reader.line_num, row) for row in reader] if {"path", "transcript"} <= set(columns) else []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise BenchmarkError(f"{manifest}: {reason}; a manifest.tsv is wanted") from error
    except csv.Error as error:  # a field above 131,072 characters
        raise BenchmarkError(f"{manifest}: line {reader.line_num + 1}: {error}") from error
    if not rows:
        raise BenchmarkError(f"{manifest}: no rows with the tab-separated columns path and transcript")
    return rows


_TOO_MANY = "\t"
"""The key of the fields that no column has: no column can be called so."""


def _row(manifest: Path, line: int, row: Mapping[str, Any]) -> Utterance:
    given = [name for name, value in row.items() if value is not None and name != _TOO_MANY]
    wanted, found = len(row) - (_TOO_MANY in row), len(given) + len(row.get(_TOO_MANY, ()))
    if found != wanted:
        raise BenchmarkError(f"{manifest}: line {line} has {found} tab-separated fields, the first line has {wanted}")
    if not row["path"].strip():
        raise BenchmarkError(f"{manifest}: line {line}: the column path is empty")
    return Utterance(manifest.parent / row["path"], row["transcript"], row.get("speaker") or "")


def fingerprint(utterances: Sequence[Utterance]) -> str:
    """16 hex digits that name this choice of recordings, by their content, with transcripts, speakers and targets."""
    lines = [
        (each.name, _content(each.path), each.transcript, each.speaker, each.target and each.target.stem) for each in utterances
    ]
    return hashlib.sha256(repr(lines).encode()).hexdigest()[:16]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short_ones(utterances: list[Utterance], limit: int) -> list[Utterance]:
    def distance(utterance: Utterance) -> float:
        return abs(duration(utterance.path) - 5.0)

    edges = [i * len(utterances) // limit for i in range(limit + 1)]
    return [min(utterances[start:stop], key=distance) for start, stop in itertools.pairwise(edges)]


def _target(utterances: list[Utterance], i: int) -> Path | None:
    """Half the corpus on, where manifests sorted by speaker have another one; always the same for the same corpus."""
    for step in range(len(utterances)):
        other = utterances[(i + len(utterances) // 2 + step) % len(utterances)]
        if other.speaker != utterances[i].speaker:
            return other.path
    return None
