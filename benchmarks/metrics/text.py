"""Transcript comparison: character and word error rates by edit distance (Levenshtein 1966)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

PACKAGES = ("rapidfuzz", "whisper_normalizer")


@lru_cache(maxsize=1)
def _normaliser() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """English in one spelling: lower case, numbers as digits, contractions in full, American, without punctuation and "um".

    The normaliser is that of Whisper: Radford et al. 2022, *Robust Speech Recognition via Large-Scale Weak Supervision* (arXiv
    2212.04356), appendix C. It is text processing alone. LibriSpeech's capitals without digits and what a recogniser writes come
    out alike.
    """
    words = _normaliser()(text).split()
    # Of "..." it leaves a full stop.
    return " ".join(word for word in words if any(letter.isalnum() for letter in word))


def edit_distance(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and substitutions, each of cost 1, from one sequence to the other."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(reference, hypothesis))


def character_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference characters)`` of the normalised texts; the space between words is a character like any other."""
    wanted = normalise(reference)
    return edit_distance(wanted, normalise(hypothesis)), len(wanted)


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """``(errors, reference words)`` of the normalised texts."""
    wanted = normalise(reference).split()
    return edit_distance(wanted, normalise(hypothesis).split()), len(wanted)
