"""Outputs that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from types import TracebackType
from typing import BinaryIO

from unitcodec.command.jobs import STANDARD
from unitcodec.command.temporary import Temporary
from unitcodec.errors import UnitcodecError


class OutputError(UnitcodecError):
    """The output cannot be written: no such folder, not allowed, the disk is full."""


class OutputExists(OutputError):
    """Another program has written it in the meantime, and it is not to be replaced."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: exists already; --overwrite replaces it")


class Output:
    """A file that appears under its name when all of it is written, and never when something failed.

    The bytes go to a temporary file in the same folder, which is moved over the target on leaving the ``with`` block and
    removed when the block ends by an exception, ``KeyboardInterrupt`` and ``SystemExit`` included; if the process is killed, by
    the next one that writes into the folder. ``-`` is standard output; devices and pipes are written to directly. With
    ``parents`` the folders that it is in are made.

    Raises:
        OutputExists: on leaving, without ``overwrite``, if another program has put a file there in the meantime, which is kept.
        OutputError: on opening, writing or leaving.
        BrokenPipeError: nobody reads standard output any more.
    """

    def __init__(self, target: str, parents: bool = False, overwrite: bool = False) -> None:
        self.name = "standard output" if target == STANDARD else target
        self._overwrite = overwrite
        self._target: str | None = None  # where the temporary file goes in the end
        self._temporary: Temporary | None = None
        self._stream = self._open(target, parents)

    def write(self, data: bytes) -> int:
        try:
            written = self._stream.write(data)
            if self._temporary is None:
                self._stream.flush()  # somebody may be listening
            return written
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._named(error) from error

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._named(error) from error
        finally:
            self._discard()

    def _open(self, target: str, parents: bool) -> BinaryIO:
        if target == STANDARD:
            return sys.stdout.buffer
        try:
            if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
                return open(target, "wb")  # /dev/null or a named pipe: moving a file over it would destroy it
            self._target = os.path.realpath(target)  # a link stays a link
            if parents:
                os.makedirs(os.path.dirname(self._target), exist_ok=True)
            self._temporary = Temporary(os.path.dirname(self._target))
            return self._temporary.stream
        except OSError as error:
            raise self._named(error) from error

    def _finish(self) -> None:
        self._stream.flush()
        if self._stream is sys.stdout.buffer:
            return
        if self._temporary is None or self._target is None:
            self._stream.close()
            return
        sync(self._stream)
        self._stream.close()
        if self._overwrite:
            os.replace(self._temporary.path, self._target)
        else:
            move(self._temporary.path, self._target, self.name)

    def _discard(self) -> None:
        with contextlib.suppress(OSError):  # a full disk says so once more when the buffer is dropped
            if self._temporary is not None:
                self._temporary.close()
            elif self._stream is not sys.stdout.buffer:
                self._stream.close()

    def _named(self, error: OSError) -> OutputError:
        folder = os.path.dirname(self._target or "")
        if isinstance(error, FileNotFoundError) and folder and not os.path.isdir(folder):
            return OutputError(f"{self.name}: there is no folder {folder}; make it first")
        return OutputError(f"{self.name}: {error.strerror or error}")


def sync(stream: BinaryIO) -> None:
    """To the disk: else a machine that fails may come up with the name and without the bytes."""
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # a file system that cannot
            raise


def move(source: str, target: str, name: str) -> None:
    """Move a file to where none is; of ``source`` a second name may be left. Raises OutputExists, with ``name``, and OSError."""
    try:
        os.link(source, target)
    except OSError as error:
        if os.path.lexists(target):
            raise OutputExists(name) from error
        # A file system that knows no second names: another may still come in between.
        os.rename(source, target)
