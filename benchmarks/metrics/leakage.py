"""What units tell: of phones, which they should, and of speakers and F0, which they should not.

- ``phone_purity``: accuracy of the best guess of a phone from its unit alone; ``cluster_purity``: the other way round; ``pnmi``:
  mutual information of the two over the phones' entropy (Hsu et al. 2021, section V-A).
- ``phone_probe``: accuracy of a linear classifier of the phone that sees the units of five frames, on other speakers.
- ``speaker_probe``: accuracy of a linear classifier of the speaker that sees how often each unit occurs within 3 s.
- ``f0_probe``: share of the variance of log-F0 that a linear map of the units of five frames explains, on other speakers:
  ``f0_relative`` of what is left when each utterance's mean is taken off, ``f0_absolute`` of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("sklearn",)
REACH = 2
"""Unit frames on either side that a probe sees."""

IntArray = NDArray[np.int64]


def joint(units: IntArray, labels: IntArray) -> NDArray[np.float64]:
    """Units (n,), labels (n,) -> their joint distribution, (units, labels)."""
    table = np.zeros((int(units.max()) + 1, int(labels.max()) + 1))
    np.add.at(table, (units, labels), 1.0)
    return table / table.sum()


def purity(units: IntArray, labels: IntArray) -> dict[str, float]:
    """``phone_purity``, ``cluster_purity`` and ``pnmi``."""
    both = joint(units, labels)
    own, other = both.sum(1, keepdims=True), both.sum(0, keepdims=True)
    some = both > 0
    information = float((both[some] * np.log(both[some] / (own * other)[some])).sum())
    entropy = float(-(other[other > 0] * np.log(other[other > 0])).sum())
    return {
        "phone_purity": float(both.max(1).sum()),
        "cluster_purity": float(both.max(0).sum()),
        "pnmi": information / entropy if entropy > 0 else 0.0,
    }


def one_hot(units: IntArray, vocabulary: Sequence[int], reach: int = REACH) -> Any:
    """Units (rows, n) -> sparse (n, columns): which code each row has in each of the ``2 * reach + 1`` frames around."""
    from scipy.sparse import csr_matrix

    rows, n = units.shape
    padded = np.pad(units, ((0, 0), (reach, reach)), mode="edge")
    starts = np.cumsum([0, *vocabulary])
    columns = [
        padded[row, shift : shift + n] + starts[row] + starts[-1] * shift for shift in range(2 * reach + 1) for row in range(rows)
    ]
    indices = np.stack(columns, 1)
    width = indices.shape[1]
    shape = (n, int(starts[-1]) * (2 * reach + 1))
    return csr_matrix((np.ones(n * width, np.float32), indices.reshape(-1), np.arange(0, n * width + 1, width)), shape)


def classify(train: Any, labels: NDArray[Any], test: Any, truth: NDArray[Any], seed: int = 0) -> float:
    """Accuracy on ``test`` of a linear classifier fitted to ``train``."""
    from sklearn.linear_model import SGDClassifier

    classifier = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=8, tol=None, average=True, random_state=seed)
    return float((classifier.fit(train, labels).predict(test) == truth).mean())


def regress(train: Any, values: NDArray[np.float64], test: Any, truth: NDArray[np.float64], ridge: float = 10.0) -> float:
    """Share of the variance of ``truth`` that a linear map fitted to ``train`` explains."""
    centre = values.mean()
    gram = (train.T @ train).toarray() + ridge * np.eye(train.shape[1])
    weights = np.linalg.solve(gram, train.T @ (values - centre))
    left = truth - (test @ weights + centre)
    return float(1.0 - left.var() / truth.var())


def histograms(units: IntArray, vocabulary: Sequence[int], frames: int) -> NDArray[np.float64]:
    """Units (rows, n) -> (n // frames, sum of the vocabulary), the root of how often each code occurs in each stretch."""
    out = []
    for start in range(0, units.shape[1] - frames + 1, frames):
        part = units[:, start : start + frames]
        out.append(np.concatenate([np.bincount(row, minlength=size) for row, size in zip(part, vocabulary, strict=True)]))
    return np.sqrt(np.array(out, np.float64).reshape(-1, sum(vocabulary)) / frames)


def tell_speakers(train: NDArray[Any], who: NDArray[Any], test: NDArray[Any], truth: NDArray[Any], seed: int = 0) -> float:
    """Accuracy of a linear classifier of histograms."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(C=10.0, max_iter=300, random_state=seed)
    return float((classifier.fit(train, who).predict(test) == truth).mean())
