"""The codes of a corpus, which the entropy model learns from."""

from __future__ import annotations

import numpy as np

from unitcodec.quantize import coarser, lookup
from unitcodec.training.entropy import nested_codes


def test_a_share_of_the_utterances_has_coarser_codes() -> None:
    levels, rng = (8, 8), np.random.default_rng(0)
    f0, speaker = np.arange(25, dtype=np.int32), np.zeros(3, np.int32)
    plain = [(rng.integers(0, 8, (2, 50)).astype(np.int32), f0, speaker) for _ in range(60)]
    nested = nested_codes(plain, levels, 0.5)
    changed = [not np.array_equal(one[0], other[0]) for one, other in zip(plain, nested, strict=True)]
    assert 15 <= sum(changed) <= 45
    rungs = coarser(levels)
    for one, other in zip(plain, nested, strict=True):
        assert any(np.array_equal(other[0], lookup(tables, one[0])) for tables in rungs)
        assert other[1] is one[1]
        assert other[2] is one[2]
