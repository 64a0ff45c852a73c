"""Unit files as lists of utterances, for whoever needs all of them and can do nothing with half of one."""

from __future__ import annotations

from pathlib import Path

from ..errors import reason
from .unit_files import UnitEntry, UnitsError, read_units


def read_list(path: Path) -> list[UnitEntry]:
    """The utterances of a unit file, at least one.

    Raises:
        UnitsError: naming the file: it cannot be read, or holds something else.
    """
    try:
        entries = read_units(path)
    except OSError as error:
        raise UnitsError(f"{path}: {reason(error, path)}") from error
    except UnitsError as error:
        raise UnitsError(f"{path}: {error}") from error
    if not entries:
        raise UnitsError(f"{path}: holds no utterances")
    return entries
