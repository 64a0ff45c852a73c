"""Where packets lie in a stream. Needs no model: enough for a program that counts, cuts, checks or forwards packets.

A packet is its payload's length, a check over length, payload and the packet's number, and the payload.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass

from bitstream.errors import Damaged, Truncated
from bitstream.header import CRC_START
from bitstream.source import Source
from bitstream.spec import MAX_PAYLOAD
from bitstream.varint import read_varint, write_varint

MIN_PACKET = 3
# How far to look for the next sound packet: one run of damage, about 25 minutes of speech.
RESYNC_BYTES = 2**16


@dataclass(frozen=True)
class Found:
    """A packet in a stream: its number, first byte, whole size in bytes, and payload.

    The payload is None if the packet is damaged, its size then reaching to where sound bytes begin, or missing, with size 0;
    `problem` says which.
    """

    index: int
    offset: int
    size: int
    payload: bytes | None
    problem: Damaged | None = None


def frame_payload(payload: bytes, index: int) -> bytes:
    """Length, check and payload of packet number `index`."""
    length = write_varint(len(payload))
    check = crc_hqx(payload, crc_hqx(length, CRC_START)) ^ index & 0xFFFF
    return length + check.to_bytes(2, "big") + payload


def parse_packet(packet: bytes, index: int, max_payload: int = MAX_PAYLOAD) -> bytes:
    """The payload of a packet that is exactly `packet`. Raises Damaged naming the packet."""
    found = packet_at(Source(packet), index, max_payload)
    if found.problem is not None:
        raise found.problem
    if found.size != len(packet):
        raise Damaged(f"packet {index} is followed by {len(packet) - found.size} bytes that are not its own", packet=index)
    assert found.payload is not None
    return found.payload


def packet_at(source: Source, index: int, max_payload: int = MAX_PAYLOAD, ahead: int = 0) -> Found:
    """What lies `ahead` bytes on, taken as packet `index`; nothing is stepped over and nothing raised."""
    parsed = _parse(source, ahead, max_payload)
    at = source.offset + ahead
    if isinstance(parsed, str):
        return Found(index, at, 0, None, Damaged(f"packet {index}, at byte {at}, {parsed}", packet=index, offset=at))
    number, size, payload = parsed
    if payload is None:
        text = f"packet {index}, at byte {at}, is cut short: the stream ends at byte {at + size}"
        return Found(index, at, size, None, Truncated(text, packet=index, offset=at))
    if number != index & 0xFFFF:
        text = f"packet {index}, at byte {at}, is damaged: its check does not match"
        return Found(index, at, size, None, Damaged(text, packet=index, offset=at))
    return Found(index, at, size, payload)


def walk(source: Source, total: int | None, max_payload: int = MAX_PAYLOAD, resync: bool = True) -> Iterator[Found]:
    """Every packet of a stream whose header was read, damaged ones with their `problem`; steps over what it yields.

    After damage the walk goes on, unless `resync` is off, at the next place where a sound packet, followed by another or by
    the end of the stream, tells its own number. `total` is the number of packets; None, where no model tells it, means up to
    the end. Packets that are missing are yielded with size 0.
    """
    index = 0
    while total is None or index < total:
        if total is None and not source.peek(1):
            return
        found = packet_at(source, index, max_payload)
        if found.problem is None:
            source.skip(found.size)
            yield found
            index += 1
            continue
        if not resync:
            yield found
            return
        problem = found.problem
        place = _next_sound(source, found, total, max_payload)
        skipped, last = (len(source.peek(RESYNC_BYTES + max_payload)), total) if place is None else place
        source.skip(skipped)
        yield Found(index, found.offset, skipped, None, problem)
        for missing in range(index + 1, last if last is not None else index + 1):
            text = f"packet {missing} is missing: damage or the end of the stream, at byte {found.offset}, hides it"
            yield Found(missing, source.offset, 0, None, type(problem)(text, packet=missing, offset=source.offset))
        if last is None:
            return
        index = last


def _next_sound(source: Source, bad: Found, total: int | None, max_payload: int) -> tuple[int, int] | None:
    """(bytes ahead, number) of the first sound packet after a damaged one; None if there is none near.

    A check of 16 bits matches by chance once in 65536 places, so a packet found by searching counts only with a witness:
    the next packet, or the stream's end.
    """
    index = bad.index
    # Most damage leaves the length alone: then the next packet is where it should be.
    if bad.size and not isinstance(bad.problem, Truncated):
        if (total is None or index + 1 < total) and packet_at(source, index + 1, max_payload, bad.size).payload is not None:
            return bad.size, index + 1
        if index + 1 == total and not source.peek(1, bad.size):
            return bad.size, index + 1
    # Numbers that the stream cannot have are chance: no model tells how many there are, then its size tells how many at most.
    limit = total if total is not None else (source.size or RESYNC_BYTES) // MIN_PACKET
    for ahead in range(len(source.peek(RESYNC_BYTES))):
        parsed = _parse(source, ahead, max_payload)
        if isinstance(parsed, str) or parsed[2] is None:
            continue
        number, size, _ = parsed
        claimed = index + ((number - index) & 0xFFFF)
        if claimed == index or claimed >= limit:
            continue
        at_end = not source.peek(1, ahead + size)
        if at_end and (total is None or claimed + 1 == total):
            return ahead, claimed
        if packet_at(source, claimed + 1, max_payload, ahead + size).payload is not None:
            return ahead, claimed
    return None


def _parse(source: Source, ahead: int, max_payload: int) -> tuple[int, int, bytes | None] | str:
    """(number modulo 65536 that the check implies, size, payload) of the packet `ahead` bytes on.

    The payload is None if the stream ends first, with the size that is there. A string says what is wrong with the length.
    """
    for width in range(1, 3):
        data = source.peek(width, ahead)
        try:
            number = read_varint(data, 0, max_payload + 1)
        except ValueError as error:
            return f"is damaged: its length is a {error}"
        if number is not None or len(data) < width:
            break
    if number is None:
        return 0, len(data), None
    length, start = number
    size = start + 2 + length
    data = source.peek(size, ahead)
    if len(data) < size:
        return 0, len(data), None
    check = crc_hqx(data[start + 2 :], crc_hqx(data[:start], CRC_START))
    return check ^ int.from_bytes(data[start : start + 2], "big"), size, data[start + 2 :]
