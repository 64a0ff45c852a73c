"""Integer frequencies -> bytes and back, by constriction's range coder, in about as few bytes as decode.

The place where a stronger model plugs in is `Predictions`: a generator that yields the distribution of the next symbol and
is sent the symbol. Both directions drive the same generator, so they cannot disagree about what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import Damaged

CODER_PRECISION = 24


class Distribution:
    """Integer frequencies of one symbol, (alphabet,), each >= 1, summing to 2**precision; ready for the coder.

    The frequencies are trusted here; who makes them checks them.
    """

    __slots__ = ("frequencies", "model")

    def __init__(self, frequencies: NDArray[np.unsignedinteger[Any]], precision: int) -> None:
        self.frequencies = frequencies
        # A certain symbol costs nothing and never reaches the coder, which has no model for it.
        self.model = None if len(frequencies) == 1 else _categorical(frequencies, precision)


Predictions = Generator[Distribution, int, None]
"""The distribution of each symbol of a packet in coding order; the symbol itself is sent back each time."""


Tail = Callable[[int, int, int], bytes]
"""low, width and size of the last interval, low .. low + width - 1 in numbers of `size` bytes -> the payload."""


def near(low: int, width: int, size: int) -> bytes:
    """The payload's tail: the smallest point with so many zero bytes at its end, which are left away.

    They are as many as make a unit at most four times as large as the interval, or one less if no such point lies in it. More
    could be left away by chance now and then. But that the length follows from the width is a check of about five bits, and
    costs a third of one.
    """
    zeros = (width.bit_length() + 1) // 8
    point = -(-low >> 8 * zeros)
    if point << 8 * zeros >= low + width:
        zeros -= 1
        point = -(-low >> 8 * zeros)
    return point.to_bytes(size - zeros, "big")


def shortest(low: int, width: int, size: int) -> bytes:
    """The tail in version 1: the shortest bytes that, continued in zeros, name a point; the smallest of them."""
    high = low + width
    # What is certain is shared by both ends; from there on, take whole bytes until a multiple fits in.
    shift = 8 * (((low ^ (high - 1)).bit_length() + 7) // 8)
    while (point := -(-low >> shift) << shift) >= high:
        shift -= 8
    return point.to_bytes(size, "big").rstrip(b"\0")


def encode(symbols: Sequence[int], predictions: Predictions, tail: Tail = near) -> bytes:
    """Code at least one symbol, each within its predicted alphabet. Returns the canonical payload."""
    encoder = _constriction().stream.queue.RangeEncoder()
    put, send = encoder.encode, predictions.send
    distribution = next(predictions)
    last = len(symbols) - 1
    for i, symbol in enumerate(symbols):
        if distribution.model is not None:
            put(symbol, distribution.model)
        if i < last:
            distribution = send(symbol)
    predictions.close()
    return _payload(encoder, tail)


def decode(payload: bytes, count: int, predictions: Predictions, max_payload: int, tail: Tail = near) -> list[int]:
    """Decode `count` symbols, at least 1; the payload continues in zeros.

    Raises Damaged unless the payload is exactly what `encode` gives for some symbols.
    """
    words = np.frombuffer(payload.ljust((max_payload + 19) // 4 * 4, b"\0"), dtype=">u4").astype(np.uint32)
    get = _constriction().stream.queue.RangeDecoder(words).decode
    # Many byte strings decode to the same symbols and one of them is written: anything else did not come from a writer.
    encoder = _constriction().stream.queue.RangeEncoder()
    put, send = encoder.encode, predictions.send
    symbols: list[int] = []
    distribution = next(predictions)
    while True:
        symbol = 0
        if distribution.model is not None:
            try:
                symbol = get(distribution.model)
            except AssertionError as error:  # how constriction reports a point outside the coder's range
                raise Damaged("the payload is no output of the range coder") from error
            put(symbol, distribution.model)
        symbols.append(symbol)
        if len(symbols) == count:
            break
        # More symbols than the payload has bytes for: in version 1 it may yet be the right one.
        if tail is near and len(symbols) % 16 == 0 and 4 * encoder.pos()[0] > len(payload):
            raise Damaged("the payload is not in canonical form")
        distribution = send(symbol)
    predictions.close()
    if _payload(encoder, tail) != payload:
        raise Damaged("the payload is not in canonical form")
    return symbols


def _categorical(frequencies: NDArray[np.unsignedinteger[Any]], precision: int) -> Any:
    """A constriction model whose probability of symbol i is exactly frequencies[i] / 2**precision.

    constriction takes floats w and, with perfect=False, places the left edge of symbol i, in units of 2**-24, at
    floor((w[0] + ... + w[i-1]) * s) + i, where s = (2**24 - n) / sum(w). With w[i] = f[i] * 2**(24 - precision) - 1 every
    w and every partial sum is an integer below 2**24, exact in float32 in any order of summation, and s is exactly 1. So the
    edge is the integer (f[0] + ... + f[i-1]) * 2**(24 - precision), with no rounding anywhere.
    """
    scaled = frequencies.astype(np.int64) << (CODER_PRECISION - precision)
    return _constriction().stream.model.Categorical((scaled - 1).astype(np.float32), perfect=False)


def _payload(encoder: Any, tail: Tail) -> bytes:
    """The canonical payload of what constriction's encoder holds."""
    position, (lower, width) = encoder.pos()
    words = encoder.get_compressed()
    if not len(words):
        return b""
    size = 4 * position + 8
    sealed = int.from_bytes(words.astype(">u4").tobytes().ljust(size, b"\0"), "big")
    # `lower` is the interval's lower end modulo 2**64, and constriction's own words name a point within the interval
    # (whose width is below 2**64). Together they give the lower end in full, whatever words the encoder still holds back.
    return tail(sealed - ((sealed - int(lower)) & (2**64 - 1)), int(width), size)


def encode_intervals(lefts: Sequence[int], widths: Sequence[int], tail: Tail = near) -> bytes:
    """The same payload from each symbol's left edge and width in units of 2**-24: docs/bitstream.md, section 3.2.

    For symbols whose intervals are known beforehand, where no distribution need be handed over in full.
    """
    low, width, size = 0, 2**64 - 1, 8
    for left, part in zip(lefts, widths, strict=True):
        scale = width >> CODER_PRECISION
        low += scale * left
        width = scale * part
        if width < 2**32:
            low <<= 32
            width <<= 32
            size += 4
    return tail(low, width, size)


@cache
def _constriction() -> Any:
    # Imported when first needed: a program that only counts or forwards packets never is.
    import constriction

    return constriction
