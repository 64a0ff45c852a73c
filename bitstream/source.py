"""Bytes to look ahead in, from memory or from a file or pipe, holding no more than was looked at."""

from __future__ import annotations

from io import TextIOBase, UnsupportedOperation
from os import PathLike
from typing import BinaryIO

Data = bytes | bytearray | memoryview


class Source:
    """A reader that goes forward, and back only by `rewind`. `offset` counts the bytes skipped so far.

    Raises TypeError for anything but bytes and a file open for reading bytes.
    """

    def __init__(self, data: Data | BinaryIO) -> None:
        _refuse_others(data)
        self.offset = 0
        self._file: BinaryIO | None = None
        self._buffer = b""
        self._data: memoryview | None = None
        if isinstance(data, (bytes, bytearray, memoryview)):
            self._data = memoryview(data).cast("B")
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
        return None if self._data is None else len(self._data)

    def peek(self, count: int, ahead: int = 0) -> bytes:
        """The next `count` bytes after `ahead` others, or what is left of them; blocks for no more than these."""
        if self._data is not None:
            start = self.offset + ahead
            return bytes(self._data[start : start + count])
        assert self._file is not None
        while len(self._buffer) < ahead + count:
            more = self._file.read(ahead + count - len(self._buffer))
            if not more:
                break
            self._buffer += more
        return self._buffer[ahead : ahead + count]

    def skip(self, count: int) -> None:
        """Step over `count` bytes, all of which were peeked at."""
        self.offset += count
        self._buffer = self._buffer[count:]

    def rewind(self, offset: int) -> None:
        """Go to a byte, counted from where the source began. Raises io.UnsupportedOperation for a pipe."""
        if self._file is not None:
            if self._origin is None:
                raise UnsupportedOperation("a pipe cannot be read again from an earlier place")
            self._file.seek(self._origin + offset)
        self._buffer, self.offset = b"", offset


def _refuse_others(data: object) -> None:
    if isinstance(data, (str, PathLike)):
        raise TypeError("a stream is its bytes or an open file, not a path: Path(path).read_bytes(), open(path, 'rb')")
    if not isinstance(data, (bytes, bytearray, memoryview)) and (isinstance(data, TextIOBase) or not hasattr(data, "read")):
        raise TypeError(f"a stream is its bytes or a file open for reading bytes, not {type(data).__name__}")
