from __future__ import annotations

import bitstream_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream.entropy.fit import round_frequencies
from bitstream.entropy.rangecoder import Decoders, Distribution, FewDecoders, canonical_tail, encode


def payload_of(tables: list[list[int]], symbols: list[int], precision: int) -> bytes:
    edges = [(sum(table[:symbol]), table[symbol]) for table, symbol in zip(tables, symbols, strict=True)]
    return encode(np.array(edges, np.int64).T, precision)


def decoded(payload: bytes, tables: list[list[int]], precision: int) -> list[list[int]]:
    """The symbols by either decoder, which both must find the payload sound."""
    few, many = FewDecoders([payload], precision), Decoders([payload], precision)
    found = [
        [few.symbols([Distribution(table)])[0][0] for table in tables],
        [int(many.symbols(np.array([table]))[0][0]) for table in tables],
    ]
    for decoder in (few, many):
        assert not decoder.overrun()
        assert decoder.written(canonical_tail) == [payload]
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**63), st.integers(1, 300), st.sampled_from((8, 16, 22)), st.floats(0.02, 20))
def test_payload_is_what_the_format_says(seed: int, count: int, precision: int, spread: float) -> None:
    """Against unlimited integers: carries, held-back words and the tail are all as the format says."""
    rng = np.random.default_rng(seed)
    made = [round_frequencies(rng.dirichlet(np.full(n, spread)), precision).tolist() for n in rng.integers(2, 30, 10)]
    tables = [made[i] for i in rng.integers(0, 10, count)]
    symbols = [int(rng.choice(len(table), p=np.array(table) / 2.0**precision)) for table in tables]
    payload = payload_of(tables, symbols, precision)
    assert payload == reference.range_encode(list(zip(tables, symbols, strict=True)), precision)
    assert decoded(payload, tables, precision) == [symbols] * 2
    decoder = reference.RangeDecoder(payload)
    assert [decoder.symbol(table, precision) for table in tables] == symbols


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((4, 16, 22)))
def test_an_interval_may_lie_anywhere(seed: int, precision: int) -> None:
    """At either end, next to it, as narrow as can be or nearly whole; what is certain and what is no symbol cost nothing."""
    rng = np.random.default_rng(seed)
    whole = 2**precision
    edges = [(0, 1), (whole - 1, 1), (0, whole - 1), (1, whole - 1), (1, 1), (whole - 2, 1), (1, whole - 2)]
    chosen = [edges[i] for i in rng.integers(0, len(edges), 40)]
    pairs = [([left, width, whole - left - width], 1) for left, width in chosen]
    mixed = np.array([*chosen[:20], (0, whole), (3, 0), *chosen[20:]], np.int64).T
    assert encode(mixed, precision) == reference.range_encode(pairs, precision)


@pytest.mark.parametrize("symbol", [0, 1, 2])
def test_long_runs_of_one_symbol(symbol: int) -> None:
    """Runs at either end of the interval make the longest carries; the lower end is all zeros."""
    table = [20000, 25536, 20000]
    payload = payload_of([table] * 3000, [symbol] * 3000, 16)
    assert payload == reference.range_encode([(table, symbol)] * 3000, 16)
    assert (payload.strip(b"\0") == b"") == (symbol == 0)
    assert decoded(payload, [table] * 3000, 16) == [[symbol] * 3000] * 2


def test_points_outside_the_range_are_told() -> None:
    table = [1, 2**16 - 1]
    few, many = FewDecoders([b"\xff" * 40], 16), Decoders([b"\xff" * 40], 16)
    for _ in range(100):
        few.symbols([Distribution(table)])
        many.symbols(np.array([table]))
    for decoder in (few, many):
        assert decoder.written(canonical_tail) == [None]
