"""The entropy model: what it describes, its name, its file; the numbers themselves are `tables` or `recurrent`."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.arrays import IntArray
from bitstream.codes import SpeechCodes, as_codes
from bitstream.entropy.batch import Batch, Codes, check_symbols, in_groups, packet_of
from bitstream.entropy.rangecoder import Distribution, FewDecoders, canonical_tail, encode
from bitstream.entropy.spec import MAX_INTEGERS, EntropySpec, from_radix, stream_title, to_radix
from bitstream.errors import BitstreamError, Damaged, InvalidCodes, InvalidEntropyModel, shown
from bitstream.tensors import TensorFile, write_tensors

METADATA_KEY = "unitcodec"
MAX_FILE = 4 * MAX_INTEGERS
"""Bytes of a model's file."""

_KINDS: dict[str, type[EntropyModel]] = {}
"""Kinds of models, by what only their files' descriptions have; that of tables, which have nothing of the sort, by ""."""

BLOCK = 2**11
"""Frames, times packets, whose frequencies are worked out together where all symbols are known."""

Bits = dict[int | str, float]
"""By stream."""


class Lanes(Protocol):
    """What comes next in the packets of a batch, which is filled as coding goes on: asked in coding order, frame by frame."""

    def frequencies(self, name: int | str, position: int, count: int) -> NDArray[np.int64]:
        """(count, alphabet) frequencies of symbol `position` of a stream in the first `count` packets; not of one `alone`."""
        ...

    def few(self, name: int | str, position: int, count: int) -> list[Distribution]:
        """The same, one distribution a packet: quicker where packets are few."""
        ...

    def block(self, frames: range, count: int) -> Iterator[tuple[int | str, slice, NDArray[np.int64]]]:
        """Of a full batch, stream by stream: its name, positions, and frequencies (positions, count, alphabet).

        Of the symbols that begin in these frames, in the first `count` packets, which have the first of the frames; where one
        of them ends within, its frequencies mean nothing. Blocks follow each other from frame 0 on.
        """
        ...


def read_description(tensors: TensorFile) -> dict[str, Any]:
    """The JSON that a safetensors file carries for us. Raises InvalidEntropyModel."""
    try:
        description = json.loads(tensors.metadata[METADATA_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise InvalidEntropyModel(f"has no {METADATA_KEY!r} description in its metadata") from error
    if not isinstance(description, dict):
        raise InvalidEntropyModel(f"has a {METADATA_KEY!r} description that is no JSON object")
    return description


class EntropyModel(ABC):
    """What comes next in a packet, in integers; see docs/bitstream.md, section 5.

    Attributes:
        spec: rates, alphabets, contexts.
        fingerprint: 8 hex digits, derived from the description and every integer: the name that a stream carries.
        speaker_frequencies: (sum of the speaker alphabets,), those of each field's values in turn; None where all are alike.
        few: up to so many packets are decoded quicker from distributions than from arrays of frequencies.
    """

    def __init_subclass__(cls, key: str, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[key] = cls

    spec: EntropySpec
    speaker_frequencies: NDArray[np.uint32] | None = None
    few: int

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every integer of the model by the names in the file, in the order in which the fingerprint takes them."""

    @abstractmethod
    def lanes(self, batch: Batch) -> Lanes:
        """What comes next in packets side by side; the batch is filled as coding goes on."""

    def packet_cost(self, units: IntArray, f0: IntArray) -> dict[str, float]:
        """Bits by stream of one packet, units (rows, n) and f0 (m,) inside their alphabets: the sum of -log2 p."""
        return {stream_title(name): bits for name, bits in packet_bits(self, [(units, f0)])[0].items()}

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
        try:
            with TensorFile(source, MAX_FILE) as tensors:
                if (integers := sum(math.prod(shape) for _, shape in tensors.layout.values())) > MAX_INTEGERS:
                    raise InvalidEntropyModel(f"holds {integers} integers; {MAX_INTEGERS} is the limit")
                description = read_description(tensors)
                spec = EntropySpec.from_json(json.dumps(description))
                kind = next((kind for key, kind in _KINDS.items() if key in description), _KINDS[""])
                model = kind.from_file(spec, description, tensors)
            if description.get("fingerprint") != model.fingerprint:
                raise InvalidEntropyModel(f"names itself {shown(description.get('fingerprint'))} but is {model.fingerprint}")
        except BitstreamError as error:
            where = "the given bytes" if isinstance(source, bytes) else source
            raise InvalidEntropyModel(f"{where}: {error}") from error
        return model

    @staticmethod
    @abstractmethod
    def from_file(spec: EntropySpec, description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> EntropyModel:
        """The model of a file's parts."""

    def to_bytes(self) -> bytes:
        """The safetensors file. The same model always gives the same bytes."""
        tensors = {name: _narrow(tensor) for name, tensor in self.tensors().items()}
        description = {"fingerprint": self.fingerprint, **self.description()}
        return write_tensors(tensors, {METADATA_KEY: json.dumps(description, sort_keys=True)})

    def save(self, path: str | PathLike[str]) -> None:
        """Write `to_bytes()` to `path`, by convention a model folder's `entropy.safetensors`."""
        Path(path).write_bytes(self.to_bytes())

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
        check_symbols(self.spec, units, f0)

    def check_speaker(self, fields: IntArray) -> IntArray:
        """The speaker fields (fields,) themselves. Raises InvalidCodes if they are not the model's."""
        if len(fields) != len(self.spec.speaker):
            raise InvalidCodes(f"{len(fields)} speaker fields given; the model has {len(self.spec.speaker)}")
        for i, (field, alphabet) in enumerate(zip(fields.tolist(), self.spec.speaker, strict=True)):
            if field >= alphabet:
                raise InvalidCodes(f"speaker field {i} is {field}; its alphabet ends at {alphabet - 1}")
        return fields

    def pack_speaker(self, speaker: ArrayLike) -> bytes:
        """Speaker fields -> bytes. Raises InvalidCodes if they are not the model's.

        Range-coded by `speaker_frequencies`; without these one mixed-radix number, the first field most significant,
        big-endian, spec.speaker_bytes long.
        """
        fields = self.check_speaker(as_codes("speaker", speaker, 1))
        if self.speaker_frequencies is None:
            return to_radix(fields.tolist(), self.spec.speaker)
        edges = [(sum(part[:field]), part[field]) for part, field in zip(self._speaker_parts(), fields, strict=True)]
        return encode(np.array(edges, dtype=np.int64).T, self.spec.precision)

    def unpack_speaker(self, data: bytes) -> NDArray[np.int32]:
        """Inverse of `pack_speaker`. Raises Damaged for bytes that it never gives."""
        if self.speaker_frequencies is not None:
            decoder = FewDecoders([data], self.spec.precision)
            # What is certain is not coded.
            fields = [len(part) > 1 and decoder.symbols([Distribution(part)])[0][0] for part in self._speaker_parts()]
            if decoder.written(canonical_tail) != [data]:
                raise Damaged("the speaker code in the header is damaged: the model never gives it", offset=0)
        elif len(data) != self.spec.speaker_bytes:
            raise Damaged(
                f"the header holds {len(data)} bytes of speaker code; the model needs {self.spec.speaker_bytes}", offset=0
            )
        else:
            try:
                fields = from_radix(data, self.spec.speaker)
            except ValueError as error:
                raise Damaged(f"the speaker code in the header is {error}", offset=0) from error
        return np.array(fields, dtype=np.int32)

    def _speaker_parts(self) -> list[list[int]]:
        assert self.speaker_frequencies is not None
        return [part.tolist() for part in np.split(self.speaker_frequencies, np.cumsum(self.spec.speaker)[:-1])]

    def speaker_distributions(self) -> list[Distribution]:
        """Of each speaker field; as even as integers allow where the model has none."""
        if self.speaker_frequencies is not None:
            return [Distribution(part) for part in self._speaker_parts()]
        whole = 2**self.spec.precision
        shares = [[whole // size + (value < whole % size) for value in range(size)] for size in self.spec.speaker]
        return [Distribution(part) for part in shares]

    def cost(self, codes: SpeechCodes) -> dict[str, float]:
        """Bits by stream, "units.0" ... "f0" and "speaker": the exact sum of -log2 of the integer frequencies.

        The speaker's are whole bytes, as in the header. Raises InvalidCodes as `check` does.
        """
        self.check(codes)
        bits = dict.fromkeys(map(stream_title, self.spec.names), 0.0)
        count = self.spec.frames(codes.num_samples)[2]
        for each in packet_bits(self, [packet_of(self.spec, codes.units, codes.f0, index) for index in range(count)]):
            for name, cost in each.items():
                bits[stream_title(name)] += cost
        return {**bits, "speaker": 8.0 * len(self.pack_speaker(codes.speaker))}


def packet_bits(model: EntropyModel, packets: Sequence[Codes]) -> list[Bits]:
    """-log2 of the frequencies, summed by stream, of each packet, units (rows, n) and f0 (m,) inside their alphabets."""
    return in_groups(lambda part: _bits(model, part), packets, [units.shape[1] for units, _ in packets])


def _bits(model: EntropyModel, packets: Sequence[Codes]) -> list[Bits]:
    batch = Batch.of_packets(model.spec, packets)
    sums = {name: np.zeros(len(packets)) for name in model.spec.names}
    for name, _, _, own in intervals(model, batch):
        sums[name][: own.shape[1]] += (model.spec.precision - np.log2(np.where(own, own, 2**model.spec.precision))).sum(axis=0)
    return by_packet(batch, sums)


def by_packet(batch: Batch, sums: dict[int | str, NDArray[np.float64]]) -> list[Bits]:
    """By stream (n,) of a batch -> of each packet, in the order in which they were given."""
    return batch.restored([dict(zip(sums, map(float, own), strict=True)) for own in zip(*sums.values(), strict=True)])


def intervals(model: EntropyModel, batch: Batch) -> Iterator[tuple[int | str, slice, NDArray[np.int64], NDArray[np.int64]]]:
    """Of a full batch, block by block: stream, positions, and left edges and widths (positions, packets that are not yet over) of
    the symbols, in units of 2**-precision; 0 where a packet has no such symbol.
    """
    lanes, most = model.lanes(batch), int(batch.frames[0])
    block = max(1, BLOCK // len(batch.order))
    for start in range(0, most, block):
        count = batch.lanes(start)
        for name, positions, frequencies in lanes.block(range(start, min(start + block, most)), count):
            flat = frequencies.reshape(-1, frequencies.shape[-1])
            everyone, chosen = np.arange(len(flat)), batch.symbols(name)[positions, :count].ravel()
            width = flat[everyone, chosen]
            left = flat.cumsum(axis=1)[everyone, chosen] - width
            has = np.arange(positions.start, positions.stop)[:, None] < batch.counts(name)[:count]
            yield name, positions, left.reshape(has.shape) * has, width.reshape(has.shape) * has


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


def _narrow(tensor: NDArray[Any]) -> NDArray[Any]:
    """The smallest type that holds every value: the file's size, not its meaning."""
    low, high = (int(tensor.min()), int(tensor.max())) if tensor.size else (0, 0)
    for kind in ("<i1", "<u2", "<i2", "<u4"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return tensor.astype(kind)
    return tensor.astype("<i4")
