"""How much sound a file's headers announce, held against the bytes that are there.

The libraries that decode do not tell: libsndfile mends the length of a WAV that was cut short, and FFmpeg reads what there is of
an MP3 or Ogg. What is passed here is a whole file's bytes, mapped; only its headers are looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .starts import Bytes, Starts, front_tag_end, kind_at, padding_end

_TO_THE_END = (range(0x7F000000, 0x80000100), range(0xFFFFF000, 0x100000000))
"""Sizes that tools write into pipes, rounded down to whole frames; the true ones come later, or never."""

_FIRST, _LAST = 2, 4  # flags of an Ogg page

_ASF, _ASF_DATA = (bytes.fromhex(begin + "b2758e66cf11a6d900aa0062ce6c") for begin in ("3026", "3626"))

_STRAY = 4096
"""So many bytes that nothing tells of may lie behind a file; more could be a quarter of a second of speech."""

MOST_FILES, MOST_CHUNKS, FEW_FILES, FEW_CHUNKS = 10000, 100000, 16, 128
"""Files put end to end, and chunks in front of a file's sound or behind it. Each file's are gone through anew, so those behind
the first few files may have few."""


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

    ``end``: where the file does, its other chunks included; None where it takes all that comes. ``behind``: bytes that follow
    and are neither a chunk, zeros, a tag nor another file: samples that a recorder did not come to count, perhaps.
    """

    announced: int
    held: int
    end: int | None = None
    behind: int = 0

    @property
    def problem(self) -> str | None:
        """In words, if less is there than is announced, or so much more that it may be speech."""
        if to_the_end(self.announced):
            return None
        if self.announced - self.held > 1:  # one byte may be the one that makes the size even
            return f"cut short: {self.held} of {self.announced} bytes of sound are there"
        if self.announced and self.behind > _STRAY:
            return (
                f"{self.behind} bytes follow the samples that its header announces; if they are sound, mend the header "
                "(of WAV: ffmpeg -ignore_length 1 -i IN OUT.wav)"
            )
        return None

    @property
    def note(self) -> str | None:
        """In words, if something follows that is no problem. Nothing announced means that all of it is sound."""
        if not 0 < self.behind <= _STRAY or not self.announced:
            return None
        return f"{self.behind} bytes follow the samples that its header announces; left out"


def to_the_end(size: int) -> bool:
    """Whether a stated size means that all is sound that comes."""
    return any(size in sizes for sizes in _TO_THE_END)


def is_chunk(kind: bytes) -> bool:
    """Whether these four bytes can be the name of a chunk within a file."""
    return kind not in _FAMILIES and all(32 <= letter < 127 for letter in kind)


def sound_size(data: Bytes, file: range | None = None, most: int = MOST_CHUNKS) -> Size | None:
    """Of a WAV, RF64, W64, AIFF, CAF, AU, AVI or WMA file; None for one of another kind, and where the sound has not begun.

    ``file``: where it lies, of several; all of ``data`` by default. ``most``: chunks that are gone through.
    """
    file = range(len(data)) if file is None else file
    head = data[file.start : file.start + 12]
    if head[:4] == b".snd" and len(head) == 12:
        offset, announced = struct.unpack_from(">II", head, 4)
        return _size(data, file, announced, file.start + offset, file.start + offset + announced)
    if head == _ASF[:12]:
        return _asf_size(data, file)
    chunks = _FAMILIES.get(head[:4])
    if chunks is None:
        return None
    if head[8:] == b"AVI ":  # pictures and sound by turns
        announced = int.from_bytes(head[4:8], "little") + 8
        return Size(announced, len(file), file.start + announced)
    position, long = file.start + chunks.first, 0
    for _ in range(most):
        if position + chunks.header.size > file.stop:
            break
        kind, start, size = _chunk(data, position, chunks)
        if kind == b"ds64" and start + 16 <= file.stop:
            (long,) = struct.unpack_from("<Q", data, start + 8)
        if kind in (b"data", b"SSND"):
            if size == 0xFFFFFFFFFFFFFFFF:  # CAF's "to the end"
                return None
            size = long if size == 0xFFFFFFFF and long else size
            return _size(data, file, size, start, _chunks_end(data, file, start + size, chunks, most))
        position = start + size + -size % chunks.rounding
    return None


def _size(data: Bytes, file: range, announced: int, start: int, end: int) -> Size:
    held = max(0, file.stop - start)
    if to_the_end(announced):
        return Size(announced, held)
    rest = padding_end(data, end) if announced else end  # silence is sound, too, where it is not known how much is
    behind = 0 if kind_at(data, rest) or file.stop - rest < 8 else file.stop - rest
    return Size(announced, held, end if announced or not behind else None, behind)


def _asf_size(data: Bytes, file: range) -> Size | None:
    """ASF, sections 3.1 and 5.1: objects, each a name of 16 bytes, its whole size in 64 bits, and what it holds: header, data.

    What is written to a pipe announces no more than the data's own head.
    """
    head = data[file.start : file.start + 24]
    start = file.start + int.from_bytes(head[16:], "little")
    if len(head) < 24 or start + 24 > file.stop or data[start : start + 16] != _ASF_DATA:
        return None
    return Size(int.from_bytes(data[start + 16 : start + 24], "little"), file.stop - start)


def most_chunks(files: int) -> int:
    """That are gone through of a file with so many before it."""
    return MOST_CHUNKS if files < FEW_FILES else FEW_CHUNKS


def file_end(data: Bytes, start: int, most: int = MOST_CHUNKS) -> int | None:
    """Where the file ends that starts there, by what it says itself; None where it says nothing."""
    if data[start + 4 : start + 8] == b"ftyp":
        return _mp4_end(data, start)
    size = sound_size(data, range(start, len(data)), most)
    return None if size is None else size.end


def files_of(data: Bytes) -> list[range]:
    """Where the files lie that were put end to end, whatever their kinds; one, of most.

    Of formats that say how long their file is the next is looked for there, of others by its first bytes, from front to back.
    Where there are more than :data:`MOST_FILES`, no further ones are looked for.
    """
    files: list[range] = []
    start, starts = 0, Starts(data)
    while start < len(data) and len(files) <= MOST_FILES:
        end, kind = file_end(data, start, most_chunks(len(files))), kind_at(data, start)
        if end is not None and end > start:
            stop = padding_end(data, end)
            stop = stop if kind_at(data, stop) else len(data)
        elif kind == "Matroska":  # with attachments
            stop = len(data)
        else:  # links of an Ogg file are told by its pages, and FLAC in Ogg begins as FLAC does
            stop = starts.next(_head_end(data, start), ("Ogg", "FLAC") if kind == "Ogg" else ())
        files.append(range(start, stop))
        start = stop
    return files


def _head_end(data: Bytes, start: int) -> int:
    """Behind what may hold pieces of other files: a tag, or a FLAC's metadata (RFC 9639, section 8)."""
    position = front_tag_end(data, start)
    if data[position : position + 4] != b"fLaC":
        return position + 1
    position, last = position + 4, False
    while not last and position + 4 <= len(data):
        last = data[position] >= 0x80
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    return position


def _chunk(data: Bytes, position: int, chunks: _Chunks) -> tuple[bytes, int, int]:
    """Name, where the content starts, and its size."""
    kind, size = chunks.header.unpack_from(data, position)
    return kind, position + chunks.header.size, max(0, size - chunks.header.size * chunks.counts_header)


def _chunks_end(data: Bytes, file: range, position: int, chunks: _Chunks, most: int) -> int:
    """Behind the chunks that begin there."""
    for _ in range(most):
        if kind_at(data, position):  # not everyone rounds the last one up
            break
        position += -(position - file.start) % chunks.rounding
        if position + chunks.header.size > file.stop or kind_at(data, position):
            break
        kind, start, size = _chunk(data, position, chunks)
        if not is_chunk(kind) or (start + size > file.stop and file.stop - position > _STRAY):
            break
        position = start + size
    return min(position, file.stop)


def _mp4_end(data: Bytes, start: int) -> int:
    """ISO/IEC 14496-12, section 4.2: boxes of a 32-bit size and a name; size 1: 64 bits behind the name; 0: to the end."""
    position = start
    while position + 8 <= len(data) and (position == start or not kind_at(data, position)):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size == 0 and is_chunk(kind):
            return len(data)
        if size < 8:
            break
        position += size
    return min(position, len(data))


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


@dataclass(frozen=True)
class OggLink:
    """One of the streams that follow each other in a chained Ogg file: where it lies, and whether its last page is all there.

    ``ended``: that page says that it is the last one.
    """

    start: int
    stop: int
    whole: bool
    ended: bool


def ogg_links(data: Bytes, file: range | None = None) -> list[OggLink]:
    """The links of an Ogg file (RFC 3533, sections 4 and 6), by the flags of its pages; ``file`` as for :func:`sound_size`."""
    links: list[OggLink] = []
    file = range(len(data)) if file is None else file
    begin, stop, search, flags = file.start, file.start, file.start, _FIRST
    while 0 <= (position := data.find(b"OggS", search, file.stop)) <= file.stop - 27:
        if data[position + 5] & _FIRST and not flags & _FIRST:
            links.append(OggLink(begin, position, stop == position, bool(flags & _LAST)))
            begin = position
        flags, segments = data[position + 5], data[position + 26]
        stop = position + 27 + segments + sum(data[position + 27 : position + 27 + segments])
        # Where no page follows this one was cut off, and the next may begin within the length that it states.
        search = stop if data[stop : stop + 4] == b"OggS" else position + 27
    return [*links, OggLink(begin, file.stop, stop <= file.stop, bool(flags & _LAST))]
