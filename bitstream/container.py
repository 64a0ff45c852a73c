"""Whole streams: codes -> bytes, bytes -> codes, and what the bytes say of themselves."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from bitstream.codes import SpeechCodes, require_codes
from bitstream.entropy import EntropyModel
from bitstream.errors import InvalidCodes, UnknownModel
from bitstream.find import find_entropy_model
from bitstream.framing import Layout
from bitstream.header import read_header
from bitstream.info import PacketInfo, StreamInfo
from bitstream.packet import PacketCoder
from bitstream.reader import OnError, Packet, PacketReader, open_stream, refuse_claims
from bitstream.source import Data, Source
from bitstream.spec import F0
from bitstream.walk import Found, walk
from bitstream.writer import PacketWriter


def pack(codes: SpeechCodes, entropy: EntropyModel | None = None) -> bytes:
    """Codes -> a stream. The same codes and model always give the same bytes.

    `entropy` None: the installed model of that fingerprint. Raises UnknownModel if there is none, InvalidCodes for anything but
    SpeechCodes, if the codes do not fit the model, or if they hold lost ranges, which a stream could not tell from speech.
    """
    entropy = entropy or find_entropy_model(require_codes(codes).model)
    check(codes, entropy)
    stream = io.BytesIO()
    writer = PacketWriter(stream, entropy, codes.speaker)
    writer.write(codes.units, codes.f0)
    writer.close(codes.num_samples)
    return stream.getvalue()


def unpack(data: Data, entropy: EntropyModel | None = None, on_error: OnError = "strict") -> SpeechCodes:
    """A stream -> its codes.

    Modes and errors as for PacketReader; what is lost becomes a range in `lost`. Allocates no more than the bytes present can
    account for.
    """
    reader = PacketReader(data, entropy, on_error)
    return joined(reader, list(reader.decode(list(reader.slots()))))


def check(codes: SpeechCodes, entropy: EntropyModel) -> None:
    """Raise InvalidCodes unless `pack` can hold the codes."""
    entropy.check(require_codes(codes))
    if codes.lost:
        raise InvalidCodes(f"the codes hold {len(codes.lost)} lost ranges; packing them would hide the loss")


def joined(reader: PacketReader, packets: Sequence[Packet]) -> SpeechCodes:
    """The codes of all the packets that a reader has given."""
    none = np.zeros((len(reader.entropy.spec.rows), 0), dtype=np.int32)
    lost: list[tuple[int, int]] = []
    for packet in packets:
        if packet.lost:
            start = lost.pop()[0] if lost and lost[-1][1] == packet.first_frame else packet.first_frame
            lost.append((start, packet.first_frame + packet.units.shape[1]))
    units = np.concatenate([none, *(packet.units for packet in packets)], axis=1)
    f0 = np.concatenate([none[0], *(packet.f0 for packet in packets)])
    assert reader.num_samples is not None
    return SpeechCodes(units, f0, reader.speaker, reader.num_samples, reader.header.model, tuple(lost))


def iter_packets(data: Data | BinaryIO, entropy: EntropyModel | None = None, on_error: OnError = "strict") -> PacketReader:
    """The packets of a stream in order, each as soon as its bytes are there; `data` may be a binary file or a pipe."""
    return PacketReader(data, entropy, on_error)


def inspect(data: Data, entropy: EntropyModel | None = None) -> StreamInfo:
    """A stream's facts, without decoding where no entropy model is given or installed.

    Damage to packets is reported in the result. Raises NotUnitcodec, UnsupportedVersion, or Damaged and Truncated for the
    header; UnknownModel only if `entropy` is given and is another model's; TypeError for what is no bytes.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"inspect takes a stream's bytes, not {type(data).__name__}; of a file Path(path).read_bytes()")
    source = Source(data)
    try:
        header, entropy = open_stream(source, entropy)
    except UnknownModel:
        if entropy is not None:
            raise
        source = Source(data)
        header = read_header(source)
    layout = Layout(header.version, None if entropy is None else entropy.spec, header.num_samples)
    refuse_claims(source, layout)
    records = list(walk(source, layout))
    packets = tuple(info for found in records for info in _packet_infos(found))
    if entropy is not None:
        packets = _with_bits(packets, records, layout, PacketCoder(entropy, header.version))
    complete = not records or records[-1].last or (header.version == 1 and records[-1].problem is None)
    size = len(memoryview(data).cast("B"))
    bits = None
    if entropy is not None and all(packet.bits for packet in packets) and complete:
        bits = {name: sum((packet.bits or {})[name] for packet in packets) for name in ("units", "f0")}
        bits["speaker"] = 8.0 * len(header.speaker)
        bits["framing"] = 8 * size - sum(bits.values())
    return StreamInfo(
        header.version,
        header.model,
        _num_samples(records, layout),
        size,
        header.size,
        packets,
        trailing=size - source.offset,
        stray=sum(found.size for found in records if found.problem is not None and not found.count),
        complete=complete,
        speaker=None if entropy is None else tuple(entropy.unpack_speaker(header.speaker).tolist()),
        bits=bits,
    )


def _num_samples(records: Sequence[Found], layout: Layout) -> int | None:
    if layout.version == 1 or layout.spec is None:
        return layout.num_samples
    return records[-1].stream_samples(layout.spec)


def _packet_infos(found: Found) -> Iterator[PacketInfo]:
    """One for each packet that a record or a hole stands for."""
    for i in range(found.count):
        offset, size = (found.offset, found.size) if i == 0 else (found.offset + found.size, 0)
        yield PacketInfo(found.index + i, offset, size, found.problem is None)


def _with_bits(
    packets: Sequence[PacketInfo], records: Sequence[Found], layout: Layout, coder: PacketCoder
) -> tuple[PacketInfo, ...]:
    """The same after decoding: what the sound ones spend, and which of them are not sound after all."""
    sound = [found for found in records if found.payload is not None]
    shapes = [found.shape(found.index, layout, coder.entropy.spec) for found in sound]
    spent = coder.payload_bits([found.payload or b"" for found in sound], shapes)
    costs = {found.index: each for found, each in zip(sound, spent, strict=True) if isinstance(each, dict)}
    told = []
    for packet in packets:
        if packet.index in costs:
            f0 = costs[packet.index][F0]
            bits = {"units": sum(costs[packet.index].values()) - f0, "f0": f0}
            told.append(replace(packet, bits={**bits, "framing": 8 * packet.size - sum(bits.values())}))
        else:
            told.append(replace(packet, ok=False))
    return tuple(told)
