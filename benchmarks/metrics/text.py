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
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, given in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != given))
    return row[-1]


def character_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference characters)`` of the normalised texts; the space between words is a character like any other."""
    wanted = normalise(reference)
    return edit_distance(wanted, normalise(hypothesis)), len(wanted)


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference words)`` of the normalised texts."""
    wanted = normalise(reference).split()
    return edit_distance(wanted, normalise(hypothesis).split()), len(wanted)
