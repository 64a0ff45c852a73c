"""Symbols as one number in mixed radix, the first most significant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def radix_bytes(alphabets: Iterable[int]) -> int:
    """Bytes of the largest number."""
    return ((math.prod(alphabets) - 1).bit_length() + 7) // 8


def to_radix(symbols: Sequence[int], alphabets: Sequence[int]) -> bytes:
    """Symbols, each below its alphabet -> the number, big-endian, in `radix_bytes(alphabets)` bytes."""
    number = 0
    for symbol, alphabet in zip(symbols, alphabets, strict=True):
        number = number * alphabet + symbol
    return number.to_bytes(radix_bytes(alphabets), "big")


def from_radix(data: bytes, alphabets: Sequence[int]) -> list[int]:
    """Inverse of `to_radix`. Raises ValueError for a number that it never gives."""
    number, symbols = int.from_bytes(data, "big"), []
    for alphabet in reversed(alphabets):
        number, symbol = divmod(number, alphabet)
        symbols.append(symbol)
    if number:
        raise ValueError("out of range")
    return symbols[::-1]
