"""Outputs that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import weakref
from types import TracebackType
from typing import BinaryIO

from unitcodec.command.jobs import STANDARD
from unitcodec.errors import UnitcodecError


class OutputError(UnitcodecError):
    """The output cannot be written: no such folder, not allowed, the disk is full."""


class Output:
    """A file that appears under its name when all of it is written, and never when something failed.

    The bytes go to a temporary file in the same folder, which is moved over the target on leaving the ``with`` block and
    removed when the block ends by an exception, ``KeyboardInterrupt`` and ``SystemExit`` included. ``-`` is standard output;
    devices and pipes are written to directly. With ``parents`` the folders that it is in are made. Without ``overwrite`` what
    another program has put there in the meantime is kept, and this fails.

    Raises:
        OutputError: on opening, writing or leaving.
        BrokenPipeError: nobody reads standard output any more.
    """

    def __init__(self, target: str, parents: bool = False, overwrite: bool = False) -> None:
        self.name = "standard output" if target == STANDARD else target
        self._overwrite = overwrite
        self._target: str | None = None  # where the temporary file goes in the end
        self._temporary: str | None = None
        self._removal: weakref.finalize[..., Output] | None = None
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
            # A short name of its own: the target's may already be as long as the file system allows.
            temporary = os.path.join(os.path.dirname(self._target), f".unitcodec-{os.getpid()}-{id(self):x}.part")
            # Before there is anything to remove: a signal may interrupt between any two of these lines, or before the ``with``.
            self._removal = weakref.finalize(self, _remove, temporary)
            # Not from tempfile: that forbids others to read the result, whatever the umask.
            stream = open(temporary, "xb")  # noqa: SIM115
            self._temporary = temporary
            return stream
        except OSError as error:
            if self._removal is not None:
                self._removal.detach()  # not made here
            raise self._named(error) from error

    def _finish(self) -> None:
        self._stream.flush()
        if self._stream is sys.stdout.buffer:
            return
        self._stream.close()
        if self._temporary is None or self._target is None:
            return
        if not self._overwrite:
            try:
                os.link(self._temporary, self._target)
                return
            except OSError as error:  # or a file system that knows no second names, where another may still come between
                if os.path.lexists(self._target):
                    raise OutputError(f"{self.name}: exists already; --overwrite replaces it") from error
        os.replace(self._temporary, self._target)

    def _discard(self) -> None:
        if self._stream is not sys.stdout.buffer:
            with contextlib.suppress(OSError):  # a full disk says so once more when the buffer is dropped
                self._stream.close()
        if self._removal is not None:
            self._removal()  # of a file that was moved nothing is left
        self._temporary = None

    def _named(self, error: OSError) -> OutputError:
        folder = os.path.dirname(self._target or "")
        if isinstance(error, FileNotFoundError) and folder and not os.path.isdir(folder):
            return OutputError(f"{self.name}: there is no folder {folder}; make it first")
        return OutputError(f"{self.name}: {error.strerror or error}")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
