"""The header of a stream: what it is, which model speaks it, who speaks."""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass

from bitstream.codes import MAX_SAMPLES
from bitstream.errors import Damaged, NotUnitcodec, Truncated, UnsupportedVersion
from bitstream.stream.source import Source

MAGIC = b"\xf5U"
VERSION = 2
LIVE_VERSION = 3
"""Of streams of live packets."""
CRC_START = 0xFFFF


@dataclass(frozen=True)
class Header:
    """A header as its bytes tell it, no model needed.

    `speaker` is packed; `size` is the header's own length in bytes; `num_samples` is told by version 1 only.
    """

    version: int
    model: str
    speaker: bytes
    size: int
    num_samples: int | None = None


def write_header(model: str, speaker: bytes) -> bytes:
    """The header's bytes. `model` is 8 hex digits, `speaker` is packed, at most 255 bytes."""
    body = b"".join([MAGIC, bytes([VERSION]), bytes.fromhex(model), bytes([len(speaker)]), speaker])
    return body + crc_hqx(body, CRC_START).to_bytes(2, "big")


def read_header(source: Source) -> Header:
    """Read and step over the header. Raises NotUnitcodec, UnsupportedVersion, Truncated or Damaged."""
    # Looked at piece by piece, so that a live pipe is never asked for bytes beyond the header.
    start = source.peek(3)
    if start[: len(MAGIC)] != MAGIC[: len(start)] or not start:
        raise NotUnitcodec("not a unitcodec stream: it does not start with f5 55")
    if len(start) < 3:
        raise _truncated(source, start)
    version = start[2]
    if version == LIVE_VERSION:
        raise UnsupportedVersion(
            "a stream of live packets (version 3) cannot be cut, joined or unpacked; 'unitcodec decode' and bitstream.LiveReader "
            "read it"
        )
    if not 1 <= version <= VERSION:
        raise UnsupportedVersion(
            f"unitcodec stream version {version}; this unitcodec knows versions 1 to {LIVE_VERSION}, a newer one may know it"
        )
    num_samples, at = _read_num_samples(source) if version == 1 else (None, 7)
    data = source.peek(at + 1)
    size = at + 1 + data[at] + 2 if len(data) > at else at + 1
    data = source.peek(size)
    if len(data) < size or size == at + 1:
        raise _truncated(source, data)
    if crc_hqx(data[:-2], CRC_START) != int.from_bytes(data[-2:], "big"):
        raise Damaged(f"the header, bytes 0 to {size - 1}, is damaged: its check does not match", offset=0)
    source.skip(size)
    return Header(version, data[3:7].hex(), data[at + 1 : size - 2], size, num_samples)


def _read_num_samples(source: Source) -> tuple[int, int]:
    """The number of samples in a header of version 1, and where it ends."""
    at = 7
    while True:
        data = source.peek(at + 1)
        try:
            number = read_varint(data, 7, MAX_SAMPLES + 1)
        except ValueError as error:
            raise Damaged(f"the header is damaged: num_samples, at byte 7, is a {error}", offset=7) from error
        if number is not None:
            return number
        if len(data) <= at:
            raise _truncated(source, data)
        at += 1


def read_varint(data: bytes, start: int, limit: int) -> tuple[int, int] | None:
    """(value, end) of a number of version 1 at `start`; None if `data` ends within it.

    LEB128: seven bits a byte, low bits first, the high bit saying that more follows.

    Raises ValueError if it is not in its shortest form or is not below `limit`.
    """
    value = shift = 0
    for at in range(start, len(data)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if value >= limit or (byte & 0x80 and 1 << shift >= limit):
            raise ValueError(f"number not below {limit}")
        if not byte & 0x80:
            if byte == 0 and shift > 7:
                raise ValueError("number not in its shortest form")
            return value, at + 1
    return None


def _truncated(source: Source, data: bytes) -> Truncated:
    return Truncated(f"the stream ends within its header, at byte {source.offset + len(data)}", offset=len(data))
