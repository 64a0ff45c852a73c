"""Percentile bootstrap over utterances (Efron 1979; Bisani and Ney 2004 for error rates and for paired differences)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000

Array = NDArray[np.float64]


def ratio(numerator: Array, denominator: Array) -> Array:
    """Elementwise quotient; 0 over 0 is 0."""
    return numerator / np.maximum(denominator, 1e-12)


def resampled(*columns: Sequence[float], seed: int = 0) -> list[Array]:
    """For each column its sums ``(RESAMPLES,)`` when utterances are drawn with replacement, the same for all columns."""
    n = len(columns[0])
    draws = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    return [np.asarray(column, dtype=np.float64)[draws].sum(axis=1) for column in columns]


def interval_of(
    figure: Callable[..., Array], *columns: Sequence[float], coverage: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of ``figure(sum of the first column, ...)``; ``figure`` is elementwise.

    None where there are fewer than two utterances: one alone does not tell how much they differ. It covers the choice of
    utterances, not of speakers: a set of few speakers is less certain than it says. The same input gives the same interval.
    """
    if len(columns[0]) < 2:
        return None
    low, high = np.quantile(figure(*resampled(*columns, seed=seed)), [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def interval(numerators: Sequence[float], denominators: Sequence[float] | None = None) -> tuple[float, float] | None:
    """:func:`interval_of` the pooled ratio ``sum(numerators) / sum(denominators)``, without denominators of the mean."""
    return interval_of(ratio, numerators, [1.0] * len(numerators) if denominators is None else denominators)


def paired(
    a_numerators: Sequence[float],
    a_denominators: Sequence[float] | None,
    b_numerators: Sequence[float],
    b_denominators: Sequence[float] | None,
) -> tuple[float, tuple[float, float] | None, float]:
    """B's pooled ratio less A's on the same utterances in the same order: ``(difference, 95 % interval, two-sided p)``.

    Without denominators the ratios are means. ``p`` is twice the smaller share of resamples with the difference on one side
    of zero, the observed one counted in. It is never below ``2 ** (1 - n)``: of ``n`` differences, all have the same sign by
    chance that often (Fisher 1935, *The design of experiments*, section 21), and so few resamples cannot know better. One
    utterance gives no interval.

    Raises:
        ValueError: the two are not of the same utterances, or there are none.
    """
    n = len(a_numerators)
    if not n or n != len(b_numerators):
        raise ValueError(f"{n} utterances beside {len(b_numerators)}: a paired test wants the same ones, at least one")
    ones = [1.0] * n
    columns = (a_numerators, a_denominators or ones, b_numerators, b_denominators or ones)

    def difference(a_top: Array, a_bottom: Array, b_top: Array, b_bottom: Array) -> Array:
        return ratio(b_top, b_bottom) - ratio(a_top, a_bottom)

    drawn = difference(*resampled(*columns))
    low, high = np.quantile(drawn, [0.025, 0.975])
    bounds = (float(low), float(high)) if n > 1 else None
    side = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    observed = difference(*(np.asarray(column, np.float64).sum(keepdims=True) for column in columns))
    return float(observed[0]), bounds, min(1.0, max(2 * (side + 1) / (RESAMPLES + 1), 2.0 ** (1 - n)))
