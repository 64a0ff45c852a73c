"""Where a corpus is written: a folder, or a URL that fsspec knows."""

from __future__ import annotations

import contextlib
import os
import posixpath
import secrets
import time
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

from ..errors import UnitcodecError, is_url


def fsspec() -> ModuleType:
    """The package. Raises UnitcodecError where it is not installed."""
    try:
        import fsspec
    except ImportError as error:
        raise UnitcodecError("URLs need fsspec: pip install 'unitcodec[corpus]'") from error
    return cast(ModuleType, fsspec)


def open_path(path: str) -> BinaryIO:
    """A file or URL, open for reading bytes. Raises OSError, and whatever a URL's file system raises."""
    if is_url(path):
        return cast(BinaryIO, fsspec().open(path, "rb").open())
    return open(path, "rb")


def joined(folder: str, name: str) -> str:
    """A path in a folder or URL."""
    return posixpath.join(folder, name) if is_url(folder) else os.path.join(folder, name)


class Store:
    """A folder of files that appear as a whole. It can be pickled. Names are relative and have / between their parts."""

    def __init__(self, root: str) -> None:
        """``root``: a folder, which need not exist, or a URL. Raises UnitcodecError for a URL of no known kind."""
        self.remote = is_url(root)
        self.root = root if self.remote else os.path.abspath(root)
        if self.remote:
            self._filesystem()

    def exists(self, name: str) -> bool:
        return bool(self._filesystem().exists(self._path(name))) if self.remote else os.path.isfile(self._path(name))

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, OSError."""
        return bytes(self._filesystem().cat_file(self._path(name))) if self.remote else Path(self._path(name)).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write a file as a whole, in the place of one of the same name. Raises OSError.

        In a folder it is renamed when all of it is on the disk; object stores show an object when it is complete.
        """
        path = self._path(name)
        if self.remote:
            filesystem = self._filesystem()
            filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
            filesystem.pipe_file(path, data)
            return
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        # Hidden, and of a process that may run on another machine: no two are alike.
        temporary = os.path.join(folder, f".{secrets.token_hex(8)}.part")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def remove(self, name: str) -> None:
        """If it is there. Raises OSError."""
        if not self.exists(name):
            return
        if self.remote:
            self._filesystem().rm_file(self._path(name))
        else:
            os.unlink(self._path(name))

    def names(self) -> list[str]:
        """What lies in it at the top, but for hidden files; nothing if it does not exist. Raises OSError."""
        if self.remote:
            filesystem = self._filesystem()
            found = filesystem.ls(self.root, detail=False) if filesystem.exists(self.root) else []
            return sorted(name for path in found if not (name := posixpath.basename(path.rstrip("/"))).startswith("."))
        with contextlib.suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self.root) if not name.startswith("."))
        return []

    def sweep(self, folder: str) -> None:
        """Remove what killed runs have left of files in a folder of it: what is older than an hour."""
        if self.remote:
            return
        with contextlib.suppress(OSError):
            for path in Path(self._path(folder)).glob(".*.part"):
                if path.stat().st_mtime < time.time() - 3600:
                    path.unlink()

    def _path(self, name: str) -> str:
        return joined(self.root, name) if self.remote else os.path.join(self.root, *name.split("/"))

    def _filesystem(self) -> Any:
        try:
            return fsspec().core.url_to_fs(self.root)[0]
        except (ImportError, ValueError) as error:
            raise UnitcodecError(f"{self.root}: {error}") from error
