from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream.entropy.spec import from_radix, radix_bytes, to_radix


@given(st.lists(st.integers(1, 1000), max_size=20), st.data())
def test_symbols_come_back(alphabets: list[int], draw: st.DataObject) -> None:
    symbols = [draw.draw(st.integers(0, alphabet - 1)) for alphabet in alphabets]
    data = to_radix(symbols, alphabets)
    assert len(data) == radix_bytes(alphabets)
    assert from_radix(data, alphabets) == symbols


def test_the_first_symbol_counts_most() -> None:
    assert to_radix([1, 2, 3], [4, 5, 6]) == bytes([1 * 30 + 2 * 6 + 3])


@given(st.lists(st.integers(1, 1000), max_size=20))
def test_a_number_beyond_the_last_is_told(alphabets: list[int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        from_radix(math.prod(alphabets).to_bytes(radix_bytes(alphabets) + 1, "big"), alphabets)
