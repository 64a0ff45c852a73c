"""Lists of units from anywhere: unit files of ours, and the data files of ``facebookresearch/speech-resynthesis``.

The latter have a Python literal a line, a dictionary that holds, under the name of the encoder, the units as a string of
integers: ``{'audio': 'p312_228.flac', 'hubert': '71 71 12 ...', 'duration': 2.56}``. Either kind may be gzipped.
"""

from __future__ import annotations

import ast
import gzip
import re
import zlib
from pathlib import Path

import numpy as np

from .arrays import MAX_BYTES, NPZ
from .units import UnitEntry, UnitsError, read_units

_DIGITS = re.compile(r"\d+(?: \d+)*")


def read_list(path: Path) -> list[UnitEntry]:
    """The utterances of a file, at least one.

    Raises:
        UnitsError: naming the file: it cannot be read, or holds something else.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UnitsError(f"holds more than {MAX_BYTES} bytes")
        # A unit file is JSON, whose strings have double quotes.
        if data.startswith((NPZ, b'{"')):
            entries = read_units(data)
        else:
            entries = [_entry(number, line) for number, line in enumerate(data.decode().splitlines(), 1)]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UnitsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except UnitsError as error:
        raise UnitsError(f"{path}: {error}") from error
    if not entries:
        raise UnitsError(f"{path}: holds no utterances")
    return entries


def _entry(number: int, line: str) -> UnitEntry:
    try:
        fields = ast.literal_eval(line)
        # The name that they have is the encoder's.
        strings = (value for key, value in fields.items() if key != "audio" and isinstance(value, str))
        units = next(filter(_DIGITS.fullmatch, strings))
        return UnitEntry(np.array([units.split()], dtype=np.int32), audio=str(fields.get("audio", "")) or None)
    except (
        ValueError,
        SyntaxError,
        AttributeError,
        TypeError,
        StopIteration,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise UnitsError(f"line {number}: no dictionary with a string of units") from error
