"""Tables of an MP4 file, held against the bytes that are there: FFmpeg takes memory for as many samples as they state."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from .starts import Bytes, is_chunk, places

_WIDTHS = {b"stts": 64, b"ctts": 64, b"stsc": 96, b"stco": 32, b"co64": 64, b"stss": 32, b"stsz": 32, b"stz2": 0, b"trun": 0}
"""Bits of a row; 0 where the table says it."""

_FEW = 1 << 18
"""So many samples take little memory, whatever the file's length: a file that was cut short may state more than it holds."""

_ABSURD = 1 << 29
"""So many FFmpeg refuses itself; and it is what text looks like in which a table's name is found (trunk)."""

_AT_ONCE = 160
"""Samples of PCM, or more, that FFmpeg takes for one."""

_PACKED = (b"ima4", b"agsm", b"MAC3", b"MAC6")
"""Codings of QuickTime's first years, whose index calls a sample's size 1."""


def states_too_much(data: Bytes, file: range) -> bool:
    """Whether the tables of an MP4 file have fewer rows than they state, or state more samples than it has bytes.

    ISO/IEC 14496-12, sections 8.6 to 8.8. Tables are found by their names, wherever they stand but among the samples.
    """
    samples = chunks = 0
    runs: list[tuple[int, int]] = []
    for kind, start, stop in _tables(data, file):
        flags, rows = struct.unpack_from(">II", data, start)
        bits, begin = _WIDTHS[kind], start + 8
        if kind in (b"stsz", b"stz2"):  # the size of all samples, or in stz2 the bits of each size, comes first
            size, begin = rows, start + 12
            rows = int.from_bytes(data[start + 8 : start + 12], "big")
            bits = size & 0xFF if kind == b"stz2" else 0 if size else 32
            if size == 1 and any(data.find(name, file.start, file.stop) >= 0 for name in _PACKED):
                rows //= _AT_ONCE  # they are counted one by one, and stored many in one
        elif kind == b"trun":
            bits = 32 * (flags >> 8 & 15).bit_count()
        if rows >= _ABSURD:
            continue
        if rows > _FEW and bits * rows > 8 * (stop - begin):
            return True
        if kind in (b"stsz", b"stz2", b"trun"):
            samples += rows
        elif kind in (b"stco", b"co64"):
            chunks = max(chunks, rows)
        elif kind == b"stsc":
            runs.append((begin, rows))
    samples = max([samples, *(_samples(data, begin, rows, chunks) // _AT_ONCE for begin, rows in runs)])
    return samples > max(len(file), _FEW)


def _tables(data: Bytes, file: range) -> Iterator[tuple[bytes, int, int]]:
    """Names, and where the contents start and stop at the latest."""
    position = file.start
    while position + 8 <= file.stop:
        size, kind = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= file.stop:
            (size,) = struct.unpack_from(">Q", data, position + 8)
        stop = min(file.stop, position + size) if size >= 8 else file.stop
        if is_chunk(kind) and stop - position > 16 and kind not in (b"mdat", b"free", b"skip"):
            for name in _WIDTHS:
                for place in places(data, name, position + 4, stop):
                    (length,) = struct.unpack_from(">I", data, place - 4)
                    start = place + (12 if length == 1 else 4)
                    end = min(stop, place - 4 + length) if length > 1 else stop
                    if end - start >= 8:
                        yield name, start, end
        position = stop


def _samples(data: Bytes, begin: int, rows: int, chunks: int) -> int:
    """How many the chunks have: each row tells it of the chunks from its first one on."""
    rows = min(rows, (len(data) - begin) // 12)
    table = np.frombuffer(data[begin : begin + 12 * rows], ">u4").reshape(-1, 3).astype(np.float64)
    last = np.append(table[1:, 0], max(chunks + 1, table[-1, 0])) if rows else table[:, 0]
    return int(np.maximum(0, last - table[:, 0]) @ table[:, 1])
