"""Where full packets could begin among bytes that nothing is known of: all places at once, for there may be millions.

A place is worth a closer look if the record that would begin there is followed by one whose check implies the next number. What
the check of each implies follows from the CRCs of all beginnings of the bytes: that of a part of them is the difference of two.
"""

from __future__ import annotations

from binascii import crc_hqx
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bitstream.stream.framing import END, FULL_END, GATHER, LAST, LONG, Layout
from bitstream.stream.header import CRC_START

REACH = 512
"""Two records have no more bytes, but for those whose length takes several."""

_ROW = 256

Words = NDArray[np.int32]

_FIRST = np.arange(256)
_IS_END = (_FIRST > END) & (_FIRST <= LAST) | (_FIRST == FULL_END)
_HEAD: Words = np.select(
    [_FIRST < LONG, _FIRST == FULL_END, _FIRST > LAST, _FIRST > END], [1, 1, _FIRST - LAST + 2, _FIRST - END + 1], 0
).astype(np.int32)
"""By a record's first byte, in version 2, how many bytes stand before its check; 0: see `_long`, or none can begin so."""


def places(data: bytes, count: int, final: bool, layout: Layout) -> list[int]:
    """Places below `count` where a record may begin that speaks for itself, in order, and few others.

    `final`: the stream ends where `data` does; else `data` must reach REACH bytes beyond `count`.
    """
    octets, count = np.frombuffer(data, np.uint8).astype(np.int32), min(count, len(data))
    number, stop = _implied(octets, layout.version)
    number, long = np.append(number, -1), np.append(_long(octets, layout), False)
    own, after = number[:count], stop[:count]
    likely = (own >= 0) & ((number[after] == (own + 1 & 0xFFFF)) | long[after]) | long[:count]
    if final:
        likely |= (own >= 0) & (after == len(data))
    return np.flatnonzero(likely).tolist()


def _long(octets: Words, layout: Layout) -> NDArray[np.bool_]:
    """Where a length of more than a byte may stand: such are rare, and left for the closer look."""
    found = octets >= 0x80 if layout.version == 1 else octets == LONG
    found[:-1] &= octets[1:] <= layout.max_payload >> (7 if layout.version == 1 else 8)
    return found


def _implied(octets: Words, version: int) -> tuple[Words, Words]:
    """At each place the number modulo 65536 with which a record's check is right, and where that record stops.

    The number is -1 where the bytes end before, and where none can begin but one with a length of more than a byte.
    """
    size = len(octets)
    crc, start = _running(octets), np.arange(size, dtype=np.int32)
    head = np.where(octets < 0x80, np.int32(1), np.int32(0)) if version == 1 else _HEAD[octets]
    check = np.minimum(start + head, size)  # where it stands
    length = octets[check - 1]
    if version > 1:
        length = np.where(_IS_END[octets], 0, length)
    stop = check + 2 + length
    fits = (head > 0) & (length < LONG) & (stop <= size)
    check, length, stop = check[fits], length[fits], stop[fits]
    value = crc[check] ^ _shifted(crc[start[fits]] ^ CRC_START, head[fits])
    value = crc[stop] ^ _shifted(crc[check + 2] ^ value, length)
    value ^= octets[check] << 8 ^ octets[check + 1]
    number, behind = np.full(size, -1, np.int32), np.full(size, size, np.int32)
    number[fits] = value if version == 1 else value * GATHER & 0xFFFF
    behind[fits] = stop
    return number, behind


def _running(octets: Words) -> Words:
    """(n,) bytes -> (n + 1,) CRCs, begun with 0, of the first 0, 1, ... n of them."""
    rows = -(-len(octets) // _ROW)
    table = np.pad(octets, (0, rows * _ROW - len(octets))).reshape(rows, _ROW)
    crc = np.zeros((rows, _ROW + 1), np.int32)
    one = _tables()[:, 1]
    for column in range(_ROW):
        before = crc[:, column]
        crc[:, column + 1] = (before << 8 & 0xFFFF) ^ one[0, before >> 8 ^ table[:, column]]
    state, starts = 0, np.zeros(rows, np.int32)
    high, low = _tables()[:, _ROW].tolist()
    for row, own in enumerate(crc[:, _ROW].tolist()):
        starts[row] = state
        state = high[state >> 8] ^ low[state & 255] ^ own
    whole = crc[:, :_ROW] ^ _shifted(starts[:, None], np.arange(_ROW)[None])
    return np.append(whole, state if len(octets) == rows * _ROW else 0)[: len(octets) + 1].astype(np.int32)


def _shifted(crc: Words, count: NDArray[np.signedinteger]) -> Words:
    """CRCs after `count` more bytes, all 0, at most 256."""
    high, low = _tables()
    result: Words = high[count, crc >> 8] ^ low[count, crc & 255]
    return result


@cache
def _tables() -> Words:
    """(2, 257, 256): what the high and the low byte of a CRC become after so many bytes 0."""
    table = np.array([crc_hqx(bytes([value]), 0) for value in range(256)], np.int32)
    parts = np.stack([np.arange(256, dtype=np.int32) << 8, np.arange(256, dtype=np.int32)])
    every = [parts]
    for _ in range(_ROW):
        parts = (parts << 8 & 0xFFFF) ^ table[parts >> 8]
        every.append(parts)
    return np.stack(every, 1)
