"""Links that lose and damage datagrams: as much as they are told to, and the same each time."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from bitstream.datagram.channel import bit_errors, burst_losses


@pytest.mark.parametrize(("loss", "burst"), [(0.03, 1.0), (0.1, 3.0), (0.3, 1.5), (0.5, 1.0), (0.9, 20.0)])
def test_as_many_are_lost_as_said_in_such_bursts(loss: float, burst: float) -> None:
    lost = burst_losses(200_000, loss, burst, seed=1)
    lengths = [len(list(run)) for gone, run in groupby(lost.tolist()) if gone]
    assert lost.mean() == pytest.approx(loss, rel=0.05)
    assert np.mean(lengths) == pytest.approx(burst, rel=0.05)
    # Whichever is the first.
    assert np.mean([burst_losses(1, loss, burst, seed)[0] for seed in range(2000)]) == pytest.approx(loss, abs=0.04)


def test_a_seed_is_a_pattern() -> None:
    assert not burst_losses(1000, 0.0).any()
    one, same, other = (burst_losses(1000, 0.2, 2.0, seed) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    # What is lost first does not depend on how much follows.
    assert np.array_equal(burst_losses(100, 0.2, 2.0, 3), one[:100])


@pytest.mark.parametrize(
    ("loss", "burst", "told"),
    [(-0.1, 1, "share"), (1.0, 1, "share"), (np.nan, 1, "share"), (0.1, 0.5, "at least one"), (0.1, np.nan, "at least one"),
     (0.1, np.inf, "at least one"), (0.6, 1, "at most 0.5 can be lost"), (0.8, 3, "at most 0.75 can be lost")],
)  # fmt: skip
def test_links_that_there_cannot_be(loss: float, burst: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        burst_losses(10, loss, burst)


def test_bit_errors() -> None:
    sent = [bytes(range(n)) for n in (0, 1, 200, 50)] * 100
    assert bit_errors(sent, 0.0) == sent
    wrong = bit_errors(sent, 0.01, seed=2)
    assert list(map(len, wrong)) == list(map(len, sent))
    flipped = sum((a ^ b).bit_count() for one, other in zip(sent, wrong, strict=True) for a, b in zip(one, other, strict=True))
    assert flipped == pytest.approx(0.01 * 8 * sum(map(len, sent)), rel=0.1)
    assert bit_errors(sent, 0.01, seed=2) == wrong != bit_errors(sent, 0.01, seed=3)
    for rate in (-1.0, 0.6, np.nan):
        with pytest.raises(ValueError, match="rate of bit errors"):
            bit_errors(sent, rate)
