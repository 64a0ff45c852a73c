"""Files that are opened without trust in what stands under their name: a pipe would wait for ever, a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from os import PathLike


def open_regular(path: str | PathLike[str], limit: int) -> BufferedReader:
    """A regular file of at most ``limit`` bytes, or a link to one, open for reading. Raises OSError for anything else."""
    # Looked at before it is opened, as opening alone can start a device; and after, as it may have been replaced since.
    _check(path, os.stat(path), limit)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(path, os.fstat(descriptor), limit)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | PathLike[str], limit: int) -> bytes:
    """All bytes of such a file. Raises OSError."""
    with open_regular(path, limit) as file:
        # No more than it was said to have: some files of /proc call themselves empty, and wait.
        return file.read(os.fstat(file.fileno()).st_size)


def _check(path: str | PathLike[str], status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    if status.st_size > limit:
        raise OSError(errno.EFBIG, f"holds {status.st_size} bytes; {limit} is the limit", os.fspath(path))
