"""The difference of one figure between two systems, or of one system between two runs, and what of it may be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import score
from benchmarks.metrics import bootstrap

# What a pooled figure of pitch adds up over utterances: the row's counts.
_PITCH = {"vde": ("voicing_errors", "frames"), "gpe": ("gross_errors", "both_voiced"), "ffe": ("errors", "frames")}


Sample = tuple[float, float]
"""One utterance's numerator and denominator of a pooled figure."""


@dataclass(frozen=True)
class Difference:
    """``after - before`` lies between ``low`` and ``high`` at 95 %; None for one utterance, which does not tell.

    ``p`` is two-sided, None where nothing was paired. ``utterances`` are those that were.
    """

    before: float
    after: float
    low: float | None
    high: float | None
    p: float | None = None
    utterances: frozenset[str] = frozenset()

    @property
    def chance(self) -> bool:
        """Whether the difference may be none."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def difference(before: dict[str, Any], after: dict[str, Any], key: str) -> Difference | None:
    """The figure ``key`` of two systems of results.json: a paired bootstrap over the utterances that both have.

    Where the figure is no sum over utterances (EER, correlation), the bounds are those of two independent intervals, which
    is wider, and both sides must be of the same utterances. None where one side has no such figure.
    """
    pairs = _paired(before, after, key)
    if pairs is not None:
        sides = [tuple(zip(*side, strict=True)) for side in zip(*pairs.values(), strict=True)]
        _, bounds, p = bootstrap.paired(*sides[0], *sides[1])
        first, second = (sum(numerators) / max(1e-12, sum(denominators)) for numerators, denominators in sides)
        low, high = bounds or (None, None)
        return Difference(first, second, low, high, p, frozenset(pairs))
    if _choice(before) != _choice(after) or any(
        side.get(name) is None for side in (before, after) for name in (key, f"{key}_95")
    ):
        return None
    (a_low, a_high), (b_low, b_high) = before[f"{key}_95"], after[f"{key}_95"]
    a, b = before[key], after[key]
    below = ((b - b_low) ** 2 + (a_high - a) ** 2) ** 0.5
    above = ((b_high - b) ** 2 + (a - a_low) ** 2) ** 0.5
    return Difference(a, b, b - a - below, b - a + above)


def _paired(before: dict[str, Any], after: dict[str, Any], key: str) -> dict[str, tuple[Sample, Sample]] | None:
    old, new = ({row["utterance"]: row for row in side.get("rows", [])} for side in (before, after))
    common = {name: (row, new[name]) for name, row in old.items() if name in new}
    # Converted to two voices, an utterance has nothing to compare.
    common = {name: (a, b) for name, (a, b) in common.items() if None in (_target(a), _target(b)) or _target(a) == _target(b)}
    pairs = {name: (sample(a, key), sample(b, key)) for name, (a, b) in common.items()}
    if key in score.OF_SPEECH:
        pairs = {name: pair for name, pair in pairs.items() if pair != (None, None)}
    found = {name: (a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}
    return found if found and len(found) == len(pairs) else None


def _target(row: dict[str, Any]) -> Any:
    return row.get("target")


def _choice(system: dict[str, Any]) -> set[tuple[str, Any]]:
    return {(row["utterance"], _target(row)) for row in system.get("rows", [])}


def sample(row: dict[str, Any], key: str) -> Sample | None:
    """One utterance's share of the figure ``key``; None where it has none."""
    if key == "bps":
        return None if row.get("bits") is None else (row["bits"], row["seconds"])
    name, _, tracker = key.partition("_")
    if name in score.COUNTED:
        pair = row.get(score.COUNTED[name] + key.removeprefix(name))
        return None if pair is None else (pair[0], pair[1])
    if name in _PITCH and tracker in ("", "yaapt"):
        counts = score.pitch_errors(row, f"f0_{tracker}" if tracker else "f0")
        errors, over = _PITCH[name]
        return None if counts is None else (getattr(counts, errors), getattr(counts, over))
    value = row.get(key)
    return (float(value), 1.0) if isinstance(value, (int, float)) else None
