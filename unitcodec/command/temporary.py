"""Files that are being written, beside where they shall lie, and what killed runs have left of such."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import weakref
from typing import BinaryIO

if sys.platform != "win32":  # which removes no file that is open
    import fcntl

_NAME = re.compile(r"\.unitcodec-\d+-[0-9a-f]+\.part")

ASIDE = ".old"
"""Behind the name of a folder that another one is about to replace. The file then holds the name that both shall have."""

_cleaned: set[str] = set()
"""Folders that this process has looked through."""


class Temporary:
    """A new file in a folder, open for writing, which is removed unless it was moved: even by a later run, if this one is killed.

    While it lives its file is locked, by which others tell. A folder of the same name without ``.part`` goes with it.

    Attributes:
        path: its file.
        stream: open for writing bytes.
    """

    def __init__(self, folder: str) -> None:
        """Raises OSError."""
        clean(folder)
        self._lock: int | None = None
        while True:
            # A short name of its own, never used again: the target's may already be as long as the file system allows.
            self.path = os.path.join(folder, f".unitcodec-{os.getpid()}-{secrets.token_hex(6)}.part")
            # Before there is anything to remove: a signal may interrupt between any two of these lines.
            self.remove = weakref.finalize(self, _remove, self.path)
            try:
                # Not from tempfile: that forbids others to read the result, whatever the umask.
                self.stream: BinaryIO = open(self.path, "xb")  # noqa: SIM115
            except OSError:
                self.remove.detach()  # not made here
                raise
            if sys.platform == "win32":
                return
            self._lock = os.dup(self.stream.fileno())  # holds the lock while the stream is closed and the file moved
            if locked(self._lock) is not False and os.path.exists(self.path):
                return
            self.close()  # another run took it for one that was left, before it was locked

    def close(self) -> None:
        """Remove what is there under its name and let go of it. Raises OSError where the last bytes cannot be written."""
        try:
            self.stream.close()
        finally:
            try:
                self.remove()
            finally:
                if self._lock is not None:
                    os.close(self._lock)
                    self._lock = None


def clean(folder: str) -> None:
    """Remove what killed runs left in a folder; of each only once in a process. What cannot be removed stays."""
    folder = os.path.realpath(folder)
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_left(entry.path)


def _remove_left(path: str) -> None:
    if sys.platform == "win32":
        os.unlink(path)
        remove_tree(path.removesuffix(".part"))
        return
    with open(path, "r+b") as file:
        if locked(file.fileno()):
            _remove(path)


def locked(file: int) -> bool | None:
    """Lock an open file; whether that was done. False: another has done so; None: the file system knows no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _replaced(path: str) -> bool:
    """Whether no folder stands aside any more. If one does, the run was killed, or failed, while another took its place: that
    one is whole and goes there, or else the old one comes back."""
    folder = path.removesuffix(".part")
    if not os.path.isdir(folder + ASIDE):
        return True
    try:
        if os.path.isdir(folder):  # else it has gone there
            with open(path, "rb") as file:
                name = os.fsdecode(file.read(4096))
            target = os.path.join(os.path.dirname(path), name)
            if name in ("", ".", "..") or os.path.basename(name) != name or os.path.lexists(target):
                return False
            try:
                os.rename(folder, target)
            except OSError:
                os.rename(folder + ASIDE, target)
    except (OSError, ValueError):
        return False
    remove_tree(folder + ASIDE)
    return not os.path.lexists(folder + ASIDE)


def _remove(path: str) -> None:
    if not _replaced(path):
        return  # two folders and what tells of them are better than none
    remove_tree(path.removesuffix(".part"))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(folder: str) -> None:
    """Remove a folder and what is in it, as far as that can be done."""
    with contextlib.suppress(RecursionError):  # folders a thousand deep
        shutil.rmtree(folder, ignore_errors=True)
