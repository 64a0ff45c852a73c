"""What units tell: figures whose right values are known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (the extra eval)")

from benchmarks.metrics import leakage

RNG = np.random.default_rng(0)


def test_purity_of_units_that_are_the_phones() -> None:
    labels = RNG.integers(0, 5, 2000)
    assert leakage.purity((labels * 3) % 5, labels) == pytest.approx({"phone_purity": 1, "cluster_purity": 1, "pnmi": 1})


def test_purity_of_units_that_say_nothing() -> None:
    labels = RNG.integers(0, 4, 40000)
    figures = leakage.purity(RNG.integers(0, 8, 40000), labels)
    assert figures["phone_purity"] == pytest.approx(0.25, abs=0.02)
    assert figures["pnmi"] < 0.01


def test_units_that_split_phones_lose_cluster_purity_alone() -> None:
    labels = RNG.integers(0, 4, 40000)
    figures = leakage.purity(2 * labels + RNG.integers(0, 2, 40000), labels)
    assert figures["phone_purity"] == 1
    assert figures["pnmi"] == pytest.approx(1)
    assert figures["cluster_purity"] == pytest.approx(0.5, abs=0.02)


def test_one_hot() -> None:
    units = np.array([[0, 2, 1], [1, 0, 1]])
    matrix = leakage.one_hot(units, (3, 2), reach=1).toarray()
    assert matrix.shape == (3, 15)
    # Frame 1: before it (0, 1), itself (2, 0), after it (1, 1).
    assert np.flatnonzero(matrix[1]).tolist() == [0, 4, 7, 8, 11, 14]
    assert (matrix.sum(1) == 6).all()


def test_a_phone_is_told_from_the_units_around_it() -> None:
    units = RNG.integers(0, 6, (1, 6000))
    labels = np.array(list("abc"))[np.roll(units[0], 1) % 3]
    seen = leakage.one_hot(units, (6,))
    assert leakage.classify(seen[:5000], labels[:5000], seen[5000:], labels[5000:]) > 0.97


def test_the_share_of_variance_explained() -> None:
    units = RNG.integers(0, 4, (1, 6000))
    values = units[0] + RNG.standard_normal(6000) * np.sqrt(1.25 / 3)
    seen = leakage.one_hot(units, (4,))
    assert leakage.regress(seen[:5000], values[:5000], seen[5000:], values[5000:]) == pytest.approx(0.75, abs=0.04)


def test_speakers_who_use_units_differently() -> None:
    share = {"a": (0.7, 0.2, 0.1), "b": (0.2, 0.3, 0.5)}
    rows, who = [], []
    for speaker, probabilities in share.items():
        units = RNG.choice(3, (1, 6000), p=probabilities)
        rows.append(leakage.histograms(units, (3,), 100))
        who += [speaker] * 60
    seen, names = np.concatenate(rows), np.array(who)
    assert seen.shape == (120, 3)
    assert np.allclose((seen**2).sum(1), 1)
    assert leakage.tell_speakers(seen[::2], names[::2], seen[1::2], names[1::2]) > 0.95
