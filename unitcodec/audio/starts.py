"""How files of sound begin, and what may lie between two of them that is no sound: tags and zeros."""

from __future__ import annotations

import heapq
import mmap
import re
from collections.abc import Iterator, Sequence

Bytes = bytes | mmap.mmap

_KINDS = {
    "WAV": rb"(?:RIFF|RIFX|RF64)....WAVE",
    "AVI": rb"RIFF....AVI LIST",
    "AIFF": rb"FORM....AIF[FC]",
    "CAF": rb"caff\0[\1\2]\0\0desc",
    "W64": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
    "AU": rb"\.snd\0\0......\0\0\0[\1-\x1b]",
    "FLAC": rb"fLaC\0\0\0\x22",
    "Ogg": rb"OggS\0[\2\6]",
    "MP4": rb"\0\0..ftyp[\x20-\x7e]{4}",
    "Matroska": rb"\x1aE\xdf\xa3.{0,40}?\x42\x82.(?:webm|matroska)",
    "FLV": rb"FLV\x01[\1\4\5]\0\0\0\x09",
    "TTA": rb"TTA1[\1-\3]\0",
    "WMA": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa",
}
"""Each is so long that no other bytes look like it."""

_START = re.compile(b"|".join(b"(?P<%s>%s)" % (kind.encode(), start) for kind, start in _KINDS.items()), re.DOTALL)

_LANDMARKS = (
    (b"WAVE", 8), (b"AVI LIST", 8), (b"AIF", 8), (b"caff\0", 0), (b"riff\x2e\x91", 0), (b".snd\0\0", 0), (b"fLaC\0\0", 0),
    (b"OggS\0", 0), (b"ftyp", 4), (b"FLV\1", 0), (b"TTA1", 0), (b"\x30\x26\xb2\x75\x8e\x66", 0),
)  # fmt: skip
"""Bytes that are quickly found, and how far they lie behind the start; Matroska is left out, for others have it inside."""

_SHORT = {
    b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"caff": "CAF", b"riff": "W64", b".snd": "AU",
    b"fLaC": "FLAC", b"OggS": "Ogg", b"\x1aE\xdf\xa3": "Matroska", b"FLV\1": "FLV", b"TTA1": "TTA", b"0&\xb2u": "WMA",
    b"wvpk": "WavPack",
}  # fmt: skip

_TAG = re.compile(rb"ID3[\x02-\x04].(?P<flags>.)(?P<id3>[\x00-\x7f]{4})|APETAGEX.{4}(?P<ape>.{4}).{16}", re.DOTALL)
"""ID3v2, section 3.1, and APEv2 with a header."""

_BEHIND_TAG = (b"\xff", b"ID3", b"APETAGEX", b"TAG", b"fLaC", b"RIFF", b"\0")
"""How it may go on there: sound can look like a tag's header, but not like all of it."""


def kind_at(data: Bytes, position: int = 0) -> str | None:
    """The kind of the file that begins there; None where none does whose beginning is unmistakable."""
    found = _START.match(data, min(position, len(data)))  # stated sizes have up to 64 bits
    return None if found is None else found.lastgroup


def kind_of_stump(data: Bytes) -> str | None:
    """The kind of a file by its first four bytes, which may be all that is left of it."""
    if data[:4] == b"RIFF" and len(data) >= 12 and data[8:12] != b"WAVE":
        return "AVI" if data[8:12] == b"AVI " else None  # pictures are RIFF, too
    return "MP4" if data[4:8] == b"ftyp" else _SHORT.get(data[:4])


class Starts:
    """Where files begin in ``data``, from front to back, searched byte by byte: each byte once, however many files there are."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._found = heapq.merge(*(self._of(*landmark) for landmark in _LANDMARKS))

    def _of(self, landmark: bytes, lead: int) -> Iterator[int]:
        found = self._data.find(landmark, lead)
        while found >= 0:
            if kind_at(self._data, found - lead):
                yield found - lead
            found = self._data.find(landmark, found + 1)

    def next(self, position: int, passed: Sequence[str] = ()) -> int:
        """The first at or behind ``position``, which never goes back, but for kinds ``passed``. The end where none is."""
        return next(
            (start for start in self._found if start >= position and kind_at(self._data, start) not in passed), len(self._data)
        )


def padding_end(data: Bytes, position: int) -> int:
    """Where something comes that is neither zeros nor a tag."""
    while (block := data[position : position + 65536]) and not kind_at(data, position):
        rest = block.lstrip(b"\0")
        position += len(block) - len(rest)
        if rest:
            if (box := data.find(b"ftyp", position, position + 6)) >= 0:
                return box - 4  # zeros are part of its size
            stop = tag_end(_TAG.match(data, position), data)
            if stop is None:
                break
            position = stop
    return position


def untagged(data: Bytes, file: range | None = None) -> list[range]:
    """Where the sound lies of MP3s that were put end to end, or of a FLAC, with tags between and behind.

    A tag may hold a picture, parts of which look like sound. One in front of the first is left to the library that decodes.
    """
    file = range(len(data)) if file is None else file
    spans: list[range] = []
    begin, position = file.start, front_tag_end(data, file.start)
    while (found := _TAG.search(data, position, file.stop)) is not None:
        stop = tag_end(found, data)
        if stop is not None:
            spans.append(range(begin, found.start()))
            begin = stop
        position = stop or found.start() + 1
    return [span for span in (*spans, range(begin, file.stop)) if span]


def front_tag_end(data: Bytes, position: int) -> int:
    """The end of a tag that begins there, or the same position."""
    return tag_end(_TAG.match(data, position), data) or position


def tag_end(found: re.Match[bytes] | None, data: Bytes) -> int | None:
    """None where no tag begins."""
    if found is None:
        return None
    if found["ape"] is not None:
        stop = found.end() + int.from_bytes(found["ape"], "little")
    else:
        size = sum(byte << 7 * place for place, byte in enumerate(reversed(found["id3"])))
        stop = found.end() + size + (10 if found["flags"][0] & 0x10 else 0)  # a footer
    follows = data[stop : stop + 8]
    return stop if stop == len(data) or (stop < len(data) and follows.startswith(_BEHIND_TAG)) else None
