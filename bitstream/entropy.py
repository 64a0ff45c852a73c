"""The entropy model: what it describes, its name, its file; the numbers themselves are `tables` or `recurrent`."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.batch import Batch, IntArray
from bitstream.codes import SpeechCodes, as_codes
from bitstream.errors import BitstreamError, Damaged, InvalidCodes, InvalidEntropyModel, shown
from bitstream.plan import Plan, make_plan
from bitstream.rangecoder import Distribution, Predictions, decode, encode
from bitstream.spec import MAX_INTEGERS, EntropySpec, stream_title
from bitstream.tensors import TensorFile, write_tensors

METADATA_KEY = "unitcodec"
MAX_FILE = 4 * MAX_INTEGERS


class Lanes(Protocol):
    """Packets side by side, asked symbol by symbol in coding order."""

    def frequencies(self, name: int | str, position: int, count: int) -> NDArray[np.int64]:
        """(count, alphabet) frequencies of symbol `position` of stream `name` in the first `count` packets.

        What was coded before it must stand in the batch that the lanes were made with.
        """
        ...

    def few_frequencies(self, name: int | str, position: int, count: int) -> list[list[int]]:
        """The same as lists, quicker where packets are few."""
        ...

    def block(self, name: int | str, positions: range, frames: range) -> NDArray[np.int64]:
        """(positions, n, alphabet) frequencies where the batch is full already, of the symbols that begin in ``frames``.

        Of the packets that have the first of the frames; where one of them ends within, its frequencies mean nothing.
        Blocks follow each other from frame 0 on.
        """
        ...


class EntropyModel(ABC):
    """What comes next in a packet, in integers; see docs/bitstream.md, section 5.

    Attributes:
        spec: rates, alphabets, contexts.
        fingerprint: 8 hex digits, derived from the description and every integer: the name that a stream carries.
        speaker_frequencies: (sum of the speaker alphabets,), those of each field's values in turn; None where all are alike.
        encodes_together, decodes_together: so many packets and more are quicker side by side than one by one.
    """

    spec: EntropySpec
    speaker_frequencies: NDArray[np.uint32] | None = None
    encodes_together: int
    decodes_together: int

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every integer of the model by the names in the file, in the order in which the fingerprint takes them."""

    @abstractmethod
    def predict(self, frames: int, f0_frames: int) -> Predictions:
        """Distributions of one packet's symbols in coding order; see rangecoder.Predictions."""

    @abstractmethod
    def lanes(self, batch: Batch) -> Lanes:
        """The same for packets side by side; the batch is filled as coding goes on."""

    @abstractmethod
    def packet_cost(self, units: IntArray, f0: IntArray) -> dict[str, float]:
        """Bits by stream of one packet, units (rows, n) and f0 (m,) inside their alphabets: the sum of -log2 p."""

    def description(self) -> dict[str, Any]:
        """What the file says of the model apart from its tensors and its fingerprint."""
        return self.spec.to_json()

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.description(), sort_keys=True, separators=(",", ":")).encode("ascii"))
        for tensor in self.tensors().values():
            # All integers are below 2**31, so either type has the same bytes; a copy would take as much memory as the model.
            digest.update(
                np.ascontiguousarray(tensor).astype(f"<{tensor.dtype.kind}4", copy=False).reshape(-1).view(np.uint8).data
            )
        return digest.hexdigest()[:8]

    @staticmethod
    def load(source: str | PathLike[str] | bytes) -> EntropyModel:
        """Read from a file's path or its bytes. Raises InvalidEntropyModel; OSError if the file cannot be read."""
        from bitstream.recurrent import RecurrentModel
        from bitstream.tables import TableModel

        try:
            with TensorFile(source, MAX_FILE) as tensors:
                if (integers := sum(math.prod(shape) for _, shape in tensors.layout.values())) > MAX_INTEGERS:
                    raise InvalidEntropyModel(f"holds {integers} integers; {MAX_INTEGERS} is the limit")
                description = read_description(tensors)
                spec = EntropySpec.from_json(json.dumps(description))
                kind: type[TableModel | RecurrentModel] = RecurrentModel if "recurrent" in description else TableModel
                model: EntropyModel = kind.from_file(spec, description, tensors)
            if description.get("fingerprint") != model.fingerprint:
                raise InvalidEntropyModel(f"names itself {shown(description.get('fingerprint'))} but is {model.fingerprint}")
        except BitstreamError as error:
            where = "the given bytes" if isinstance(source, bytes) else source
            raise InvalidEntropyModel(f"{where}: {error}") from error
        return model

    def to_bytes(self) -> bytes:
        """The safetensors file. The same model always gives the same bytes."""
        tensors = {name: _narrow(tensor) for name, tensor in self.tensors().items()}
        description = {"fingerprint": self.fingerprint, **self.description()}
        return write_tensors(tensors, {METADATA_KEY: json.dumps(description, sort_keys=True)})

    def save(self, path: str | PathLike[str]) -> None:
        """Write `to_bytes()` to `path`, by convention a model folder's `entropy.safetensors`."""
        Path(path).write_bytes(self.to_bytes())

    def plan(self, frames: int, f0_frames: int) -> Plan:
        """Coding order of a packet of this shape (cached)."""
        return make_plan(self.spec, frames, f0_frames)

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
        """Speaker fields -> bytes. Raises InvalidCodes if they are not the model's.

        Range-coded by `speaker_frequencies`; without these one mixed-radix number, the first field most significant,
        big-endian, spec.speaker_bytes long.
        """
        fields = as_codes("speaker", speaker, 1)
        if len(fields) != len(self.spec.speaker):
            raise InvalidCodes(f"{len(fields)} speaker fields given; the model has {len(self.spec.speaker)}")
        number = 0
        for i, (field, alphabet) in enumerate(zip(fields.tolist(), self.spec.speaker, strict=True)):
            if field >= alphabet:
                raise InvalidCodes(f"speaker field {i} is {field}; its alphabet ends at {alphabet - 1}")
            number = number * alphabet + field
        if self.speaker_frequencies is not None:
            return encode(fields.tolist(), self._speaker_predictions())
        return number.to_bytes(self.spec.speaker_bytes, "big")

    def unpack_speaker(self, data: bytes) -> NDArray[np.int32]:
        """Inverse of `pack_speaker`. Raises Damaged for bytes that it never gives."""
        if self.speaker_frequencies is not None:
            try:
                symbols = decode(data, len(self.spec.speaker), self._speaker_predictions(), 255)
            except Damaged as error:
                raise Damaged(f"the speaker code in the header is damaged: {error}", offset=0) from error
            return np.array(symbols, dtype=np.int32)
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

    def _speaker_predictions(self) -> Predictions:
        assert self.speaker_frequencies is not None
        start = 0
        for alphabet in self.spec.speaker:
            yield Distribution(self.speaker_frequencies[start : start + alphabet], self.spec.precision)
            start += alphabet

    def cost(self, codes: SpeechCodes) -> dict[str, float]:
        """Bits by stream, "units.0" ... "f0" and "speaker": the exact sum of -log2 of the integer frequencies.

        The speaker's are whole bytes, as in the header. Raises InvalidCodes as `check` does.
        """
        self.check(codes)
        bits = dict.fromkeys(map(stream_title, self.spec.names), 0.0)
        for index in range(self.spec.frames(codes.num_samples)[2]):
            units, f0 = packet_of(self.spec, codes.units, codes.f0, index)
            for title, cost in self.packet_cost(units, f0).items():
                bits[title] += cost
        return {**bits, "speaker": 8.0 * len(self.pack_speaker(codes.speaker))}


def check_speaker_frequencies(spec: EntropySpec, frequencies: NDArray[Any]) -> NDArray[np.uint32]:
    """A read-only copy. Raises InvalidEntropyModel unless they are distributions of the model's speaker fields."""
    total = 2**spec.precision
    if frequencies.dtype.kind not in "iu" or frequencies.shape != (sum(spec.speaker),) or not spec.speaker:
        raise InvalidEntropyModel(f"speaker must hold {sum(spec.speaker)} integers")
    if int(frequencies.min()) < 1 or int(frequencies.max()) > total:
        raise InvalidEntropyModel(f"speaker holds a frequency outside 1 .. {total}")
    copy = np.array(frequencies, dtype=np.uint32)
    if any(int(part.sum()) != total for part in np.split(copy, np.cumsum(spec.speaker)[:-1])):
        raise InvalidEntropyModel(f"speaker has a distribution that does not sum to {total}")
    if (longest := len(spec.speaker) * (spec.precision * 64 + 1) // 512 + 4) > 255:
        raise InvalidEntropyModel(f"a speaker code could need {longest} bytes; the header has room for 255")
    copy.flags.writeable = False
    return copy


def packet_of(
    spec: EntropySpec, units: NDArray[np.int32], f0: NDArray[np.int32], index: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The part of units (rows, frames) and f0 (f0_frames,) that packet `index` carries (views)."""
    start, f0_start = index * spec.packet_frames, index * spec.packet_f0_frames
    return units[:, start : start + spec.packet_frames], f0[f0_start : f0_start + spec.packet_f0_frames]


def read_description(tensors: TensorFile) -> dict[str, Any]:
    """The JSON that a safetensors file carries for us. Raises InvalidEntropyModel."""
    try:
        description = json.loads(tensors.metadata[METADATA_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise InvalidEntropyModel(f"has no {METADATA_KEY!r} description in its metadata") from error
    if not isinstance(description, dict):
        raise InvalidEntropyModel(f"has a {METADATA_KEY!r} description that is no JSON object")
    return description


def _narrow(tensor: NDArray[Any]) -> NDArray[Any]:
    """The smallest type that holds every value: the file's size, not its meaning."""
    low, high = (int(tensor.min()), int(tensor.max())) if tensor.size else (0, 0)
    for kind in ("<i1", "<u2", "<i2", "<u4"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return tensor.astype(kind)
    return tensor.astype("<i4")
