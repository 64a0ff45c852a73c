"""Edit distance between two utterances' units: how much of what is coded changes when only the noise does.

Song et al. 2025, *StableToken* (arXiv 2509.22220), call it unit edit distance, UED: Levenshtein distance over the number of
units of the clean recording. A unit is here a frame, the tuple of its rows' codes: it differs if one row does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("rapidfuzz",)


@dataclass(frozen=True)
class Edits:
    """``frames`` of the clean recording; ``edits`` between the frames, and ``row_edits`` between the codes of each row alone.

    ``differ``: for each row, codes that differ from the one at the same time. What only the longer recording has differs.
    """

    frames: int
    edits: int
    row_edits: tuple[int, ...]
    differ: tuple[int, ...]


def edits(clean: NDArray[np.integer], noisy: NDArray[np.integer]) -> Edits:
    """Compare units ``(rows, frames)`` and ``(rows, other frames)``.

    Raises:
        ValueError: they have different numbers of rows.
    """
    from rapidfuzz.distance import Levenshtein

    if len(clean) != len(noisy):
        raise ValueError(f"{len(clean)} rows of units beside {len(noisy)}")
    one, other = clean.tolist(), noisy.tolist()
    both = min(clean.shape[1], noisy.shape[1])
    rest = max(clean.shape[1], noisy.shape[1]) - both
    return Edits(
        frames=clean.shape[1],
        edits=Levenshtein.distance(list(zip(*one, strict=True)), list(zip(*other, strict=True))),
        row_edits=tuple(Levenshtein.distance(a, b) for a, b in zip(one, other, strict=True)),
        differ=tuple(int(row) + rest for row in (clean[:, :both] != noisy[:, :both]).sum(axis=1)),
    )
