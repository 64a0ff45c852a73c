"""Sound that comes through a pipe, as it comes: WAV and bare samples, which can be read from front to back.

What a header may say in more than one way, or only behind the sound, is left to the libraries that seek, by way of a copy.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import soundfile

from ..arrays import Samples
from ..errors import AudioError
from .headers import Size, to_the_end
from .mixing import FAR_ABOVE, peak_of
from .raw import ENCODINGS, RawFormat
from .starts import is_chunk, kind_of_stump

BLOCKS_PER_SECOND = 20
"""How often samples are handed on: live speech waits for no more than 50 ms."""

_MOST_AT_ONCE = 1 << 20
"""Bytes; a header may state any rate."""

_MOST_HEADER = 1 << 16
"""Bytes in front of the samples; where there are more, something else than sound is in the file, too."""

_TAGS = (b"ID3", b"APETAGEX")

_WAV_ENCODINGS = {
    (1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le", (3, 64): "f64le", (6, 8): "alaw",
    (7, 8): "mulaw",
}  # fmt: skip
"""By format tag and bits a sample."""


@dataclass(frozen=True)
class Header:
    """What a WAV header says: the samples' format, and how many bytes of them follow; None: all that come."""

    format: RawFormat
    announced: int | None


class PipeSound:
    """Samples of a pipe: a ``Source``, see ``sources``. Raises AudioError while reading where they are far above full scale."""

    def __init__(self, stream: BinaryIO, name: str, header: Header) -> None:
        self._stream, self._name = stream, name
        self._begin(header)
        self.frames = None if header.announced is None else header.announced // self._frame
        # Bringing it down takes a reading before the one that counts, and there is none.
        self.floating = False
        self.problem: str | None = None
        self.notes: list[str] = []

    def blocks(self) -> Iterator[tuple[int, Samples]]:
        """Sample rates in Hz and samples ``(T, channels)``, full scale 1.0. Once only."""
        header: Header | None = self._header
        while header is not None:
            self._begin(header)
            yield from self._samples()
            header = self._following() if header.announced is not None and self.problem is None else None

    def _begin(self, header: Header) -> None:
        self._header = header
        self.sample_rate, self.channels = header.format.sample_rate, header.format.channels
        self._subtype, self._endian, width = ENCODINGS[header.format.encoding]
        self._frame = width * self.channels

    def _samples(self) -> Iterator[tuple[int, Samples]]:
        """Of the file that has begun."""
        frames = min(self.sample_rate // BLOCKS_PER_SECOND, _MOST_AT_ONCE // self._frame)
        size, left, held = self._frame * max(1, frames), self._header.announced, 0
        rest = b""
        while data := self._stream.read(size if left is None else min(size, left - held)):
            held += len(data)
            data = rest + data
            whole = len(data) - len(data) % self._frame
            rest = data[whole:]
            if whole:
                yield self.sample_rate, self._decoded(data[:whole])
        if rest:
            self.notes.append(f"{len(rest)} bytes at the end are no whole sample of every channel; left out")
        if left is not None:
            self._tell(Size(left, held))
            self._stream.read(left % 2)

    def close(self) -> None:
        """The stream is the caller's."""

    def _decoded(self, data: bytes) -> Samples:
        # By the library that reads files: its values to the last bit.
        layout = {"samplerate": self.sample_rate, "channels": self.channels, "format": "RAW"}
        coding = {"subtype": self._subtype, "endian": self._endian}
        block: Samples = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True, **layout, **coding)[0]
        if self._subtype in ("FLOAT", "DOUBLE") and (peak := peak_of(block)) > FAR_ABOVE and np.isfinite(peak):
            raise AudioError(
                f"{self._name}: its samples reach {peak:.4g} times full scale; "
                "save it to a file, which can be brought down, or make it integers"
            )
        return block

    def _following(self) -> Header | None:
        """The header of a WAV that follows. Chunks and zeros are passed over, and what is neither is told."""
        while len(head := self._ahead()) == 8:
            kind = "MP4" if b"ftyp" in head else kind_of_stump(head)
            if kind is None and is_chunk(head[:4]):
                size = int.from_bytes(head[4:], "little")
                done = _skip(self._stream, size + size % 2)
                if done < size:  # it was none, or the file is cut there
                    self.problem = Size(1, 1, None, len(head) + done).problem
                continue
            read = _Remembering(self._stream, head)
            header = None if kind is None else _read_header(read)
            if header is not None:
                return header
            size = max(len(head), len(read.data)) + _skip(self._stream)
            if kind is not None:
                self.problem = f"behind it comes {kind} that is not read from a pipe ({size} bytes); save it to a file"
            elif head.startswith(_TAGS):
                self.notes.append(f"{size} bytes of a tag follow the samples; left out")
            else:
                self._tell(Size(1, 1, None, size))
        return None

    def _ahead(self) -> bytes:
        """The next 8 bytes, or fewer at the end, from one on that is not zero."""
        head = b""
        while len(head) < 8 and (more := self._stream.read(8 - len(head))):
            head = (head + more).lstrip(b"\0")
        return head

    def _tell(self, size: Size) -> None:
        self.problem = size.problem
        if size.note is not None:
            self.notes.append(size.note)


def open_pipe(stream: BinaryIO, name: str, raw: RawFormat | None) -> tuple[PipeSound | None, bytes]:
    """The sound of a pipe; or None where it takes a copy, and the bytes that were read and go in front of it."""
    if raw is not None:
        return PipeSound(stream, name, Header(raw, None)), b""
    read = _Remembering(stream)
    header = _read_header(read)
    return (None if header is None else PipeSound(stream, name, header)), bytes(read.data)


class _Remembering:
    """Reads from a stream, and keeps what was read; what was held but not asked for yet is no part of it."""

    def __init__(self, stream: BinaryIO, held: bytes = b"") -> None:
        """``held``: what was read before."""
        self._stream, self._held, self.data = stream, held, bytearray()

    def __call__(self, count: int) -> bytes:
        data, self._held = self._held[:count], self._held[count:]
        while len(data) < count and (more := self._stream.read(count - len(data))):
            data += more
        self.data += data
        return data


def _read_header(read: _Remembering) -> Header | None:
    """Up to the first sample; None for what is no WAV, or one that says what is not read here."""
    # No more than it takes to tell: other kinds may be shorter.
    if read(4) not in (b"RIFF", b"RF64", b"BW64") or read(8)[4:] != b"WAVE":
        return None
    form, long = None, 0
    while len(read.data) < _MOST_HEADER and len(head := read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            size = long if size == 0xFFFFFFFF and long else size
            return None if form is None else Header(form, None if size == 0 or to_the_end(size) else size)
        if not is_chunk(kind) or size > _MOST_HEADER:
            return None
        content = read(size + size % 2)
        if kind == b"ds64" and size >= 16:
            (long,) = struct.unpack_from("<Q", content, 8)
        if kind == b"fmt ":
            form = _format(content)
    return None


def _format(content: bytes) -> RawFormat | None:
    """What a fmt chunk says, if it is one of ENCODINGS."""
    if len(content) < 16:
        return None
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", content)
    if tag == 0xFFFE and len(content) >= 26:
        (tag,) = struct.unpack_from("<H", content, 24)
    encoding = _WAV_ENCODINGS.get((tag, bits))
    if encoding is None or align != channels * bits // 8 or not 0 < channels <= 1024 or not 0 < rate < 1 << 31:
        return None
    return RawFormat(rate, channels, encoding)


def _skip(stream: BinaryIO, count: int | None = None) -> int:
    """Read so many bytes, or all; how many they were."""
    done = 0
    while count is None or done < count:
        data = stream.read(1 << 16 if count is None else min(1 << 16, count - done))
        if not data:
            break
        done += len(data)
    return done
