"""Lines of unit lists, as several programs write them -> the values of an entry, which nobody has checked yet.

    {"audio": "a.wav", "units": [3, 3, 4], "f0": [7], ...}           a unit file of ours
    {'audio': 'a.wav', 'hubert': '3 3 4', 'duration': 0.06}          facebookresearch/speech-resynthesis
    a|3 3 4                                                          fairseq, quantize_with_kmeans.py
    id<TAB>src_audio<TAB>src_n_frames<TAB>tgt_audio<TAB>...          fairseq, speech-to-unit translation: names of columns,
    a<TAB>a.wav<TAB>6<TAB>3 3 4<TAB>...                              then a line an utterance

A dictionary is JSON or, with quotes of either kind, a Python literal.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

NAMES = ("units", "cpc_km100", "vqvae256", "hubert", "tgt_audio")
"""Of units, in the order in which they are looked for: ours, those of speech-resynthesis in its own order, fairseq's."""

OTHERS = re.compile(r"audio|duration|id|name|path|speaker|spk|text|transcript|.*n_frames")
"""Names of what may be written in digits and is no units."""

_DIGITS = re.compile(r"\s*\d+(\s+\d+)*\s*", re.ASCII)


class LineReader:
    """Reads one list's lines, in order."""

    def __init__(self) -> None:
        self._columns: list[str] = []

    def read(self, line: bytes) -> dict[str, Any] | None:
        """The values of a line; None for one that has none, which is empty or names columns. Raises ValueError."""
        try:
            text = line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                "not UTF-8 text, so no list of units; 'unitcodec decode' speaks a stream, 'unitcodec units' makes a list of sound"
            ) from error
        if not text.strip():
            return None
        if text.lstrip().startswith("{"):
            return read_dictionary(text)
        if self._columns:
            cells = text.split("\t")
            if len(cells) != len(self._columns):
                raise ValueError(f"{len(cells)} columns; the first line names {len(self._columns)}")
            return _values(dict(zip(self._columns, cells, strict=True)))
        name, _, units = text.rpartition("|")
        if name and _DIGITS.fullmatch(units):
            return _values({"audio": name, "units": units})
        columns = text.split("\t")
        if len(columns) == 1 or not set(NAMES).intersection(columns):
            raise ValueError("no JSON object, no 'name|1 2 3', and no names of columns, one of them " + " or ".join(NAMES))
        self._columns = columns
        return None


def read_dictionary(text: str | bytes) -> dict[str, Any]:
    """The values of a dictionary. Raises ValueError."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python thinks of backslashes in a path
                fields = ast.literal_eval(text.decode() if isinstance(text, bytes) else text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, OverflowError) as error:
            raise ValueError("not a JSON object, or one of several lines; in a list each takes one") from error
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return _values(fields)


def _values(fields: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(fields.get("units"), list):
        return dict(fields)
    found: dict[str, list[Any]] = {}
    for name, value in fields.items():
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            found[name] = [int(unit) for unit in value.split()]
        elif name in NAMES and isinstance(value, list):
            found[name] = value
    # Of names that nobody knows the longest.
    unknown = sorted((name for name in found if not OTHERS.fullmatch(str(name))), key=lambda name: -len(found[name]))
    units = next((found[name] for name in (*NAMES, *unknown) if name in found), fields.get("units"))
    audio = next((str(fields[name]) for name in ("audio", "id", "name") if fields.get(name)), None)
    lists = {name: fields[name] for name in ("durations", "f0") if isinstance(fields.get(name), list)}
    return {"units": units, "audio": audio, **lists}
