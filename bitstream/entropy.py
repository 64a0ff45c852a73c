"""The entropy model: integer context tables and the description that goes with them, in one safetensors file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import SpeechCodes, as_codes
from bitstream.errors import Damaged, InvalidCodes, InvalidEntropyModel
from bitstream.plan import Plan, make_plan
from bitstream.rangecoder import Distribution, Predictions
from bitstream.spec import EntropySpec, stream_title

METADATA_KEY = "unitcodec"


class EntropyModel:
    """Static context tables for every stream of a model, integers throughout; see docs/bitstream.md for their meaning.

    Attributes:
        spec: rates, alphabets, contexts.
        tables: stream title ("units.0", ..., "f0") -> (*context axes, alphabet) uint32, read-only; the last axis sums to
            2**precision and no entry is 0.
        fingerprint: 8 hex digits, derived from `spec` and `tables`: the name that a stream carries.

    Raises InvalidEntropyModel if the tables do not fit the description.
    """

    def __init__(self, spec: EntropySpec, tables: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        titles = [stream_title(name) for name in spec.names]
        if sorted(tables) != sorted(titles):
            raise InvalidEntropyModel(f"tables {sorted(tables)} given, {sorted(titles)} needed")
        self.tables = {stream_title(name): _checked(spec, name, tables[stream_title(name)]) for name in spec.names}
        self._distributions = [_Lazy(self.tables[title], spec.precision) for title in titles]
        self._plan = lru_cache(maxsize=64)(lambda frames, f0_frames: make_plan(spec, frames, f0_frames))

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.spec.to_json(), sort_keys=True, separators=(",", ":")).encode("ascii"))
        for name in self.spec.names:
            digest.update(self.tables[stream_title(name)].astype("<u4").tobytes())
        return digest.hexdigest()[:8]

    @staticmethod
    def load(source: str | PathLike[str] | bytes) -> EntropyModel:
        """Read from a file's path or its bytes. Raises InvalidEntropyModel; OSError if the file cannot be read."""
        import safetensors
        import safetensors.numpy

        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        where = "the given bytes" if isinstance(source, bytes) else str(source)
        try:
            tensors = safetensors.numpy.load(data)
        except Exception as error:  # whatever safetensors makes of bytes that are not its own
            raise InvalidEntropyModel(f"{where} is not a safetensors file: {error}") from error
        description = read_description(data, where)
        model = EntropyModel(
            EntropySpec.from_json(json.dumps(description)),
            {key.removeprefix("table."): tensor for key, tensor in tensors.items() if key.startswith("table.")},
        )
        if description.get("fingerprint") != model.fingerprint:
            raise InvalidEntropyModel(f"{where} names itself {description.get('fingerprint')!r} but is {model.fingerprint}")
        return model

    def to_bytes(self) -> bytes:
        """The safetensors file. The same model always gives the same bytes."""
        import safetensors.numpy

        tensors = {f"table.{title}": _narrow(table) for title, table in self.tables.items()}
        description = {"fingerprint": self.fingerprint, **self.spec.to_json()}
        return safetensors.numpy.save(tensors, {METADATA_KEY: json.dumps(description, sort_keys=True)})

    def save(self, path: str | PathLike[str]) -> None:
        """Write `to_bytes()` to `path`, by convention a model folder's `entropy.safetensors`."""
        Path(path).write_bytes(self.to_bytes())

    def predict(self, frames: int, f0_frames: int) -> Predictions:
        """Distributions of a packet's symbols in coding order; see rangecoder.Predictor."""
        coded: list[int] = []
        for step in self.plan(frames, f0_frames).steps:
            cell = step.base
            for stride, earlier in step.references:
                cell += stride * coded[earlier]
            coded.append((yield self._distributions[step.stream][cell]))

    def plan(self, frames: int, f0_frames: int) -> Plan:
        """Coding order of a packet of this shape (cached)."""
        return self._plan(frames, f0_frames)

    def check(self, codes: SpeechCodes) -> None:
        """Raise InvalidCodes unless `codes` belong to this model: fingerprint, shapes, alphabets."""
        if codes.model != self.fingerprint:
            raise InvalidCodes(f"codes of model {codes.model}, entropy model of {self.fingerprint}")
        frames, f0_frames, _ = self.spec.frames(codes.num_samples)
        if codes.units.shape[1] != frames or len(codes.f0) != f0_frames:
            raise InvalidCodes(
                f"{codes.num_samples} samples make {frames} unit and {f0_frames} F0 frames; "
                f"the codes have {codes.units.shape[1]} and {len(codes.f0)}"
            )
        self.check_symbols(codes.units, codes.f0)
        self.pack_speaker(codes.speaker)

    def check_symbols(self, units: NDArray[np.int32], f0: NDArray[np.int32]) -> None:
        """Raise InvalidCodes unless units (rows, n) and f0 (m,) lie in their alphabets."""
        if len(units) != len(self.spec.rows):
            raise InvalidCodes(f"{len(units)} unit rows given; the model has {len(self.spec.rows)}")
        for name, values in zip(self.spec.names, (*units, f0), strict=True):
            if values.size and int(values.max()) >= self.spec.stream(name).alphabet:
                raise InvalidCodes(
                    f"{stream_title(name)} holds {values.max()}; its alphabet ends at {self.spec.stream(name).alphabet - 1}"
                )

    def pack_speaker(self, speaker: ArrayLike) -> bytes:
        """Speaker fields -> one mixed-radix number, the first field most significant, big-endian, spec.speaker_bytes long."""
        fields = as_codes("speaker", speaker, 1)
        if len(fields) != len(self.spec.speaker):
            raise InvalidCodes(f"{len(fields)} speaker fields given; the model has {len(self.spec.speaker)}")
        number = 0
        for i, (field, alphabet) in enumerate(zip(fields.tolist(), self.spec.speaker, strict=True)):
            if field >= alphabet:
                raise InvalidCodes(f"speaker field {i} is {field}; its alphabet ends at {alphabet - 1}")
            number = number * alphabet + field
        return number.to_bytes(self.spec.speaker_bytes, "big")

    def unpack_speaker(self, data: bytes) -> NDArray[np.int32]:
        """Inverse of `pack_speaker`. Raises Damaged for bytes that it never gives."""
        if len(data) != self.spec.speaker_bytes:
            raise Damaged(
                f"the header holds {len(data)} bytes of speaker code; the model needs {self.spec.speaker_bytes}", offset=0
            )
        number, fields = int.from_bytes(data, "big"), []
        for alphabet in reversed(self.spec.speaker):
            number, field = divmod(number, alphabet)
            fields.append(field)
        if number:
            raise Damaged("the speaker code in the header is out of range", offset=0)
        return np.array(fields[::-1], dtype=np.int32)

    def cost(self, codes: SpeechCodes) -> dict[str, float]:
        """Bits by stream, "units.0" ... "f0" and "speaker": the exact sum of -log2 of the integer frequencies.

        The speaker's are whole bytes, as in the header. Raises InvalidCodes as `check` does.
        """
        self.check(codes)
        bits = dict.fromkeys(self.tables, 0.0)
        for index in range(self.spec.frames(codes.num_samples)[2]):
            units, f0 = packet_of(self.spec, codes.units, codes.f0, index)
            for title, cost in self.packet_cost(units, f0).items():
                bits[title] += cost
        return {**bits, "speaker": 8.0 * self.spec.speaker_bytes}

    def packet_cost(self, units: NDArray[np.int32], f0: NDArray[np.int32]) -> dict[str, float]:
        """Bits by stream of one packet: units (rows, n) and f0 (m,) inside their alphabets."""
        plan = self.plan(units.shape[1], len(f0))
        symbols = plan.order(units, f0)
        cells = plan.cells(symbols)
        bits = {}
        for stream, (title, table) in enumerate(self.tables.items()):
            mine = plan.streams == stream
            frequencies = table.reshape(-1, table.shape[-1])[cells[mine], symbols[mine]]
            bits[title] = float((self.spec.precision - np.log2(frequencies)).sum())
        return bits


def packet_of(
    spec: EntropySpec, units: NDArray[np.int32], f0: NDArray[np.int32], index: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The part of units (rows, frames) and f0 (f0_frames,) that packet `index` carries (views)."""
    start, f0_start = index * spec.packet_frames, index * spec.packet_f0_frames
    return units[:, start : start + spec.packet_frames], f0[f0_start : f0_start + spec.packet_f0_frames]


def read_description(data: bytes, where: str) -> dict[str, Any]:
    """The JSON that a safetensors file (or its beginning) carries for us. Raises InvalidEntropyModel."""
    try:
        size = int.from_bytes(data[:8], "little")
        description = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][METADATA_KEY])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidEntropyModel(f"{where} has no {METADATA_KEY!r} description in its metadata") from error
    if not isinstance(description, dict):
        raise InvalidEntropyModel(f"{where} has a {METADATA_KEY!r} description that is no JSON object")
    return description


class _Lazy(dict[int, Distribution]):
    """Context cell -> Distribution, made when first met: most contexts of a large table never are."""

    def __init__(self, table: NDArray[np.uint32], precision: int) -> None:
        super().__init__()
        self._table = table.reshape(-1, table.shape[-1])
        self._precision = precision

    def __missing__(self, cell: int) -> Distribution:
        made = self[cell] = Distribution(self._table[cell], self._precision)
        return made


def _checked(spec: EntropySpec, name: int | str, table: NDArray[Any]) -> NDArray[np.uint32]:
    title, shape, total = stream_title(name), spec.table_shape(name), 2**spec.precision
    table = np.asarray(table)
    if table.dtype.kind not in "iu":
        raise InvalidEntropyModel(f"table.{title} must hold integers, not {table.dtype}")
    if table.shape != shape:
        raise InvalidEntropyModel(f"table.{title} has shape {table.shape}; its contexts ask for {shape}")
    if int(table.min()) < 1 or int(table.max()) > total:
        raise InvalidEntropyModel(f"table.{title} holds a frequency outside 1 .. {total}")
    if not np.array_equal(table.sum(axis=-1, dtype=np.int64), np.full(shape[:-1], total)):
        raise InvalidEntropyModel(f"table.{title} has a distribution that does not sum to {total}")
    copy = np.array(table, dtype=np.uint32, order="C")
    copy.flags.writeable = False
    return copy


def _narrow(table: NDArray[np.uint32]) -> NDArray[Any]:
    return table.astype(np.uint16) if int(table.max()) < 2**16 else table
