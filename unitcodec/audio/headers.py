"""How much sound a file's headers announce, held against the bytes that are there.

The libraries that decode do not tell: libsndfile mends the length of a WAV that was cut short, and FFmpeg reads what there is of
an MP3 or Ogg. What is passed here is a whole file's bytes, mapped; only its headers are looked at.
"""

from __future__ import annotations

import heapq
import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .ends import container_end
from .mpeg import frame_bytes
from .starts import Bytes, Starts, front_tag_end, head_end, is_chunk, kind_at, last_tags, padding_end, places

_TO_THE_END = (range(0x7F000000, 0x80000100), range(0xFFFFF000, 0x100000000), range((1 << 63) - 64, 1 << 63))
"""Sizes that tools write into pipes, rounded down to whole frames; the true ones come later, or never."""

_FIRST, _LAST = 2, 4  # flags of an Ogg page

_ASF, _ASF_DATA = (bytes.fromhex(begin + "b2758e66cf11a6d900aa0062ce6c") for begin in ("3026", "3626"))

_ANEW = "ffmpeg -i IN OUT.wav"

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
    b"BW64": _Chunks(12, struct.Struct("<4sI")),
    b"RIFX": _Chunks(12, struct.Struct(">4sI")),
    b"FORM": _Chunks(12, struct.Struct(">4sI")),
    b"caff": _Chunks(8, struct.Struct(">4sQ"), 1),
    b"riff": _Chunks(40, struct.Struct("<4s12xQ"), 8, True),  # W64
}


@dataclass(frozen=True)
class Size:
    """How many bytes of sound a header announces, and how many there are.

    ``end``: where the file does, its other chunks included; None where it takes all that comes.
    ``behind``: bytes that follow and are neither a chunk, zeros, a tag nor another file: samples that a recorder did not come to
    count, perhaps. ``container``: what is announced is no more than where the file ends. ``limit``: chunks that were gone
    through, where there are more.
    """

    announced: int
    held: int
    end: int | None = None
    behind: int = 0
    container: bool = False
    limit: int | None = None

    @property
    def problem(self) -> str | None:
        """In words, if less is there than is announced, or so much more that it may be speech."""
        if self.limit is not None:
            cure = "code its files one by one" if self.limit < MOST_CHUNKS else f"leave them out ({_ANEW})"
            return (
                f"more than {self.limit} chunks before or behind its samples, too many to tell whether all of it is there; {cure}"
            )
        if to_the_end(self.announced):
            return None
        if self.announced - self.held > 1:  # one byte may be the one that makes the size even
            return f"cut short: {self.held} of {self.announced} bytes of sound are there"
        if self.announced and self.behind > _STRAY and not self.container:
            return (
                f"{self.behind} bytes follow the samples that its header announces; if they are sound, mend the header "
                "(of WAV: ffmpeg -ignore_length 1 -i IN OUT.wav)"
            )
        return None

    @property
    def note(self) -> str | None:
        """In words, if something follows that is no problem. Nothing announced means that all of it is sound."""
        if self.container and self.behind:
            return f"{self.behind} bytes follow the end that it states; left out"
        if not 0 < self.behind <= _STRAY or not self.announced:
            return None
        return f"{self.behind} bytes follow the samples that its header announces; left out"


def to_the_end(size: int) -> bool:
    """Whether a stated size means that all is sound that comes."""
    return any(size in sizes for sizes in _TO_THE_END)


def sound_size(data: Bytes, file: range | None = None, most: int = MOST_CHUNKS) -> Size | None:
    """Of a WAV, RF64, W64, AIFF, CAF, AU, AVI or WMA file; None for one of another kind, and where the sound has not begun. Of
    MP4, Matroska, Ogg, FLV, TTA and WavPack no more than where they end.

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
        return _container_size(data, file)
    if head[8:] == b"AVI ":
        return _avi_size(data, file)
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
            end = _chunks_end(data, file, start + size, chunks, most)
            return _size(data, file, size, start, end) if end is not None else Size(size, file.stop - start, limit=most)
        position = start + size + -size % chunks.rounding
    else:
        return Size(0, 0, limit=most)
    return None


def _size(data: Bytes, file: range, announced: int, start: int, end: int) -> Size:
    held = max(0, file.stop - start)
    if to_the_end(announced):
        return Size(announced, held)
    rest = padding_end(data, end) if announced else end  # silence is sound, too, where it is not known how much is
    behind = 0 if kind_at(data, rest) or file.stop - rest < 8 else file.stop - rest
    return Size(announced, held, end if announced or not behind else None, behind)


def _container_size(data: Bytes, file: range, end: int | None = None, announced: int = 0, held: int = 0) -> Size | None:
    """``end``: where it is known already."""
    kind = None
    if end is None:
        kind = "MP4" if data[file.start + 4 : file.start + 8] == b"ftyp" else kind_at(data, file.start)
        end = container_end(data, file.start, kind)
        if end is None:
            return None
    end = min(end, file.stop)
    rest = padding_end(data, end)
    tagged = file.stop - rest < 8 or kind_at(data, rest) is not None or last_tags(data, range(rest, file.stop)) == rest
    behind = 0 if tagged else file.stop - rest
    if kind == "Matroska":  # where it was cut short what is behind is the rest of another one, else something of the recorder's
        return Size(1, 1, end, behind)
    return Size(announced, held, end, behind, container=True)


def _avi_size(data: Bytes, file: range) -> Size | None:
    """Pictures and sound by turns, in one list or, where they are long, in several."""
    size, end = int.from_bytes(data[file.start + 4 : file.start + 8], "little"), file.start
    announced = size if to_the_end(size) else size + 8
    while data[end : end + 4] == b"RIFF" and (end == file.start or data[end + 8 : end + 12] == b"AVIX"):
        size = int.from_bytes(data[end + 4 : end + 8], "little")
        if not size or to_the_end(size):  # nobody closed it
            end = file.stop
        end += 8 + size + size % 2
    return _container_size(data, file, end, announced, len(file))


def _asf_size(data: Bytes, file: range) -> Size | None:
    """ASF, sections 3.1 and 5.1: objects, each a name of 16 bytes, its whole size in 64 bits, and what it holds: header, data.

    What is written to a pipe announces no more than the data's own head. Indices may follow.
    """
    head = data[file.start : file.start + 24]
    start = file.start + int.from_bytes(head[16:], "little")
    if len(head) < 24 or start + 24 > file.stop or data[start : start + 16] != _ASF_DATA:
        return None
    announced = int.from_bytes(data[start + 16 : start + 24], "little")
    end = position = start
    while position + 24 <= file.stop and (size := int.from_bytes(data[position + 16 : position + 24], "little")) >= 24:
        end, position = position, position + size
    end = position if position <= file.stop else end
    known = announced > 50 and kind_at(data, padding_end(data, end)) is not None
    return Size(announced, file.stop - start, end if known else None, container=known)


def sized_files(data: Bytes) -> list[tuple[range, Size | None]]:
    """Where the files lie that were put end to end, whatever their kinds; one, of most. And what they announce.

    Of formats that say how long their file is the next is looked for there, of others by its first bytes, from front to back.
    Where there are more than :data:`MOST_FILES`, no further ones are looked for.
    """
    files: list[tuple[range, Size | None]] = []
    start, starts, walked = 0, Starts(data), 0
    while start < len(data) and len(files) <= MOST_FILES:
        kind, size = kind_at(data, start), None
        if kind not in ("Ogg", "FLV") or start >= walked:
            size = sound_size(data, range(start, len(data)), MOST_CHUNKS if len(files) < FEW_FILES else FEW_CHUNKS)
        end = None if size is None else size.end
        after = 0 if end is None else padding_end(data, end)
        rest = None
        if end is not None and kind in ("Ogg", "FLV") and kind_at(data, after) is None and after < len(data):
            # It is damaged, or something else follows. Whatever begins within is not gone through anew.
            size, walked, rest, end = None, after, after, None
        if end is not None and end > start:
            stop = after if kind_at(data, after) else len(data)
        elif kind == "Matroska":  # with attachments
            stop = len(data)
        else:  # links of an Ogg file are told by its pages, and FLAC in Ogg begins as FLAC does
            stop = starts.next(head_end(data, start), ("Ogg", "FLAC") if kind == "Ogg" else ())
            if rest is not None and kind == "Ogg" and _is_strange(data, range(rest, stop)):
                size = Size(0, 0, rest, stop - rest, container=True)
        if end is None and size is not None:  # what a WMA holds; of others it does not matter
            size = replace(size, held=size.held - (len(data) - stop))
        files.append((range(start, stop), size))
        start = stop
    return files


def _is_strange(data: Bytes, part: range) -> bool:
    """Whether that is neither pages of an Ogg file nor tags."""
    return data.find(b"OggS", part.start, part.stop) < 0 and last_tags(data, part) > part.start


def _chunk(data: Bytes, position: int, chunks: _Chunks) -> tuple[bytes, int, int]:
    """Name, where the content starts, and its size."""
    kind, size = chunks.header.unpack_from(data, position)
    return kind, position + chunks.header.size, max(0, size - chunks.header.size * chunks.counts_header)


def _chunks_end(data: Bytes, file: range, position: int, chunks: _Chunks, most: int) -> int | None:
    """Behind the chunks that begin there; None where there are more than ``most``."""
    for _ in range(most):
        if _begins(data, position):
            break
        if rest := (position - file.start) % chunks.rounding:
            position += chunks.rounding - rest
            if _begins(data, position):  # not everyone rounds the last one up
                break
        if position + chunks.header.size > file.stop:
            break
        kind, start, size = _chunk(data, position, chunks)
        if not is_chunk(kind) or (start + size > file.stop and file.stop - position > _STRAY):
            break
        position = start + size
    else:
        return None
    return min(position, file.stop)


def _begins(data: Bytes, position: int) -> bool:
    """Whether another file begins there, perhaps behind a tag."""
    if data[position : position + 3] in (b"ID3", b"APE"):
        position = front_tag_end(data, position)
    return kind_at(data, position) is not None


_TABLES = {b"Xing": (13, 21, 36), b"Info": (13, 21, 36), b"VBRI": (36,)}
"""How far behind the start of its frame the table of an MP3 can lie, by version and channels."""

_FRAME_HEAD = 40
"""Bytes of that frame that may not be counted."""


def mp3_problem(data: Bytes, spans: Sequence[range], file: range) -> str | None:
    """In words, if one of the MP3s that lie end to end in these parts of a ``file`` announces more bytes than it holds.

    Its first frame holds no sound but a table: Xing's (called Info where the bit rate is constant) or Fraunhofer's VBRI. Some
    tools that join MP3s leave the tables of all, and let the first announce the bytes of all; LAME 3.96 counts the tags.
    """
    tables: list[tuple[int, int]] = []
    total = 0
    for span in spans:
        found = heapq.merge(*(places(data, mark, span.start, span.stop) for mark in _TABLES))
        for start, announced in (table for place in found if (table := _table(data, span, place)) is not None):
            tables.append((total + start - span.start, announced))
        total += len(span)
    for (start, announced), (stop, _) in itertools.pairwise([*tables, (total, 0)]):
        of_all = (total - start, len(file))
        if announced - (stop - start) > _FRAME_HEAD and all(abs(announced - size) > _FRAME_HEAD for size in of_all):
            return f"cut short: {stop - start} of {announced} bytes are there"
    return None


def _table(data: Bytes, span: range, place: int) -> tuple[int, int] | None:
    """Where the frame begins whose table that is, and how many bytes it announces, 0 if none; None if it is no table."""
    mark = data[place : place + 4]
    for start in (place - lead for lead in _TABLES[mark] if place - lead >= span.start):
        if not frame_bytes(data[start : start + 6]) or data[start + 1] & 6 != 2 or place + 16 > span.stop:
            continue
        at = place + 10
        if mark != b"VBRI":
            (flags,) = struct.unpack_from(">I", data, place + 4)
            if not flags & 2:
                return start, 0
            at = place + 8 + 4 * (flags & 1)  # behind the number of frames
        return start, int.from_bytes(data[at : at + 4], "big")
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
