"""Equal error rate of telling speakers apart, as in speaker verification.

Where false rejections are as frequent as false acceptances; between two neighbouring thresholds the rates are interpolated
linearly, as a decision drawn between the two would have them (Fawcett 2006, *An introduction to ROC analysis*, section 7).
0 is a voice never confused, 0.5 one that says nothing of its speaker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000

THRESHOLDS = 4000
"""At most; a finer ROC would move the rate by less than 1 / 4000."""


def equal_error_rate(
    scores: NDArray[np.floating], same: NDArray[np.bool_], different: NDArray[np.bool_], coverage: float = 0.95, seed: int = 0
) -> tuple[float, tuple[float, float]] | None:
    """The rate and its bootstrap interval when rows are drawn with replacement; None where one kind of trial is missing.

    Args:
        scores: ``(probes, references)``, higher for more alike.
        same: ``(probes, references)``, trials that should be accepted.
        different: ``(probes, references)``, trials that should be rejected; a pair may be neither.
    """
    if not (same.any() and different.any()):
        return None
    thresholds = np.unique(scores[same | different])
    if len(thresholds) > THRESHOLDS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, THRESHOLDS).astype(int)]
    rejected = [_rejected(scores, kind, thresholds) for kind in (same, different)]
    n = len(scores)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    value = _rates(np.ones((1, n)), *rejected)[0]
    low, high = np.nanquantile(_rates(draws, *rejected), [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(value), (float(low), float(high))


def _rejected(scores: NDArray[np.floating], kind: NDArray[np.bool_], thresholds: NDArray[np.floating]) -> NDArray[np.float64]:
    """``(probes, 1 + thresholds)``: how many of a probe's trials are rejected by none, and at each threshold."""
    counts = [np.searchsorted(np.sort(row[chosen]), thresholds, side="right") for row, chosen in zip(scores, kind, strict=True)]
    return np.pad(np.asarray(counts, np.float64), ((0, 0), (1, 0)))


def _rates(weights: NDArray[np.number], same: NDArray[np.float64], different: NDArray[np.float64]) -> NDArray[np.float64]:
    """The equal error rate ``(draws,)`` for each row of ``weights (draws, probes)``; NaN where a kind of trial is missing."""
    missed, refused = weights @ same, weights @ different
    with np.errstate(invalid="ignore"):
        missed, accepted = missed / missed[:, -1:], 1 - refused / refused[:, -1:]
    # From -1, all accepted, to 1, all rejected; never falling.
    balance = missed - accepted
    after = np.argmax(balance >= 0, axis=1)[:, None]
    (low, high), (left, right) = (
        (np.take_along_axis(values, after - 1, 1)[:, 0], np.take_along_axis(values, after, 1)[:, 0])
        for values in (balance, missed)
    )
    return np.asarray(left + (right - left) * low / (low - high), np.float64)
