"""How files of sound begin, and what may lie between two of them that is no sound: tags and zeros."""

from __future__ import annotations

import heapq
import mmap
import re
from collections.abc import Iterator, Sequence

from .mpeg import mpeg_kind

Bytes = bytes | mmap.mmap

_KINDS = {
    "WAV": rb"(?:RIFF|RIFX|RF64|BW64)....WAVE",
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
    "WavPack": rb"wvpk....[\x02-\x10]\x04",
    "WMA": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa",
}
"""Each is so long that no other bytes look like it."""

_START = re.compile(b"|".join(b"(?P<%s>%s)" % (kind.encode(), start) for kind, start in _KINDS.items()), re.DOTALL)

_LANDMARKS = (
    (b"WAVE", 8), (b"AVI LIST", 8), (b"AIF", 8), (b"caff\0", 0), (b"riff\x2e\x91", 0), (b".snd\0\0", 0), (b"fLaC\0\0", 0),
    (b"OggS\0", 0), (b"ftyp", 4), (b"\x1aE\xdf\xa3", 0), (b"FLV\1", 0), (b"TTA1", 0), (b"wvpk", 0),
    (b"\x30\x26\xb2\x75\x8e\x66", 0),
)  # fmt: skip
"""Bytes that are quickly found, and how far they lie behind the start. MPEG audio has none: it is known by where it stands."""

_SHORT = {
    b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"BW64": "WAV", b"FORM": "AIFF", b"caff": "CAF", b"riff": "W64",
    b".snd": "AU", b"fLaC": "FLAC", b"OggS": "Ogg", b"\x1aE\xdf\xa3": "Matroska", b"FLV\1": "FLV", b"TTA1": "TTA",
    b"0&\xb2u": "WMA", b"wvpk": "WavPack",
}  # fmt: skip

_FORMS = tuple(name for name, kind in _SHORT.items() if kind in ("WAV", "AIFF", "CAF", "W64"))
"""Names of whole files that are made of chunks."""

_NAME = re.compile(rb"[ -~]{4}")

_TAG = re.compile(rb"ID3[\x02-\x04].(?P<flags>.)(?P<id3>[\x00-\x7f]{4})|APETAGEX.{4}(?P<ape>.{4}).{16}", re.DOTALL)
"""ID3v2, section 3.1, and APEv2 with a header."""

_ZEROS = re.compile(rb"\0*")

MOST_TAGS = 1 << 15
"""In a row, or in one file; those behind are taken for what is no tag."""

_BEHIND_TAG = (b"\xff", b"ID3", b"APETAGEX", b"TAG", b"fLaC", b"RIFF", b"\0")
"""How it may go on there: sound can look like a tag's header, but not like all of it."""


def kind_at(data: Bytes, position: int = 0) -> str | None:
    """The kind of the file that begins there; None where none does whose beginning is unmistakable."""
    position = min(position, len(data))  # stated sizes have up to 64 bits
    if data[position : position + 1] == b"\xff":
        return mpeg_kind(data, position)
    found = _START.match(data, position)
    return None if found is None else found.lastgroup


def kind_of_stump(data: Bytes) -> str | None:
    """The kind of a file by its first four bytes, which may be all that is left of it."""
    if data[:4] == b"RIFF" and len(data) >= 12 and data[8:12] != b"WAVE":
        return "AVI" if data[8:12] == b"AVI " else None  # pictures are RIFF, too
    return "MP4" if data[4:8] == b"ftyp" else _SHORT.get(data[:4])


def is_chunk(kind: bytes) -> bool:
    """Whether these four bytes can be the name of a chunk within a file."""
    return kind not in _FORMS and _NAME.fullmatch(kind) is not None


class Starts:
    """Where files begin in ``data``, from front to back, searched byte by byte: each byte once, however many files there are."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._found = heapq.merge(*(self._of(*landmark) for landmark in _LANDMARKS))

    def _of(self, landmark: bytes, lead: int) -> Iterator[int]:
        return (found - lead for found in places(self._data, landmark, lead) if kind_at(self._data, found - lead))

    def next(self, position: int, passed: Sequence[str] = ()) -> int:
        """The first at or behind ``position``, which never goes back, but for kinds ``passed``. The end where none is."""
        return next(
            (start for start in self._found if start >= position and kind_at(self._data, start) not in passed), len(self._data)
        )


def padding_end(data: Bytes, position: int) -> int:
    """Where something comes that is neither zeros nor a tag."""
    for _ in range(MOST_TAGS):
        if position >= len(data) or kind_at(data, position):
            break
        zeros = _ZEROS.match(data, position)
        position = position if zeros is None else zeros.end()
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
    begin, position, last = file.start, head_end(data, file.start), last_tags(data, file)
    for start in heapq.merge(*(places(data, mark, position, last) for mark in (b"ID3", b"APETAGEX"))):
        stop = tag_end(_TAG.match(data, start), data) if start >= position else None
        if stop is not None:
            spans.append(range(begin, start))
            begin = position = stop
            if len(spans) == MOST_TAGS:
                break
    return [span for span in (*spans, range(begin, last)) if span]


def last_tags(data: Bytes, file: range) -> int:
    """Where the tags begin that are told by their ends: ID3v1, Lyrics3v2, and APEv2, whose header may be missing."""
    stop = file.stop
    while True:
        ape, lyrics = data[max(file.start, stop - 32) : stop], data[max(file.start, stop - 15) : stop]
        if data[max(file.start, stop - 128) : stop].startswith(b"TAG"):
            begin = stop - 128
        elif len(ape) == 32 and ape.startswith(b"APETAGEX"):
            begin = stop - int.from_bytes(ape[12:16], "little") - 32 * (ape[23] >> 7)
        elif lyrics.endswith(b"LYRICS200") and lyrics[:6].isdigit():
            begin = stop - 15 - int(lyrics[:6])
        else:
            return stop
        if not file.start <= begin < stop:
            return stop
        stop = begin


def places(data: Bytes, mark: bytes, start: int, stop: int | None = None) -> Iterator[int]:
    stop = len(data) if stop is None else stop
    found = data.find(mark, start, stop)
    while found >= 0:
        yield found
        found = data.find(mark, found + 1, stop)


def head_end(data: Bytes, start: int) -> int:
    """Behind what may hold pieces of other files: a tag, or a FLAC's metadata (RFC 9639, section 8)."""
    position = front_tag_end(data, start)
    if data[position : position + 4] != b"fLaC":
        return position + 1
    position, last = position + 4, False
    while not last and position + 4 <= len(data):
        last = data[position] >= 0x80
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    return position


def front_tag_end(data: Bytes, position: int) -> int:
    """The end of a tag that begins there, or the same position."""
    return tag_end(_TAG.match(data, min(position, len(data))), data) or position


def tag_end(found: re.Match[bytes] | None, data: Bytes) -> int | None:
    """None where no tag begins."""
    if found is None:
        return None
    if found["ape"] is not None:
        stop = found.end() + int.from_bytes(found["ape"], "little")
    else:
        first, second, third, last = found["id3"]
        footer = 10 if found["flags"][0] & 0x10 else 0
        stop = found.end() + (first << 21 | second << 14 | third << 7 | last) + footer
    if stop >= len(data):
        return stop if stop == len(data) else None
    return stop if data[stop : stop + 8].startswith(_BEHIND_TAG) or kind_at(data, stop) else None
