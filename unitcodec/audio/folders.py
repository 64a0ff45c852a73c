"""Folders of recordings."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Container, Iterator
from pathlib import Path

from ..errors import UnitcodecWarning


def files_below(folder: Path, suffixes: Container[str]) -> Iterator[Path]:
    """The files of these kinds in a folder and below it, in order. Raises OSError for a folder that cannot be read.

    Links are followed, but for those that lead in circles and those to nothing, of which each is told by a warning.
    """

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not _circular(Path(parent, name)))
        for name in sorted(names):
            path = Path(parent, name)
            if _is_apple_double(path):
                continue
            # A named pipe or a device would be waited for; a link that leads nowhere is refused when it is read.
            if path.suffix.lower() in suffixes and (os.path.isfile(path) or not os.path.exists(path)):
                yield path
            elif not path.suffix and not os.path.exists(path):
                _leave_out(path, "a link to nothing")


def _is_apple_double(path: Path) -> bool:
    """Whether it is what macOS writes beside a file on a disk that is not its own: ._talk.wav holds no sound."""
    with contextlib.suppress(OSError):
        if path.name.startswith("._") and path.is_file():
            with open(path, "rb") as stream:
                return stream.read(4) == b"\0\5\x16\7"
    return False


def _circular(path: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    if not path.is_symlink() or os.path.realpath(path) not in map(os.path.realpath, path.parents):
        return False
    _leave_out(path, "a link to a folder that it is in")
    return True


def _leave_out(path: Path, reason: str) -> None:
    warnings.warn(f"{path}: {reason}; left out", UnitcodecWarning, stacklevel=2)
