from __future__ import annotations

import bitstream_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import Damaged
from bitstream.entropy.fit import round_frequencies
from bitstream.entropy.rangecoder import Distribution, Predictions, decode, encode


def replay(distributions: list[Distribution]) -> Predictions:
    for distribution in distributions:
        _ = yield distribution


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**63), st.integers(1, 300), st.sampled_from((8, 16, 22)), st.floats(0.02, 20))
def test_payload_is_what_the_format_says(seed: int, count: int, precision: int, spread: float) -> None:
    """Against unlimited integers: carries, held-back words and the tail are all as the format says."""
    rng = np.random.default_rng(seed)
    tables = [round_frequencies(rng.dirichlet(np.full(n, spread)), precision) for n in rng.integers(1, 30, 10)]
    made = [Distribution(table, precision) for table in tables]
    chosen = rng.integers(0, 10, count)
    symbols = [int(rng.choice(len(tables[i]), p=tables[i] / 2.0**precision)) for i in chosen]
    payload = encode(symbols, replay([made[i] for i in chosen]))
    pairs = [(tables[i].tolist(), symbol) for i, symbol in zip(chosen, symbols, strict=True)]
    assert payload == reference.range_encode(pairs, precision)
    assert decode(payload, count, replay([made[i] for i in chosen]), 1000) == symbols
    decoder = reference.RangeDecoder(payload)
    assert [decoder.symbol(frequencies, precision) for frequencies, _ in pairs] == symbols


@pytest.mark.parametrize("symbol", [0, 1, 2])
def test_long_runs_of_one_symbol(symbol: int) -> None:
    """Runs at either end of the interval make the longest carries; the lower end is all zeros."""
    distribution = Distribution(np.array([20000, 25536, 20000], dtype=np.uint32), 16)
    payload = encode([symbol] * 3000, replay([distribution] * 3000))
    assert payload == reference.range_encode([([20000, 25536, 20000], symbol)] * 3000, 16)
    assert (payload.strip(b"\0") == b"") == (symbol == 0)
    assert decode(payload, 3000, replay([distribution] * 3000), 2000) == [symbol] * 3000


def test_points_outside_the_range_are_told() -> None:
    distribution = Distribution(np.array([1, 2**16 - 1], dtype=np.uint32), 16)
    with pytest.raises(Damaged):
        decode(b"\xff" * 40, 100, replay([distribution] * 100), 40)
