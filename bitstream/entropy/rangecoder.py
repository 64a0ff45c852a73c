"""Integer frequencies -> bytes and back, by constriction's range coder, in about as few bytes as decode.

docs/bitstream.md, section 3. constriction encodes, all symbols of a packet in one call. Decoding, where each symbol tells the
next one's frequencies, is arithmetic of our own: of Python's numbers for a few packets, of NumPy's for many, both in less time
than constriction takes to be handed the frequencies of a symbol that has some of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

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


def canonical_tail(low: int, width: int, size: int) -> bytes:
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


def shortest_tail(low: int, width: int, size: int) -> bytes:
    """The tail in version 1: the shortest bytes that, continued in zeros, name a point; the smallest of them."""
    high = low + width
    # What is certain is shared by both ends; from there on, take whole bytes until a multiple fits in.
    shift = 8 * (((low ^ (high - 1)).bit_length() + 7) // 8)
    while (point := -(-low >> shift) << shift) >= high:
        shift -= 8
    return point.to_bytes(size, "big").rstrip(b"\0")


def encode(edges: NDArray[np.int64], precision: int, tail: Tail = canonical_tail) -> bytes:
    """The canonical payload of symbols whose intervals are given, (2, n): left edges and widths in units of 2**-precision.

    A width of 0 stands for no symbol, and a whole one for what is certain.
    """
    left, width = edges[:, (edges[1] > 0) & (edges[1] < 2**precision)] << CODER_PRECISION - precision
    # To constriction each is one of three symbols: what lies to its left, it, and what lies to its right; where nothing does, the
    # other side counts as two. It takes floats w and, with perfect=False, puts the left edge of symbol i, in units of 2**-24, at
    # floor((w[0] + ... + w[i-1]) * s) + i, where s = (2**24 - 3) / sum(w). With w[i] = F[i] - 1 every w and every sum of them is
    # an integer below 2**24, exact in float32 in any order of summation, and s is exactly 1: nothing is rounded.
    right = left + width
    low, high = left == 0, right == WHOLE
    first, second = np.where(low, width, np.where(high, 1, left)), np.where(low, width + 1, np.where(high, left, right))
    parts = np.stack([first, second - first, WHOLE - second], axis=1)
    symbols = np.where(low, 0, np.where(high, 2, 1)).astype(np.int32)
    from constriction import stream  # when first needed: a program that only counts or forwards packets never does

    encoder = stream.queue.RangeEncoder()
    encoder.encode(symbols, stream.model.Categorical(perfect=False), (parts - 1).astype(np.float32))
    position, (lower, interval) = encoder.pos()
    words, size = encoder.get_compressed(), 4 * position + 8
    sealed = int.from_bytes(words.astype(">u4").tobytes().ljust(size, b"\0"), "big")
    # `lower` is the interval's lower end modulo 2**64, and constriction's own words name a point within the interval
    # (whose width is below 2**64). Together they give the lower end in full, whatever words the encoder still holds back.
    return tail(sealed - ((sealed - int(lower)) & (2**64 - 1)), int(interval), size)


class FewDecoders:
    """Range decoders of a few packets side by side, in Python's numbers: calls of NumPy would take longer than the work."""

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        self._payloads, self._shift = payloads, CODER_PRECISION - precision
        self._ahead = [int.from_bytes(payload[:8].ljust(8, b"\0"), "big") for payload in payloads]
        self._width = [2**64 - 1] * len(payloads)
        self._size = [8] * len(payloads)
        self._broken = [False] * len(payloads)

    def symbols(self, distributions: Sequence[Distribution]) -> tuple[list[int], list[int]]:
        """The next symbol of the first packets, one for each distribution, and its frequency."""
        chosen, frequencies = [], []
        for lane, distribution in enumerate(distributions):
            width, ahead, upper = self._width[lane], self._ahead[lane], distribution.upper
            scale = width >> CODER_PRECISION
            symbol = bisect_right(upper, ahead // scale >> self._shift)
            if symbol == len(upper):
                self._broken[lane], ahead, symbol = True, 0, 0
            own = distribution.frequencies[symbol]
            ahead -= scale * (upper[symbol] - own << self._shift)
            width = scale * (own << self._shift)
            if width < 2**32:
                size = self._size[lane]
                ahead = ahead << 32 | int.from_bytes(self._payloads[lane][size : size + 4].ljust(4, b"\0"), "big")
                width, self._size[lane] = width << 32, size + 4
            self._ahead[lane], self._width[lane] = ahead, width
            chosen.append(symbol)
            frequencies.append(own)
        return chosen, frequencies

    def overrun(self) -> bool:
        """Whether the symbols so far take more bytes than any payload has; in version 1 it may yet be the right one."""
        return all(size - 8 > len(payload) for size, payload in zip(self._size, self._payloads, strict=True))

    def written(self, tail: Tail) -> list[bytes | None]:
        """What an encoder writes for the symbols: many byte strings decode to the same ones, and only this is a writer's.

        None for what is no output of an encoder.
        """
        return list(map(partial(_written, tail), self._payloads, self._ahead, self._width, self._size, self._broken))


class Decoders:
    """The same for many packets, by NumPy."""

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        size = max(map(len, payloads)) // 4 + 3
        # The last word of each is 0, and is what follows it without end.
        words = np.frombuffer(b"".join(payload.ljust(4 * size, b"\0") for payload in payloads), dtype=">u4")
        self._words = words.reshape(len(payloads), size).astype(np.uint64)
        self._payloads, self._shift = payloads, np.uint64(CODER_PRECISION - precision)
        self._everyone = np.arange(len(payloads))
        self._ahead = self._words[:, 0] << np.uint64(32) | self._words[:, 1]
        self._width = np.full(len(payloads), 2**64 - 1, dtype=np.uint64)
        self._size = np.full(len(payloads), 8)
        self._lengths = np.array([len(payload) for payload in payloads])
        self._broken = np.zeros(len(payloads), dtype=bool)

    def symbols(self, frequencies: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The next symbol of the first `count` packets, of frequencies (count, alphabet), and its frequency."""
        upper = np.cumsum(frequencies, axis=1)
        count = len(upper)
        everyone, ahead, width = self._everyone[:count], self._ahead[:count], self._width[:count]
        scale = width >> np.uint64(CODER_PRECISION)
        quantile = (ahead // scale) >> self._shift
        outside = quantile >= np.uint64(upper[0, -1])
        if outside.any():
            self._broken[:count] |= outside
            quantile[outside] = ahead[outside] = 0
        chosen = (upper <= quantile[:, None].astype(np.int64)).sum(axis=1)
        own = frequencies[everyone, chosen]
        left = upper[everyone, chosen] - own
        ahead -= scale * (left.astype(np.uint64) << self._shift)
        width[:] = scale * (own.astype(np.uint64) << self._shift)
        short = np.flatnonzero(width < np.uint64(2**32))
        if len(short):
            word = np.minimum(self._size[short] // 4, self._words.shape[1] - 1)
            ahead[short] = ahead[short] << np.uint64(32) | self._words[short, word]
            width[short] <<= np.uint64(32)
            self._size[short] += 4
        return chosen, own

    def overrun(self) -> bool:
        """As of FewDecoders."""
        return bool((self._size - 8 > self._lengths).all())

    def written(self, tail: Tail) -> list[bytes | None]:
        """As of FewDecoders."""
        state = (each.tolist() for each in (self._ahead, self._width, self._size, self._broken))
        return list(map(partial(_written, tail), self._payloads, *state))


def _written(tail: Tail, payload: bytes, ahead: int, width: int, size: int, broken: bool) -> bytes | None:
    # What was read is the interval's lower end and what lies ahead of it: so an encoder's state is known without encoding.
    return None if broken else tail(int.from_bytes(payload[:size].ljust(size, b"\0"), "big") - ahead, width, size)
