"""How much sound a file's headers announce, held against the bytes that are there.

The libraries that decode do not tell: libsndfile mends the length of a WAV that was cut short, and FFmpeg reads what there is of
an MP3 or Ogg. What is passed here is a whole file's bytes, mapped; only its headers are looked at.
"""

from __future__ import annotations

import itertools
import mmap
import re
import struct
from dataclasses import dataclass

Bytes = bytes | mmap.mmap

_TO_THE_END = (range(0x7F000000, 0x80000100), range(0xFFFFF000, 0x100000000))
"""Sizes that tools write into pipes, rounded down to whole frames; the true ones come later, or never."""

_FIRST, _LAST = 2, 4  # flags of an Ogg page

FLAC_START = b"fLaC\x00\x00\x00\x22"

_FLAC = re.compile(re.escape(FLAC_START))

_TAG = re.compile(rb"ID3[\x02-\x04].(?P<flags>.)(?P<id3>[\x00-\x7f]{4})|APETAGEX.{4}(?P<ape>.{4}).{16}", re.DOTALL)
"""ID3v2, section 3.1, and APEv2 with a header."""

_BEHIND_TAG = (b"\xff", b"ID3", b"APETAGEX", b"TAG", b"fLaC", b"\0")
"""How it may go on there: sound can look like a tag's header, but not like all of it."""


@dataclass(frozen=True)
class _Chunks:
    """How the chunks of a family of formats are laid out: where they begin, name and size, what they are rounded up to."""

    first: int
    header: struct.Struct
    rounding: int = 2
    counts_header: bool = False


_FAMILIES = {
    b"RIFF": _Chunks(12, struct.Struct("<4sI")),
    b"RF64": _Chunks(12, struct.Struct("<4sI")),
    b"RIFX": _Chunks(12, struct.Struct(">4sI")),
    b"FORM": _Chunks(12, struct.Struct(">4sI")),
    b"caff": _Chunks(8, struct.Struct(">4sQ"), 1),
    b"riff": _Chunks(40, struct.Struct("<4s12xQ"), 8, True),  # W64
}


@dataclass(frozen=True)
class Size:
    """How many bytes of sound a header announces, and how many there are.

    ``behind`` is what follows them and is no chunk of the file: samples that a recorder did not come to count, or another file.
    """

    announced: int
    held: int
    behind: int = 0

    @property
    def problem(self) -> str | None:
        """In words, if less is there than is announced."""
        # One byte may be the one that makes the size even.
        if self.announced - self.held <= 1 or to_the_end(self.announced):
            return None
        return f"cut short: {self.held} of {self.announced} bytes of sound are there"

    @property
    def note(self) -> str | None:
        """In words, if something follows. Nothing announced means that all of it is sound."""
        if not self.behind or not self.announced:
            return None
        return f"{self.behind} bytes follow the samples that its header announces; left out"


def to_the_end(size: int) -> bool:
    """Whether a stated size means that all is sound that comes."""
    return any(size in sizes for sizes in _TO_THE_END)


def is_chunk(kind: bytes) -> bool:
    """Whether these four bytes can be the name of a chunk within a file."""
    return kind not in _FAMILIES and all(32 <= letter < 127 for letter in kind)


def sound_size(data: Bytes) -> Size | None:
    """Of a WAV, RF64, W64, AIFF, CAF, AU or AVI file; None for one of another kind, and where the sound has not begun."""
    if data[:4] == b".snd" and len(data) >= 12:
        offset, announced = struct.unpack_from(">II", data, 4)
        return Size(announced, max(0, len(data) - offset))
    chunks = _FAMILIES.get(data[:4])
    if chunks is None:
        return None
    if data[8:12] == b"AVI ":  # pictures and sound by turns
        return Size(int.from_bytes(data[4:8], "little") + 8, len(data))
    position, long = chunks.first, 0
    while position + chunks.header.size <= len(data):
        kind, start, size = _chunk(data, position, chunks)
        if kind == b"ds64" and start + 16 <= len(data):
            (long,) = struct.unpack_from("<Q", data, start + 8)
        if kind in (b"data", b"SSND"):
            if size == 0xFFFFFFFFFFFFFFFF:  # CAF's "to the end"
                return None
            size = long if size == 0xFFFFFFFF and long else size
            return Size(size, len(data) - start, _behind(data, start + size, chunks))
        position = start + size + -size % chunks.rounding
    return None


def _chunk(data: Bytes, position: int, chunks: _Chunks) -> tuple[bytes, int, int]:
    """Name, where the content starts, and its size."""
    kind, size = chunks.header.unpack_from(data, position)
    return kind, position + chunks.header.size, max(0, size - chunks.header.size * chunks.counts_header)


def _behind(data: Bytes, position: int, chunks: _Chunks) -> int:
    position += -position % chunks.rounding
    while position + chunks.header.size <= len(data):
        kind, start, size = _chunk(data, position, chunks)
        if not is_chunk(kind):
            return len(data) - position
        position = start + size + -size % chunks.rounding
    return 0


def behind_mp4(data: Bytes) -> int:
    """Bytes from a second MP4 on, put behind a first; FFmpeg plays the first alone. 0 for any other file.

    ISO/IEC 14496-12, section 4.2: boxes of a 32-bit size and a name, or size 1 and 64 bits behind the name; 0 is "to the end".
    """
    position = 0
    while data[4:8] == b"ftyp" and position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"ftyp" and position:
            return len(data) - position
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size < 8:
            break
        position += size
    return 0


def mp3_bytes(data: Bytes, first: int) -> tuple[int, int] | None:
    """Bytes that an MP3's first frame announces and, within 40, bytes that there are from it on; None where it announces nothing.

    The frame holds no sound but a table: Xing's (called Info where the bit rate is constant) or Fraunhofer's VBRI. ``first`` is
    the position of the frame behind it, the first with sound.
    """
    head = data[max(0, first - 3000) : first]
    for tag, at in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 10)):
        start = head.rfind(tag)
        if start < 0 or start + at + 8 > len(head):
            continue
        if tag != b"VBRI":
            (flags,) = struct.unpack_from(">I", head, start + 4)
            if not flags & 2:
                return None
            at += 4 * (flags & 1)  # behind the number of frames
        (announced,) = struct.unpack_from(">I", head, start + at)
        held = len(data) - first + len(head) - start
        return (announced, held) if announced else None
    return None


def untagged(data: Bytes) -> list[range]:
    """Where the sound lies of MP3s or FLACs that were put end to end, with tags between.

    A tag may hold a picture, parts of which look like sound. One in front of the first is left to the library that decodes.
    """
    spans: list[range] = []
    begin, position = 0, _tag_end(_TAG.match(data), data) or 0
    while (found := _TAG.search(data, position)) is not None:
        stop = _tag_end(found, data)
        if stop is not None:
            spans.append(range(begin, found.start()))
            begin = stop
        position = stop or found.start() + 1
    return [span for span in (*spans, range(begin, len(data))) if span]


def _tag_end(found: re.Match[bytes] | None, data: Bytes) -> int | None:
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


def flac_files(data: Bytes) -> list[range]:
    """Where FLAC files lie that were put end to end."""
    files = []
    for span in untagged(data):
        starts = [found.start() for found in _FLAC.finditer(data, span.start, span.stop)]
        borders = [span.start, *starts[1:], span.stop]
        files += [range(*each) for each in itertools.pairwise(borders)]
    return files


@dataclass(frozen=True)
class OggLink:
    """One of the streams that follow each other in a chained Ogg file: where it lies, and whether its last page is all there.

    ``ended``: that page says that it is the last one.
    """

    start: int
    stop: int
    whole: bool
    ended: bool


def ogg_links(data: Bytes) -> list[OggLink]:
    """The links of an Ogg file (RFC 3533, sections 4 and 6), by the flags of its pages."""
    links: list[OggLink] = []
    begin, stop, search, flags = 0, 0, 0, _FIRST
    while 0 <= (position := data.find(b"OggS", search)) <= len(data) - 27:
        if data[position + 5] & _FIRST and not flags & _FIRST:
            links.append(OggLink(begin, position, stop == position, bool(flags & _LAST)))
            begin = position
        flags, segments = data[position + 5], data[position + 26]
        stop = position + 27 + segments + sum(data[position + 27 : position + 27 + segments])
        # Where no page follows this one was cut off, and the next may begin within the length that it states.
        search = stop if data[stop : stop + 4] == b"OggS" else position + 27
    return [*links, OggLink(begin, len(data), stop <= len(data), bool(flags & _LAST))]
