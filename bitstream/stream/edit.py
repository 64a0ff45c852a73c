"""Streams cut and joined at packet borders: no payload is decoded, and no entropy model is needed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

from bitstream.errors import InvalidCodes
from bitstream.stream.framing import Layout, frame_stream
from bitstream.stream.header import Header, read_header
from bitstream.stream.source import Data, Source
from bitstream.stream.walk import Found, strict_walk


def cut(data: Data, start_packet: int, stop_packet: int) -> bytes:
    """The packets start_packet .. stop_packet - 1 of a stream, as a stream of their own.

    Raises InvalidCodes unless both are whole numbers, 0 <= start_packet <= stop_packet <= number of packets, and for a stream of
    version 1; what a strict PacketReader raises for a stream that is not sound.
    """
    try:
        start_packet, stop_packet = operator.index(start_packet), operator.index(stop_packet)
    except TypeError as error:
        raise InvalidCodes(
            f"packets {start_packet!r} .. {stop_packet!r}: they are counted in whole numbers, not in seconds"
        ) from error
    header, packets, end = _records(data)
    if not 0 <= start_packet <= stop_packet <= len(packets):
        raise InvalidCodes(f"packets {start_packet} .. {stop_packet} cannot be cut from a stream of {len(packets)}")
    ends = start_packet < stop_packet == len(packets)
    return _assemble(header, packets[start_packet:stop_packet], end if ends else 0)


def join(streams: Iterable[Data]) -> bytes:
    """Streams one after another, as one.

    Raises InvalidCodes unless there is at least one, all are of one model and one speaker, and all but the last end with a
    full packet; otherwise as `cut`.
    """
    first: Header | None = None
    joined: list[Found] = []
    end = 0
    for number, data in enumerate(streams):
        header, packets, trim = _records(data)
        first = first or header
        if (header.model, header.speaker) != (first.model, first.speaker):
            what, cure = (
                (f"model ({header.model}) than stream 0 ({first.model})", "encode both with one model")
                if header.model != first.model
                else ("speaker code than stream 0", "only parts of one recording fit; decode both, and encode their sound as one")
            )
            raise InvalidCodes(f"stream {number} is of another {what}; {cure}")
        if end or (joined and joined[-1].last):
            cure = "put it last, or cut it where a packet ends"
            raise InvalidCodes(f"stream {number - 1} does not end with a full packet, so nothing can follow it; {cure}")
        joined += packets
        end = trim
    if first is None:
        raise InvalidCodes("there are no streams to join")
    return _assemble(first, joined, end)


def _records(data: Data) -> tuple[Header, list[Found], int]:
    """A sound stream's header, packets, and the samples that its end takes off the last."""
    source = Source(data)
    header = read_header(source)
    if header.version == 1:
        raise InvalidCodes("a stream of version 1 cannot be cut or joined; pack(unpack(data)) makes one of version 2 of it")
    *packets, last = strict_walk(source, Layout(header.version))
    if last.payload is not None:
        return header, [*packets, last], 0
    return header, packets, last.samples or 0


def _assemble(header: Header, packets: Sequence[Found], trim: int) -> bytes:
    samples = packets[-1].samples if packets else None
    return frame_stream(header.model, header.speaker, [packet.payload or b"" for packet in packets], samples, trim)
