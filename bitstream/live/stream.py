"""Live packets one after another in a file or a pipe, which tells no lengths: a header, and before each packet its length."""

from __future__ import annotations

import io
from binascii import crc_hqx
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from bitstream.entropy.model import EntropyModel
from bitstream.errors import Damaged, InvalidCodes, NotUnitcodec, Truncated, UnknownModel
from bitstream.live.packet import DISTANCES, LATE, MOST_FRAMES, NUMBERS, LiveCoder
from bitstream.stream.header import CRC_START, LIVE_VERSION, MAGIC
from bitstream.stream.info import PacketInfo, StreamInfo
from bitstream.stream.reader import Limit

HEADER_BYTES = 10
LONGEST = 255
"""Bytes of a packet."""


def is_live(start: bytes) -> bool:
    """Whether a stream that begins with these three bytes or more is one of live packets."""
    return start[:3] == MAGIC + bytes([LIVE_VERSION])


def inspect_live(data: bytes, entropy: EntropyModel, limit: Limit) -> StreamInfo:
    """:func:`bitstream.inspect` of a stream of live packets. A packet is what has a number, one that begins a pause too; from
    there on none are missing.

    Raises NotUnitcodec, Truncated, Damaged, UnknownModel, TooLong; InvalidCodes for packets of a length that the model has not.
    """
    reader = LiveReader(io.BytesIO(data))
    coder = LiveCoder(entropy, reader.frames, reader.fec)
    if reader.model != entropy.fingerprint:
        raise UnknownModel(f"the stream is of model {reader.model}; the entropy model given is {entropy.fingerprint}")
    packets: list[PacketInfo] = []
    slots = lost = bad = damaged = 0
    together = entropy.spec.packet_frames // coder.frames  # that are as long as one of a file
    last, due, paused, complete = coder.samples, None, False, False
    with suppress(Truncated):
        for packet in reader:
            begin, size = reader.size - len(packet) - 1, len(packet) + 1
            try:
                read = coder.read(packet)  # all of it: the check lets one in 256 pass
            except Damaged:
                packets.append(PacketInfo(len(packets), begin, size, False))
                bad += 1
                if (damaged := damaged + 1) % together == 0:  # what is empty may come by the million
                    limit.lose(len(packets), 1)
                continue
            gap = 0 if due is None else (read.number - due) % NUMBERS
            if gap >= LATE:
                continue
            for _ in range(0 if paused else gap - bad):  # damaged ones are counted
                lost += 1
                if lost % together == 0:
                    limit.lose(len(packets), 1)
                packets.append(PacketInfo(len(packets), begin, 0, False))
            packets.append(PacketInfo(len(packets), begin, size, True))
            slots, bad, paused, due = slots + gap + 1, 0, read.kind == "pause", (read.number + 1) % NUMBERS
            last = read.samples
            limit.check((slots - 1) * coder.samples + last)
            if complete := read.kind == "end":
                break
    samples, size = max(0, slots - 1) * coder.samples + (last if slots else 0), len(data)
    return StreamInfo(
        LIVE_VERSION,
        reader.model,
        samples,
        size,
        HEADER_BYTES,
        tuple(packets),
        size - reader.size if complete else 0,
        0,
        complete,
    )


class LiveWriter:
    """Puts the packets of a coder's length and model into a file open for writing bytes; the header at once."""

    def __init__(self, file: BinaryIO, coder: LiveCoder) -> None:
        self._file = file
        body = MAGIC + bytes([LIVE_VERSION]) + bytes.fromhex(coder.entropy.fingerprint) + bytes([coder.layout])
        file.write(body + crc_hqx(body, CRC_START).to_bytes(2, "big"))

    def write(self, packet: bytes) -> None:
        """Raises InvalidCodes for a packet above 255 bytes."""
        if not 0 < len(packet) <= LONGEST:
            raise InvalidCodes(f"a live packet of {len(packet)} bytes; in a stream they have 1 to {LONGEST}")
        self._file.write(bytes([len(packet)]) + packet)


class LiveReader:
    """Gets packets out of a file or pipe open for reading bytes, each as soon as it is there.

    Attributes:
        model: fingerprint of the entropy model.
        frames: unit frames a packet.
        fec: each packet carries a copy of the one so many packets before it; 0: packets carry no copies.
        size: bytes read so far.

    Raises NotUnitcodec, Truncated and Damaged for a bad header.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        header = file.read(HEADER_BYTES)
        self.size = len(header)
        if not is_live(header):
            raise NotUnitcodec("not a stream of live packets: it does not start with f5 55 03")
        if len(header) < HEADER_BYTES:
            raise Truncated(f"the stream ends within its header, at byte {len(header)}", offset=len(header))
        if crc_hqx(header[:-2], CRC_START) != int.from_bytes(header[-2:], "big"):
            raise Damaged(f"the header, bytes 0 to {HEADER_BYTES - 1}, is damaged: its check does not match", offset=0)
        self.model, self.frames, self.fec = header[3:7].hex(), header[7] % MOST_FRAMES + 1, DISTANCES[header[7] // MOST_FRAMES]

    def __iter__(self) -> Iterator[bytes]:
        """The packets, unread. Raises Truncated if the file ends within one."""
        while length := self._file.read(1):
            packet = self._file.read(length[0])
            if len(packet) < length[0]:
                raise Truncated(f"the stream ends within a packet, at byte {self.size + 1 + len(packet)}", offset=self.size)
            self.size += 1 + len(packet)
            yield packet
