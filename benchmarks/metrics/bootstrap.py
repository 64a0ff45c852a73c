"""Percentile bootstrap over utterances (Efron 1979; Bisani and Ney 2004 for error rates)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def interval(
    numerators: Sequence[float], denominators: Sequence[float] | None = None, coverage: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of the pooled ratio ``sum(numerators) / sum(denominators)`` when utterances are drawn with replacement.

    Without denominators it is the interval of the mean. It covers the choice of utterances, not of speakers: a set of
    few speakers is less certain than it says. The same input gives the same interval.
    """
    top = np.asarray(numerators, dtype=np.float64)
    if not len(top):
        return (float("nan"), float("nan"))
    bottom = np.ones(len(top)) if denominators is None else np.asarray(denominators, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, len(top), size=(RESAMPLES, len(top)))
    ratios = top[draws].sum(axis=1) / np.maximum(bottom[draws].sum(axis=1), 1e-12)
    low, high = np.quantile(ratios, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)
