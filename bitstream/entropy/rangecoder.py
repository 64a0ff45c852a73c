"""Integer frequencies -> bytes and back, by constriction's range coder, in about as few bytes as decode.

docs/bitstream.md, section 3. constriction encodes, all symbols of a packet in one call. Decoding, where each symbol tells the
next one's frequencies, is arithmetic of our own: of Python's numbers for a few packets, of NumPy's for many, both in less time
than constriction takes to be handed the frequencies of a symbol that has some of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODER_PRECISION = 24
WHOLE = 2**CODER_PRECISION


class Distribution:
    """Integer frequencies of one symbol, (alphabet,), each >= 1, summing to 2**precision; `upper` has their sums.

    The frequencies are trusted here; who makes them checks them.
    """

    __slots__ = ("frequencies", "upper")

    def __init__(self, frequencies: Sequence[int]) -> None:
        self.frequencies = frequencies
        self.upper = list(accumulate(frequencies))


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


def encode(edges: NDArray[np.int64], precision: int, tail: Tail = near) -> bytes:
    """The canonical payload of symbols whose intervals are given, (2, n): left edges and widths in units of 2**-precision.

    A width of 0 stands for no symbol, and a whole one for what is certain.
    """
    left, width = edges[:, (edges[1] > 0) & (edges[1] < 2**precision)] << CODER_PRECISION - precision
    right = left + width
    # To constriction each is one of three symbols: what lies to its left, it, and what lies to its right; where nothing does, the
    # other side counts as two. It takes floats w and, with perfect=False, puts the left edge of symbol i, in units of 2**-24, at
    # floor((w[0] + ... + w[i-1]) * s) + i, where s = (2**24 - 3) / sum(w). With w[i] = F[i] - 1 every w and every sum of them is
    # an integer below 2**24, exact in float32 in any order of summation, and s is exactly 1: nothing is rounded.
    right = left + width
    low, high = left == 0, right == WHOLE
    first, second = np.where(low, width, np.where(high, 1, left)), np.where(low, width + 1, np.where(high, left, right))
    parts = np.stack([first, second - first, WHOLE - second], axis=1)
    symbols = np.where(low, 0, np.where(high, 2, 1)).astype(np.int32)
    stream = _constriction().stream
    encoder = stream.queue.RangeEncoder()
    encoder.encode(symbols, stream.model.Categorical(perfect=False), (parts - 1).astype(np.float32))
    return _payload(encoder, tail)


class FewDecoders:
    """Range decoders of a few packets side by side, in Python's numbers: calls of NumPy would take longer than the work.

    Attributes:
        broken: (n,), which met what no encoder writes.
    """

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        self._words = [_words(payload, len(payload) // 4 + 2).tolist() for payload in payloads]
        self._at = [2] * len(payloads)
        self._ahead = [words[0] << 32 | words[1] for words in self._words]
        self._width = [2**64 - 1] * len(payloads)
        self._precision, self._shift = precision, CODER_PRECISION - precision
        self._sizes = np.array([len(payload) for payload in payloads])
        self._edges: list[list[tuple[int, int]]] = [[] for _ in payloads]
        self.broken = np.zeros(len(payloads), dtype=bool)

    def symbols(self, distributions: Sequence[Distribution]) -> tuple[list[int], list[int]]:
        """The next symbol of the first packets, one for each distribution, and its frequency."""
        chosen, frequencies = zip(*map(self._symbol, range(len(distributions)), distributions), strict=True)
        return list(chosen), list(frequencies)

    def _symbol(self, lane: int, distribution: Distribution) -> tuple[int, int]:
        scale, upper = self._width[lane] >> CODER_PRECISION, distribution.upper
        symbol = bisect_right(upper, self._ahead[lane] // scale >> self._shift)
        if symbol == len(upper):
            self.broken[lane], self._ahead[lane] = True, 0
            symbol = 0
        own = distribution.frequencies[symbol]
        left = upper[symbol] - own
        ahead, width = self._ahead[lane] - scale * (left << self._shift), scale * (own << self._shift)
        if width < 2**32:
            words, at = self._words[lane], self._at[lane]
            ahead, width = ahead << 32 | (words[at] if at < len(words) else 0), width << 32
            self._at[lane] = at + 1
        self._ahead[lane], self._width[lane] = ahead, width
        self._edges[lane].append((left, own))
        return symbol, own

    def overrun(self) -> NDArray[np.bool_]:
        """(n,): the symbols so far take more bytes than the payload has; in version 1 it may yet be the right one."""
        return 4 * (np.array(self._at) - 2) > self._sizes

    def payloads(self, tail: Tail) -> list[bytes]:
        """What an encoder writes for the symbols: many byte strings decode to the same ones, and only this is a writer's."""
        return [encode(np.array(edges, dtype=np.int64).reshape(-1, 2).T, self._precision, tail) for edges in self._edges]


class Decoders:
    """The same for many packets, by NumPy."""

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        size = max(map(len, payloads)) // 4 + 3
        # The last word of each is 0, and is what follows it without end.
        self._words = np.stack([_words(payload, size) for payload in payloads]).astype(np.uint64)
        self._at = np.full(len(payloads), 2)
        self._everyone = np.arange(len(payloads))
        self._ahead = self._words[:, 0] << np.uint64(32) | self._words[:, 1]
        self._width = np.full(len(payloads), 2**64 - 1, dtype=np.uint64)
        self._precision, self._shift = precision, np.uint64(CODER_PRECISION - precision)
        self._sizes = np.array([len(payload) for payload in payloads])
        self._edges: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self.broken = np.zeros(len(payloads), dtype=bool)

    def symbols(self, frequencies: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The next symbol of the first `count` packets, of frequencies (count, alphabet), and its frequency."""
        upper = np.cumsum(frequencies, axis=1)
        count = len(upper)
        everyone, ahead, width = self._everyone[:count], self._ahead[:count], self._width[:count]
        scale = width >> np.uint64(CODER_PRECISION)
        quantile = (ahead // scale) >> self._shift
        outside = quantile >= np.uint64(upper[0, -1])
        if outside.any():
            self.broken[:count] |= outside
            quantile[outside] = ahead[outside] = 0
        chosen = (upper <= quantile[:, None].astype(np.int64)).sum(axis=1)
        own = frequencies[everyone, chosen]
        left = upper[everyone, chosen] - own
        ahead -= scale * (left.astype(np.uint64) << self._shift)
        width[:] = scale * (own.astype(np.uint64) << self._shift)
        short = np.flatnonzero(width < np.uint64(2**32))
        if len(short):
            at = self._at[short]
            ahead[short] = ahead[short] << np.uint64(32) | self._words[short, np.minimum(at, self._words.shape[1] - 1)]
            width[short] <<= np.uint64(32)
            self._at[short] = at + 1
        self._edges.append((left, own))
        return chosen, own

    def overrun(self) -> NDArray[np.bool_]:
        """As of FewDecoders."""
        return np.asarray(4 * (self._at - 2) > self._sizes)

    def payloads(self, tail: Tail) -> list[bytes]:
        """As of FewDecoders."""
        edges = np.zeros((2, len(self._edges), len(self._at)), dtype=np.int64)
        for step, (left, own) in enumerate(self._edges):
            edges[:, step, : len(own)] = left, own
        return [encode(edges[..., lane], self._precision, tail) for lane in self._everyone]


def _words(payload: bytes, count: int) -> NDArray[np.uint32]:
    """So many words of a payload and the zeros that follow it."""
    return np.frombuffer(payload.ljust(4 * count, b"\0"), dtype=">u4", count=count).astype(np.uint32)


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


@cache
def _constriction() -> Any:
    # Imported when first needed: a program that only counts or forwards packets never is.
    import constriction

    return constriction
