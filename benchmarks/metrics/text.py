"""Transcript comparison: character and word error rates by edit distance."""

from __future__ import annotations

import re
from collections.abc import Sequence


def normalise(text: str) -> str:
    """Upper-case letters and apostrophes, words parted by single spaces: the alphabet of LibriSpeech transcripts."""
    return " ".join(re.sub(r"[^A-Z' ]", " ", text.upper()).split())


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions, each of cost 1 (Levenshtein 1966), from one sequence to the other."""
    row = list(range(len(hypothesis) + 1))
    for wanted in reference:
        row = extend(row, wanted, hypothesis)
    return row[-1]


def extend(row: list[int], wanted: str, hypothesis: Sequence[str]) -> list[int]:
    """The next row of Levenshtein's table: ``row[j]`` is the cost of ``hypothesis[:j]`` for the reference so far."""
    longer = [row[0] + 1]
    for j, given in enumerate(hypothesis):
        longer.append(min(longer[j] + 1, row[j + 1] + 1, row[j] + (wanted != given)))
    return longer


def character_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference characters)`` of the normalised texts; the space between words is a character like any other."""
    wanted = normalise(reference)
    return edit_distance(wanted, normalise(hypothesis)), len(wanted)


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference words)`` of the normalised texts."""
    wanted = normalise(reference).split()
    return edit_distance(wanted, normalise(hypothesis).split()), len(wanted)
