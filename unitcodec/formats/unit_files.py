"""Units as a product: what a corpus says, as text or arrays for whoever trains on units, and back.

A unit file is JSONL, one object an utterance, or the same as one ``.npz``:

    {"audio": "talk.wav", "units": [[3, 3, 4], [0, 1, 1]], "f0": [7, 7], "speaker": [31, 2, 46, 0], "num_samples": 1900,
     "model": "79ef12ab", "frame_rate": 25.0}

``units`` is a list of integers where a model has one codebook, a list of rows where it has several. Runs of equal units (of
equal columns) may stand as one, with their ``durations`` in frames beside. Everything but ``units`` may be missing. The lists
of other programs are read as well, see :mod:`unitcodec.formats.unit_lines`, and all of them gzipped.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from bitstream import InvalidCodes, SpeechCodes
from bitstream.arrays import IntArray
from bitstream.codes import MAX_SAMPLES, as_codes
from bitstream.stream.header import MAGIC

from ..errors import UnitcodecError
from .arrays import MAX_BYTES, NPZ, Array, read_npz, write_npz
from .unit_lines import LineReader, read_dictionary

GZIP = b"\x1f\x8b"
"""How a gzipped file begins."""

MAX_FRAMES = 24 * 3600 * 50
"""Most frames that durations may add up to, a day at 50 Hz: a few digits must not fill a disk."""

FIELDS = ("audio", "units", "durations", "f0", "speaker", "num_samples", "model", "frame_rate")
"""What an entry may hold, in this order; other keys of a JSON object are passed over."""


class UnitsError(UnitcodecError):
    """A unit file, or an entry of one, is not what it should be."""


@dataclass(frozen=True, eq=False)
class UnitEntry:
    """An utterance of a unit file; None stands for what is missing.

    Attributes:
        units: (rows, n) int32, a column a frame or, with durations, a column a run.
        durations: (n,) int32, frames of each run, at least 1.
        f0: (m,) int32.
        speaker: (fields,) int32.
        num_samples: length of the waveform, samples at 16 kHz.
        model: fingerprint of the model that the codes belong to.
        frame_rate: unit frames a second, Hz.
        audio: the file that it was made from, as it was named.
    """

    units: IntArray
    durations: IntArray | None = None
    f0: IntArray | None = None
    speaker: IntArray | None = None
    num_samples: int | None = None
    model: str | None = None
    frame_rate: float | None = None
    audio: str | None = None

    @staticmethod
    def of(codes: SpeechCodes, frame_rate: float, audio: str | None = None) -> UnitEntry:
        """The entry of an utterance's codes."""
        return UnitEntry(codes.units, None, codes.f0, codes.speaker, codes.num_samples, codes.model, frame_rate, audio)

    def collapsed(self) -> UnitEntry:
        """The same with runs as one unit and their durations."""
        units, durations = dedup(self.frames())
        return replace(self, units=units, durations=durations)

    def frames(self) -> IntArray:
        """Units frame by frame, (rows, frames)."""
        return self.units if self.durations is None else expand(self.units, self.durations)


def dedup(units: IntArray) -> tuple[IntArray, IntArray]:
    """Frames (rows, n) -> runs of equal columns (rows, k) and the frames of each (k,).

    >>> dedup(np.array([[5, 5, 5, 2], [1, 1, 0, 0]]))
    (array([[5, 5, 2],
           [1, 0, 0]]), array([2, 1, 1], dtype=int32))
    """
    starts = np.flatnonzero(np.concatenate([[True], (units[:, 1:] != units[:, :-1]).any(0)])[: units.shape[1]])
    return units[:, starts], np.diff(starts, append=units.shape[1]).astype(np.int32)


def expand(units: IntArray, durations: IntArray) -> IntArray:
    """Inverse of :func:`dedup`. Raises UnitsError unless each run has a duration, at least 1, and all a day at most."""
    if durations.shape != (units.shape[1],):
        raise UnitsError(f"{len(durations)} durations for {units.shape[1]} units")
    if durations.size and int(durations.min()) < 1:
        raise UnitsError(f"a duration of {durations.min()} frames; each is at least 1")
    total = int(durations.sum(dtype=np.int64))
    if total > MAX_FRAMES:
        raise UnitsError(f"durations of {total} frames together; {MAX_FRAMES} are the limit")
    expanded: IntArray = np.repeat(units, durations, axis=1)
    return expanded


def to_json(entry: UnitEntry) -> str:
    """An entry as a line of JSONL, without the line's end."""
    values = {name: getattr(entry, name) for name in FIELDS}
    values["units"] = entry.units[0] if len(entry.units) == 1 else entry.units
    lists = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    return json.dumps({name: value for name, value in lists.items() if value is not None})


def from_json(text: str | bytes) -> UnitEntry:
    """Inverse of :func:`to_json`. Raises UnitsError for whatever is no entry; its meaning to a model is not checked here."""
    try:
        values = read_dictionary(text)
    except ValueError as error:
        raise UnitsError("not a JSON object") from error
    return _entry(values)


def scan(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[str, UnitEntry | UnitsError]]:
    """The entries of a unit file, given as its path or its bytes, each with its place in it, "line 3" or "entry 3".

    In place of an entry that cannot be read stands the reason, so that the others can be; empty lines are passed over.

    Raises:
        UnitsError: the file is no unit file at all.
        OSError: it cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as stream:
        head = stream.read(len(NPZ))
        if head == MAGIC[: len(NPZ)]:
            raise UnitsError("a unitcodec stream; 'unitcodec decode' speaks it")
        stream.seek(0)
        if head.startswith(GZIP):
            data = _unzipped(stream)
            yield from from_npz(data) if data.startswith(NPZ) else _scan_lines(io.BytesIO(data))
        elif head == NPZ:
            yield from from_npz(stream.read())
        else:
            yield from _scan_lines(stream)


def _unzipped(stream: BinaryIO) -> bytes:
    try:
        data = gzip.GzipFile(fileobj=stream).read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnitsError("a damaged gzip file") from error
    if len(data) > MAX_BYTES:
        raise UnitsError(f"holds more than {MAX_BYTES} bytes")
    return data


def read_units(source: str | os.PathLike[str] | bytes) -> list[UnitEntry]:
    """All entries of a unit file, given as its path or its bytes. Raises UnitsError for the first that is none, or OSError."""
    entries = []
    for place, entry in scan(source):
        if isinstance(entry, UnitsError):
            raise UnitsError(f"{place}: {entry}") from entry
        entries.append(entry)
    return entries


def _scan_lines(lines: Iterable[bytes]) -> Iterator[tuple[str, UnitEntry | UnitsError]]:
    reader, first = LineReader(), True
    for number, line in enumerate(lines, 1):
        try:
            values = reader.read(line)
        except ValueError as error:
            if first:
                # Some other kind of file, which may have a great many lines.
                raise UnitsError(f"line {number}: {error}") from error
            yield f"line {number}", UnitsError(str(error))
            continue
        if values is None:
            continue
        first = False
        try:
            yield f"line {number}", _entry(values)
        except UnitsError as error:
            yield f"line {number}", error


def to_npz(entries: Sequence[UnitEntry]) -> bytes:
    """Entries as one ``.npz`` file: their units, durations and F0 end to end, with each entry's share of them beside.

    ``units`` (rows, all), ``columns`` (entries,), ``durations`` (all,), ``f0`` (all,), ``f0_frames`` (entries,), ``speaker``
    (entries, fields), ``num_samples`` (entries,), ``model``, ``frame_rate`` and ``audio`` (entries,). What the entries lack is
    left away. Raises ValueError where some lack what others have, or have other shapes.
    """
    arrays: dict[str, Array] = {"columns": np.array([entry.units.shape[1] for entry in entries], np.int64)}
    for name in FIELDS:
        values = [getattr(entry, name) for entry in entries]
        if all(value is None for value in values):
            continue
        if any(value is None for value in values):
            raise ValueError(f"some entries have {name} and others have none")
        if name in ("units", "durations", "f0"):
            arrays[name] = np.concatenate(values, -1)
        else:
            arrays[name] = np.array(values, {"num_samples": np.int64, "frame_rate": np.float64}.get(name))
    if "f0" in arrays:
        arrays["f0_frames"] = np.array([len(entry.f0) for entry in entries if entry.f0 is not None], np.int64)
    return write_npz(arrays)


def from_npz(data: bytes) -> Iterator[tuple[str, UnitEntry | UnitsError]]:
    """Inverse of :func:`to_npz`, as :func:`scan` gives it. Raises UnitsError where the arrays do not fit each other."""
    try:
        parts = _split(read_npz(data))
    except (KeyError, ValueError) as error:
        raise UnitsError(f"not a unit file: {error if isinstance(error, ValueError) else f'no array {error}'}") from error
    for number, values in enumerate(parts, 1):
        try:
            yield f"entry {number}", _entry(values)
        except UnitsError as error:
            yield f"entry {number}", error


def _split(arrays: dict[str, Array]) -> Iterator[dict[str, Any]]:
    """The archive's arrays entry by entry. Raises KeyError or ValueError at once if they do not fit each other."""
    columns = arrays["columns"]
    if columns.ndim != 1 or columns.dtype.kind not in "iu":
        raise ValueError("columns must be a list of integers")
    shares: dict[str, list[Array]] = {}
    for name, along in (("units", "columns"), ("durations", "columns"), ("f0", "f0_frames")):
        if name in arrays or name == "units":
            shares[name] = _shares(name, arrays[name], arrays[along], len(columns))
    whole = {name: arrays[name] for name in FIELDS if name in arrays and name not in shares}
    for name, array in whole.items():
        if array.ndim < 1 or len(array) != len(columns):
            raise ValueError(f"{name} has the shape {array.shape} for {len(columns)} entries")
    parts: dict[str, Any] = {**shares, **whole}
    return ({name: part[index] for name, part in parts.items()} for index in range(len(columns)))


def _shares(name: str, array: Array, sizes: Array, entries: int) -> list[Array]:
    if sizes.shape != (entries,) or sizes.dtype.kind not in "iu" or (sizes.size and int(sizes.min()) < 0):
        raise ValueError(f"the shares of {name} must be as many integers as there are entries")
    # As Python's integers, which cannot overflow.
    if array.ndim < 1 or sum(sizes.tolist()) != array.shape[-1]:
        raise ValueError(f"{name} has the shape {array.shape}, which its entries' shares do not add up to")
    return np.split(array, np.cumsum(sizes[:-1]).astype(np.intp), -1) if entries else []


def _entry(values: dict[str, Any]) -> UnitEntry:
    if values.get("units") is None:
        raise UnitsError("holds no units")
    try:
        units = as_codes("units", _rows(values.get("units")), 2)
        durations, f0, speaker = (_codes(name, values.get(name)) for name in ("durations", "f0", "speaker"))
    except InvalidCodes as error:
        raise UnitsError(str(error)) from error
    if not units.shape[1]:
        raise UnitsError("holds no units")
    if durations is not None:
        expand(units[:0], durations)
    return UnitEntry(
        units=units,
        durations=durations,
        f0=f0,
        speaker=speaker,
        num_samples=_num_samples(values.get("num_samples")),
        model=_text("model", values.get("model")),
        frame_rate=_frame_rate(values.get("frame_rate")),
        audio=_text("audio", values.get("audio")),
    )


def _rows(units: Any) -> Any:
    """Units as rows, where those of a single codebook need not stand in a list of their own."""
    if isinstance(units, np.ndarray):
        return units if units.ndim == 2 else units[None]
    if isinstance(units, list) and units and isinstance(units[0], list):
        return [_integers("units", row) for row in units]
    return [_integers("units", units)]


def _codes(name: str, value: Any) -> IntArray | None:
    return None if value is None else as_codes(name, value if isinstance(value, np.ndarray) else _integers(name, value), 1)


def _integers(name: str, value: Any) -> list[int]:
    """The value itself. Raises UnitsError unless it is a list of integers: JSON's true and false would pass for such."""
    if not isinstance(value, list):
        raise UnitsError(f"{name} must be a list of integers, not {_kind(value)}")
    for item in value:
        if type(item) is not int:
            raise UnitsError(f"{name} must be a list of integers; it holds {_kind(item)}")
    return value


def _num_samples(value: Any) -> int | None:
    if isinstance(value, np.integer):
        value = int(value)
    if value is not None and (type(value) is not int or not 1 <= value <= MAX_SAMPLES):
        raise UnitsError(f"num_samples must be an integer in 1 .. 2**48 - 1, not {_kind(value)}")
    return value


def _frame_rate(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < 16000:
        raise UnitsError(f"frame_rate must be a number of Hz, not {_kind(value)}")
    return float(value)


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise UnitsError(f"{name} must be text, not {_kind(value)}")
    return None if value is None else str(value)


def _kind(value: Any) -> str:
    """A value for a message: what it is, or what kind of thing where that would be long."""
    return f"{value!r:.40}" if isinstance(value, (bool, int, float, str)) else type(value).__name__
