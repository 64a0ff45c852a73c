"""LEB128: seven bits a byte, low bits first, the high bit saying that more follows. The numbers of version 1."""

from __future__ import annotations


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
