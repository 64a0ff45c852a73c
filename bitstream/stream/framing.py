"""One record of a stream: a packet, the last of which may be short and says how long it is, or an end.

Each carries a check over itself and its number, and its first byte tells which it is: docs/bitstream.md, section 1.2. Needs no
model: enough for a program that counts, cuts, checks or forwards packets.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bitstream.entropy.spec import MAX_PAYLOAD, EntropySpec
from bitstream.stream.header import CRC_START, VERSION, read_varint, write_header
from bitstream.stream.source import Source

MIN_PACKET = 3
"""No record has fewer bytes."""
MAX_RECORD = MAX_PAYLOAD + 16
"""Nor more."""
LONG = 0xF0
"""The length follows in two bytes; smaller values are lengths themselves."""
END, LAST = 0xF6, 0xFA
"""A marker is one of these plus the 1 to 4 bytes of the number of samples that follow it."""
FULL_END = 0xFF
"""The end of a stream whose last packet is full."""
SPREAD = 40503
"""An index goes into a check times this: a bit or two that flip in it do not then make a number that is near."""

GATHER = pow(SPREAD, -1, 2**16)
"""Its inverse."""


@dataclass(frozen=True)
class Layout:
    """What a reader knows of a stream before its records: version, model (None: not at hand), and version 1's length.

    `decodes` tells whether a payload of (frames, F0 frames) is one that the model writes. `headless`: no header was found.
    """

    version: int = VERSION
    spec: EntropySpec | None = None
    num_samples: int | None = None
    decodes: Callable[[bytes, int, int], bool] | None = None
    headless: bool = False

    @property
    def total(self) -> int | None:
        """Number of packets, which a header of version 1 tells."""
        if self.num_samples is None or self.spec is None:
            return None
        return self.spec.frames(self.num_samples)[2]

    @property
    def max_payload(self) -> int:
        """Longest payload, bytes."""
        return MAX_PAYLOAD if self.spec is None else self.spec.max_payload


@dataclass(frozen=True)
class Record:
    """A record, wherever it lies.

    Attributes:
        number: the index modulo 65536 with which its check is right.
        size: bytes.
        payload: None for an end.
        samples: of a short last packet, what it covers; of an end, what it takes off the last packet.
        last: a stream ends with it.
    """

    number: int
    size: int
    payload: bytes | None
    samples: int | None = None
    last: bool = False


def frame_payload(payload: bytes, index: int, samples: int | None = None) -> bytes:
    """Packet number `index`: length, check, payload. `samples`: the stream ends with it, and it covers so many."""
    length = bytes([len(payload)]) if len(payload) < LONG else bytes([LONG]) + len(payload).to_bytes(2, "big")
    head = length if samples is None else _marked(LAST, samples) + length
    return head + _check(head + payload, index) + payload


def frame_end(packets: int, trim: int = 0) -> bytes:
    """The end of a stream of `packets` full packets, the last of which covers `trim` samples fewer."""
    head = _marked(END, trim) if trim else bytes([FULL_END])
    return head + _check(head, packets)


def frame_stream(model: str, speaker: bytes, payloads: Sequence[bytes], samples: int | None = None, trim: int = 0) -> bytes:
    """A whole stream. `samples`: the last packet is short and covers so many; `trim`: the end takes so many off a full one."""
    parts = [write_header(model, speaker), *(frame_payload(payload, index) for index, payload in enumerate(payloads[:-1]))]
    parts += [frame_payload(payload, len(payloads) - 1, samples) for payload in payloads[-1:]]
    if samples is None:
        parts.append(frame_end(len(payloads), trim))
    return b"".join(parts)


def parse_record(source: Source, ahead: int, layout: Layout) -> Record | str | None:
    """The record `ahead` bytes on. A string says what is wrong with its first bytes; None: the bytes end within it."""
    first = source.peek(1, ahead)
    if not first:
        return None
    marker, samples = b"", None
    if layout.version > 1 and first[0] > LONG:
        width = 0 if first[0] == FULL_END else first[0] - (LAST if first[0] > LAST else END)
        if width < 0 or (width == 0 and first[0] == END):
            return f"its first byte, {first[0]:02x}, is reserved"
        marker = source.peek(1 + width, ahead)
        if len(marker) <= width:
            return None
        samples = int.from_bytes(marker[1:], "big")
        is_end = first[0] <= LAST or first[0] == FULL_END
        wrong = _wrong_samples(marker, is_end, layout.spec)
        if wrong:
            return wrong
        if is_end:
            check = source.peek(2, ahead + len(marker))
            return Record(_implied(marker, check), len(marker) + 2, None, samples, True) if len(check) == 2 else None
    length = _read_length(source, ahead + len(marker), layout)
    if not isinstance(length, tuple):
        return length
    start = len(marker) + length[0]
    size = start + 2 + length[1]
    data = source.peek(size, ahead)
    if len(data) < size:
        return None
    payload = data[start + 2 :]
    number = _implied(data[:start] + payload, data[start : start + 2], layout.version)
    return Record(number, size, payload, samples, bool(marker))


def _wrong_samples(marker: bytes, is_end: bool, spec: EntropySpec | None) -> str | None:
    """What is wrong with the number after a marker, if something is."""
    if len(marker) > 1 and not marker[1]:
        return "its number of samples is not in its shortest form"
    if spec is not None:
        shortest = min(spec.unit_hop, spec.f0_hop)
        # A packet that has all its frames is a full one, and it is the end that says what it covers.
        limit = shortest - 1 if is_end else spec.packet_samples - shortest
        samples = int.from_bytes(marker[1:], "big")
        if samples > limit:
            return f"its number of samples, {samples}, is above {limit}"
    return None


def _read_length(source: Source, ahead: int, layout: Layout) -> tuple[int, int] | str | None:
    """(bytes taken, value) of a payload's length."""
    if layout.version == 1:
        for width in range(1, 3):
            data = source.peek(width, ahead)
            try:
                number = read_varint(data, 0, layout.max_payload + 1)
            except ValueError as error:
                return f"its length is a {error}"
            if number is not None or len(data) < width:
                break
        return None if number is None else (number[1], number[0])
    data = source.peek(1, ahead)
    if not data:
        return None
    if data[0] > LONG:
        return f"its length begins with the byte {data[0]:02x}"
    length = data[0]
    if length == LONG:
        data = source.peek(3, ahead)
        if len(data) < 3:
            return None
        length = int.from_bytes(data[1:], "big")
        if length < LONG:
            return "its length is not in its shortest form"
    if length > layout.max_payload:
        return f"its length, {length}, is above {layout.max_payload}"
    return len(data), length


def _marked(marker: int, samples: int) -> bytes:
    number = samples.to_bytes((samples.bit_length() + 7) // 8, "big")
    return bytes([marker + len(number)]) + number


def _check(covered: bytes, index: int) -> bytes:
    return (crc_hqx(covered, CRC_START) ^ index * SPREAD & 0xFFFF).to_bytes(2, "big")


def _implied(covered: bytes, check: bytes, version: int = VERSION) -> int:
    """The index modulo 65536 with which the check is right."""
    spread = crc_hqx(covered, CRC_START) ^ int.from_bytes(check, "big")
    return spread if version == 1 else spread * GATHER & 0xFFFF
