"""A corpus to judge on: a tab-separated manifest with the columns ``path`` and ``transcript``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Utterance:
    """One recording; ``stem`` names it in every folder of decoded files."""

    path: Path
    transcript: str

    @property
    def stem(self) -> str:
        return self.path.stem


def load(manifest: Path, limit: int | None = None) -> list[Utterance]:
    """The utterances of a manifest in its order, paths relative to its folder; a folder means its ``manifest.tsv``.

    ``limit`` takes that many, evenly spaced, so that a short look still hears many speakers.

    Raises:
        ValueError: a column is missing, a transcript is empty, or two files share a stem.
    """
    manifest = manifest / "manifest.tsv" if manifest.is_dir() else manifest
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not {"path", "transcript"} <= rows[0].keys():
        raise ValueError(f"{manifest}: no rows with the columns path and transcript")
    utterances = [Utterance(manifest.parent / row["path"], row["transcript"]) for row in rows]
    if limit is not None and limit < len(utterances):
        utterances = [utterances[i * len(utterances) // limit] for i in range(limit)]
    for utterance in utterances:
        if not utterance.transcript.strip():
            raise ValueError(f"{manifest}: {utterance.path.name} has no transcript")
    if len({utterance.stem for utterance in utterances}) < len(utterances):
        raise ValueError(f"{manifest}: two files share a stem")
    return utterances
