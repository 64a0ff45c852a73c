"""LEB128: seven bits a byte, low bits first, the high bit saying that more follows."""

from __future__ import annotations


def write_varint(value: int) -> bytes:
    """The shortest form of a non-negative integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, start: int, limit: int) -> tuple[int, int] | None:
    """(value, end) of the varint at `start`; None if `data` ends within it.

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
