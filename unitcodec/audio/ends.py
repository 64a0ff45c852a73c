"""Where files end that are no list of chunks around their samples: MP4, Matroska, Ogg, FLV, TTA, WavPack."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .starts import Bytes, is_chunk, kind_at, padding_end

_COMMON_BOXES = (b"moof", b"mdat", b"free", b"skip", b"sidx", b"prft", b"emsg")
"""Of which there may be many."""

_ELEMENTS = frozenset((
    0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
    0xEC, 0xBF, 0xE7, 0xA7, 0xAB, 0xA0, 0xA3, 0x5854,
))  # fmt: skip
"""IDs of what a Matroska file, its segment and its clusters hold; RFC 9559, section 5."""


def container_end(data: Bytes, start: int, kind: str | None) -> int | None:
    """Of the file of this kind that begins there; None where it cannot be told. It may lie behind the last byte that is there."""
    walk = _ENDS.get(kind or "")
    return None if walk is None else walk(data, start)


def _mp4_end(data: Bytes, start: int) -> int:
    """ISO/IEC 14496-12, section 4.2: boxes of a 32-bit size and a name; size 1: 64 bits behind the name; 0: to the end."""
    position = start
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind not in _COMMON_BOXES and position > start and (kind_at(data, position) or not is_chunk(kind)):
            break
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size == 0 and is_chunk(kind):
            return len(data)
        if size < 8:
            break
        position += size
    return min(position, len(data))


def _matroska_end(data: Bytes, start: int) -> int | None:
    """RFC 8794, section 4: elements of an ID and a size; one whose size is not known, as in live files, ends with its last child.

    None where it cannot be told.
    """
    position, known = start, True
    while position < len(data) and (position == start or not kind_at(data, position)):
        name, size, begin = _element(data, position)
        if name not in _ELEMENTS:
            break
        known = known and size is not None
        position = begin + (size or 0)
    if known or position >= len(data) or kind_at(data, padding_end(data, position)):
        return position
    return None


def _element(data: Bytes, position: int) -> tuple[int, int | None, int]:
    """ID, size, and where the content begins; no element has the ID 0."""
    head = data[position : position + 12]
    width = 9 - (head[0]).bit_length()
    count = 9 - head[width].bit_length() if len(head) > width else 9
    if width > 4 or count > 8 or len(head) < width + count:
        return 0, 0, position
    size = int.from_bytes(head[width : width + count], "big") - (1 << 7 * count)
    return int.from_bytes(head[:width], "big"), None if size == (1 << 7 * count) - 1 else size, position + width + count


def _ogg_end(data: Bytes, start: int) -> int:
    """Behind the pages that follow each other without a gap (RFC 3533, section 6), but for padding."""
    position = start
    while data[position : position + 4] == b"OggS" and position + 27 <= len(data):
        segments = data[position + 26]
        position += 27 + segments + sum(data[position + 27 : position + 27 + segments])
        if data[position : position + 4] != b"OggS":
            position = padding_end(data, position)
    return position


def _flv_end(data: Bytes, start: int) -> int:
    """FLV, annex E: a header of 9 bytes, then records of sound, pictures or text, and behind each how long it was."""
    position = start + 13
    while position + 15 <= len(data) and data[position] in (8, 9, 18) and data[position + 8 : position + 11] == bytes(3):
        position += 15 + int.from_bytes(data[position + 1 : position + 4], "big")
    return position


def _tta_end(data: Bytes, start: int) -> int | None:
    """A header of 22 bytes, and the sizes of all frames; a frame has 256/245 s."""
    if start + 22 > len(data):
        return None
    rate, samples = struct.unpack_from("<II", data, start + 10)
    frames = -(-samples // max(1, 256 * rate // 245))
    table = data[start + 22 : start + 22 + 4 * frames]
    if len(table) < 4 * frames:
        return None
    return start + 26 + len(table) + sum(size for (size,) in struct.iter_unpack("<I", table))


def _wavpack_end(data: Bytes, start: int) -> int:
    """Behind the blocks that follow each other; the first and the last may hold the header and the end of the WAV that it was."""
    position = start
    while data[position : position + 4] == b"wvpk" and position + 32 <= len(data):
        position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
    return position


_ENDS: dict[str, Callable[[Bytes, int], int | None]] = {
    "MP4": _mp4_end, "Matroska": _matroska_end, "Ogg": _ogg_end, "FLV": _flv_end, "TTA": _tta_end, "WavPack": _wavpack_end,
}  # fmt: skip
