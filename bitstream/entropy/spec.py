"""What an entropy model describes, apart from its numbers: rates, alphabets, contexts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bitstream.errors import InvalidCodes, InvalidEntropyModel, shown

F0 = "f0"
SAMPLE_RATE = 16000
MAX_ALPHABET = 2**15
MAX_ORDER = 4
MAX_LAG = 255
MAX_INTEGERS = 2**24
"""Of a file, all tables together."""

MAX_ROWS, MAX_FIELDS = 64, 2048
MAX_PAYLOAD = 2**12 - 1
MIN_PRECISION, MAX_PRECISION = 4, 22

Reference = tuple[int | str, int]


@dataclass(frozen=True)
class Stream:
    """One stream of symbols: its alphabet size and the earlier symbols its distribution depends on.

    `context` lists up to 4 references (stream, lag): a unit row's number or "f0", and how many frames of that stream back.
    """

    alphabet: int
    context: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class EntropySpec:
    """Everything of an entropy model but its tables.

    Attributes:
        rows: one Stream a unit row, in coding order.
        f0: the F0 stream; alphabet 1 where a model has no F0 (it then costs no bits).
        speaker: alphabet of each speaker field.
        unit_hop, f0_hop: samples at 16 kHz per unit frame and per F0 frame.
        packet_frames: unit frames in a full packet; a packet must hold whole F0 frames.
        precision: frequencies of a distribution sum to 2**precision.
        weights: digest of the codebooks and networks these codes belong to (hex, at most 64 digits); opaque here, but
            part of the fingerprint.

    Raises InvalidEntropyModel if the parts do not fit together.
    """

    rows: tuple[Stream, ...]
    f0: Stream
    speaker: tuple[int, ...]
    unit_hop: int = 640
    f0_hop: int = 1280
    packet_frames: int = 64
    precision: int = 16
    weights: str = ""

    def __post_init__(self) -> None:
        _integer("unit_hop", self.unit_hop, 1, 2**20)
        _integer("f0_hop", self.f0_hop, 1, 2**20)
        _integer("packet_frames", self.packet_frames, 1, 2**12)
        _integer("precision", self.precision, MIN_PRECISION, MAX_PRECISION)
        _integer("number of unit rows", len(self.rows), 1, MAX_ROWS)
        _integer("number of speaker fields", len(self.speaker), 0, MAX_FIELDS)
        if self.packet_frames * self.unit_hop % self.f0_hop:
            raise InvalidEntropyModel(
                f"a packet of {self.packet_frames} x {self.unit_hop} samples holds no whole number of F0 frames of {self.f0_hop}"
            )
        for alphabet in self.speaker:
            _integer("speaker alphabet", alphabet, 1, MAX_ALPHABET)
        if self.speaker_bytes > 255:
            raise InvalidEntropyModel(f"the speaker fields need {self.speaker_bytes} bytes; the header has room for 255")
        for name in self.names:
            self._check_stream(name)
        if self.max_payload > MAX_PAYLOAD:
            raise InvalidEntropyModel(f"a packet could need {self.max_payload} bytes; the limit is {MAX_PAYLOAD}")
        if not re.fullmatch(r"[0-9a-f]{0,64}", self.weights):
            raise InvalidEntropyModel("weights must be at most 64 lower-case hex digits")

    def _check_stream(self, name: int | str) -> None:
        stream = self.stream(name)
        title = stream_title(name)
        _integer(f"{title} alphabet", stream.alphabet, 1, min(MAX_ALPHABET, 2**self.precision))
        if len(stream.context) > MAX_ORDER:
            raise InvalidEntropyModel(f"{title} has {len(stream.context)} contexts; the limit is {MAX_ORDER}")
        for reference in stream.context:
            if not _coded_before(reference, name, len(self.rows)):
                raise InvalidEntropyModel(f"{title} refers to {shown(reference)}, which is not coded before it")
        if math.prod(self.table_shape(name)) > MAX_INTEGERS:
            raise InvalidEntropyModel(f"the table of {title} would have more than {MAX_INTEGERS} entries")

    @property
    def names(self) -> tuple[int | str, ...]:
        """Every coded stream: row numbers, then "f0"."""
        return (*range(len(self.rows)), F0)

    def stream(self, name: int | str) -> Stream:
        """The stream of a row number or "f0"."""
        return self.f0 if name == F0 else self.rows[int(name)]

    def table_shape(self, name: int | str) -> tuple[int, ...]:
        """(*context axes, alphabet). A context axis has one entry more for "before the packet", where its lag is not 0."""
        stream = self.stream(name)
        return (*(self.stream(other).alphabet + (lag > 0) for other, lag in stream.context), stream.alphabet)

    @property
    def packet_samples(self) -> int:
        """Samples in a full packet."""
        return self.packet_frames * self.unit_hop

    @property
    def packet_f0_frames(self) -> int:
        """F0 frames in a full packet."""
        return self.packet_samples // self.f0_hop

    @property
    def speaker_bytes(self) -> int:
        """Bytes of the speaker fields packed as one mixed-radix number."""
        return radix_bytes(self.speaker)

    @property
    def max_payload(self) -> int:
        """No packet is longer: every symbol at the smallest frequency, and room for the coder's own rounding."""
        symbols = self.packet_frames * len(self.rows) + self.packet_f0_frames
        # The coder's range is at least 2**32 and is divided by 2**24: at most 1/256 of it is wasted, 0.006 bit a symbol.
        return symbols * (self.precision * 64 + 1) // 512 + 4

    def frames(self, num_samples: int) -> tuple[int, int, int]:
        """(unit frames, F0 frames, packets) of a waveform of `num_samples` samples."""
        return -(-num_samples // self.unit_hop), -(-num_samples // self.f0_hop), -(-num_samples // self.packet_samples)

    def packet_shape(self, num_samples: int, index: int) -> tuple[int, int]:
        """(unit frames, F0 frames) of packet `index` of a waveform of `num_samples` samples."""
        left = min(num_samples - index * self.packet_samples, self.packet_samples)
        return -(-left // self.unit_hop), -(-left // self.f0_hop)

    def check_packet_shape(self, frames: int, f0_frames: int) -> None:
        """Raise InvalidCodes unless some waveform has a packet of so many unit and F0 frames."""
        if not 1 <= frames <= self.packet_frames:
            raise InvalidCodes(f"a packet holds 1 .. {self.packet_frames} unit frames, not {frames}")
        # The last unit frame may be cut anywhere, so several counts of F0 frames can be right.
        low = -(-((frames - 1) * self.unit_hop + 1) // self.f0_hop)
        high = -(-frames * self.unit_hop // self.f0_hop)
        if not low <= f0_frames <= high:
            raise InvalidCodes(f"{frames} unit frames go with {low} .. {high} F0 frames, not {f0_frames}")

    def to_json(self) -> dict[str, Any]:
        """The description as it is stored, every field included."""

        def stream(s: Stream) -> dict[str, Any]:
            return {"alphabet": s.alphabet, "context": [list(reference) for reference in s.context]}

        return {
            "sample_rate": SAMPLE_RATE,
            "unit_hop": self.unit_hop,
            "f0_hop": self.f0_hop,
            "packet_frames": self.packet_frames,
            "precision": self.precision,
            "rows": [stream(row) for row in self.rows],
            "f0": stream(self.f0),
            "speaker": list(self.speaker),
            "weights": self.weights,
        }

    @staticmethod
    def from_json(text: str) -> EntropySpec:
        """Inverse of `json.dumps(to_json())`; InvalidEntropyModel for anything else. Unknown keys are ignored."""
        try:
            data = json.loads(text)
            if data["sample_rate"] != SAMPLE_RATE:
                raise InvalidEntropyModel(f"sample rate {shown(data['sample_rate'])}; version 1 knows {SAMPLE_RATE} only")
            return EntropySpec(
                rows=tuple(_stream(row) for row in data["rows"]),
                f0=_stream(data["f0"]),
                speaker=tuple(data["speaker"]),
                unit_hop=data["unit_hop"],
                f0_hop=data["f0_hop"],
                packet_frames=data["packet_frames"],
                precision=data["precision"],
                weights=data["weights"],
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, InvalidEntropyModel):
                raise
            raise InvalidEntropyModel(f"the description of the entropy model is malformed: {shown(error)}") from error


def stream_title(name: int | str) -> str:
    """ "f0" or "units.<row>": the stream's name in tensor names and in reports."""
    return F0 if name == F0 else f"units.{name}"


def radix_bytes(alphabets: Iterable[int]) -> int:
    """Bytes of the largest number of symbols in mixed radix."""
    return ((math.prod(alphabets) - 1).bit_length() + 7) // 8


def to_radix(symbols: Sequence[int], alphabets: Sequence[int]) -> bytes:
    """Symbols, each below its alphabet -> one number, the first the most significant, in `radix_bytes(alphabets)` bytes."""
    number = 0
    for symbol, alphabet in zip(symbols, alphabets, strict=True):
        number = number * alphabet + symbol
    return number.to_bytes(radix_bytes(alphabets), "big")


def from_radix(data: bytes, alphabets: Sequence[int]) -> list[int]:
    """Inverse of `to_radix`. Raises ValueError for a number that it never gives."""
    number, symbols = int.from_bytes(data, "big"), []
    for alphabet in reversed(alphabets):
        number, symbol = divmod(number, alphabet)
        symbols.append(symbol)
    if number:
        raise ValueError("out of range")
    return symbols[::-1]


def _stream(data: Any) -> Stream:
    return Stream(alphabet=data["alphabet"], context=tuple((other, lag) for other, lag in data["context"]))


def _coded_before(reference: Reference, name: int | str, rows: int) -> bool:
    other, lag = reference
    if isinstance(other, bool) or isinstance(lag, bool) or not isinstance(lag, int) or not 0 <= lag <= MAX_LAG:
        return False
    if other == F0:
        # F0 is coded first in its frame, so a unit row may read the F0 code that covers it.
        return lag >= (1 if name == F0 else 0)
    if not isinstance(other, int) or not 0 <= other < rows:
        return False
    return lag >= 1 or (name != F0 and other < int(name))


def _integer(title: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidEntropyModel(f"{title} is {shown(value)}; it must be an integer in {low} .. {high}")
