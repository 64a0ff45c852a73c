"""Files that are either whole or not there."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        BenchmarkError: it cannot be read or is none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchmarkError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BenchmarkError(f"{path}: not JSON, or cut short; delete it to begin anew") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}: not a JSON object; the benchmarks write results.json, bitrate.json and speed.json")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing, also when several processes write it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def remembered_array(path: Path, make: Callable[[], NDArray[Any]], length: int | None = None) -> NDArray[Any]:
    """The finite floating-point numbers ``(length,)`` that ``path`` holds; where it holds none such, what ``make`` gives.

    That is kept there. Without ``length`` any number of them will do.
    """
    known = _array(path)
    if known is not None and length in (None, len(known)):
        return known
    stream = io.BytesIO()
    np.save(stream, array := make())
    write_bytes(path, stream.getvalue())
    return array


def _array(path: Path) -> NDArray[Any] | None:
    """Damaged in whatever way, a file can be made again."""
    if not path.is_file():
        return None
    try:
        found = np.load(path)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile):
        return None
    usable = isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind == "f" and bool(np.isfinite(found).all())
    return found if usable else None
