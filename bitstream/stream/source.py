"""Bytes to look ahead in, from memory or from a file or pipe, holding no more than was looked at."""

from __future__ import annotations

from contextlib import suppress
from io import BufferedReader, TextIOBase, UnsupportedOperation
from os import PathLike
from select import select
from typing import BinaryIO

Data = bytes | bytearray | memoryview


class Source:
    """A reader that goes forward, and back only by `rewind`. Raises TypeError for anything but bytes and a file open for reading
    bytes.

    Attributes:
        offset: counts the bytes skipped so far.
        data: all bytes, where they are in memory.
    """

    def __init__(self, data: Data | BinaryIO) -> None:
        _refuse_others(data)
        self.offset = 0
        self._file: BinaryIO | None = None
        self._buffer = bytearray()
        self._start = 0
        self.data: bytes | memoryview | None = None
        if isinstance(data, bytes):
            self.data = data
        elif isinstance(data, (bytearray, memoryview)):
            self.data = memoryview(data).cast("B")
        else:
            self._file = data
            self._origin = data.tell() if data.seekable() else None

    @property
    def is_pipe(self) -> bool:
        """Whether the bytes come when they come, and only once."""
        return self._file is not None and self._origin is None

    @property
    def size(self) -> int | None:
        """Bytes in all; None if only reading to the end would tell."""
        return None if self.data is None else len(self.data)

    def peek(self, count: int, ahead: int = 0) -> bytes:
        """The next `count` bytes after `ahead` others, or what is left of them; blocks for no more than these."""
        if self.data is not None:
            start = self.offset + ahead
            return bytes(self.data[start : start + count])
        assert self._file is not None
        start = self._start + ahead
        while len(self._buffer) < start + count:
            more = self._file.read(start + count - len(self._buffer))
            if not more:
                break
            self._buffer += more
        return bytes(self._buffer[start : start + count])

    def at_hand(self, wanted: int) -> int:
        """How many bytes there are ahead, of about so many wanted, without waiting for a pipe."""
        if len(self._buffer) - self._start < wanted and isinstance(self._file, BufferedReader):
            with suppress(OSError, ValueError):  # where the system cannot tell
                if select([self._file], [], [], 0)[0]:
                    self._buffer += self._file.read1(wanted)
        return len(self._buffer) - self._start

    def skip(self, count: int) -> None:
        """Step over `count` bytes, all of which were peeked at."""
        self.offset += count
        if self.data is not None:
            return
        self._start += count
        if 2 * self._start > len(self._buffer):  # not each time: a search goes on byte by byte
            del self._buffer[: self._start]
            self._start = 0

    def rewind(self, offset: int) -> None:
        """Go to a byte, counted from where the source began. Raises io.UnsupportedOperation for a pipe."""
        if self._file is not None:
            if self._origin is None:
                raise UnsupportedOperation("a pipe cannot be read again from an earlier place")
            self._file.seek(self._origin + offset)
        self._buffer, self._start, self.offset = bytearray(), 0, offset


def _refuse_others(data: object) -> None:
    if isinstance(data, (str, PathLike)):
        raise TypeError("a stream is its bytes or an open file, not a path: Path(path).read_bytes(), open(path, 'rb')")
    if not isinstance(data, (bytes, bytearray, memoryview)) and (isinstance(data, TextIOBase) or not hasattr(data, "read")):
        cure = "; of an array array.tobytes()" if hasattr(data, "tobytes") else ""
        raise TypeError(f"a stream is its bytes or a file open for reading bytes, not {type(data).__name__}{cure}")
