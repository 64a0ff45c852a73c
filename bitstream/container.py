"""Whole streams: codes -> bytes, bytes -> codes, and packet by packet in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import SpeechCodes
from bitstream.entropy import EntropyModel, packet_of
from bitstream.errors import Damaged, InvalidCodes, TrailingBytes, Truncated, UnknownModel
from bitstream.find import find_entropy_model
from bitstream.framing import MIN_PACKET, Found, walk
from bitstream.header import Header, read_header
from bitstream.header import write_header as _write_header
from bitstream.info import PacketInfo, StreamInfo
from bitstream.packet import PacketCoder
from bitstream.source import Source

Data = bytes | bytearray | memoryview
OnError = Literal["raise", "conceal"]


@dataclass(frozen=True, eq=False)
class Packet:
    """One packet's codes.

    units is (rows, n) int32, f0 is (m,) int32; `first_frame` is the stream's unit frame that units[:, 0] is. A packet that
    was damaged is `lost`, and its codes are 0.
    """

    units: NDArray[np.int32]
    f0: NDArray[np.int32]
    first_frame: int
    lost: bool = False


def write_header(num_samples: int, speaker: ArrayLike, entropy: EntropyModel) -> bytes:
    """The header of a stream of `num_samples` samples and speaker fields (n_speaker_fields,). Raises InvalidCodes."""
    empty = np.zeros((len(entropy.spec.rows), 0), dtype=np.int32)
    # A SpeechCodes checks the length as it does everywhere else.
    codes = SpeechCodes(empty, empty[0], np.asarray(speaker), num_samples, entropy.fingerprint)
    return _write_header(entropy.fingerprint, codes.num_samples, entropy.pack_speaker(codes.speaker))


def pack(codes: SpeechCodes, entropy: EntropyModel | None = None) -> bytes:
    """Codes -> a stream. The same codes and model always give the same bytes.

    `entropy` None: the installed model of that fingerprint. Raises UnknownModel if there is none, InvalidCodes if the codes
    do not fit it, or if they hold lost ranges, which a stream could not tell from speech.
    """
    entropy = entropy or find_entropy_model(codes.model)
    entropy.check(codes)
    if codes.lost:
        raise InvalidCodes(f"the codes hold {len(codes.lost)} lost ranges; packing them would hide the loss")
    coder = PacketCoder(entropy)
    parts = [write_header(codes.num_samples, codes.speaker, entropy)]
    for index in range(entropy.spec.frames(codes.num_samples)[2]):
        parts.append(coder.encode_packet(*packet_of(entropy.spec, codes.units, codes.f0, index), index))
    return b"".join(parts)


def unpack(data: Data, entropy: EntropyModel | None = None, on_error: OnError = "raise") -> SpeechCodes:
    """A stream -> its codes.

    With on_error "conceal", a packet that is damaged or missing becomes a range in `lost` and the rest decodes; damage to the
    header is always an error. Raises NotUnitcodec, UnsupportedVersion, UnknownModel, Damaged, Truncated or TrailingBytes,
    the last three naming packet and byte. Allocates no more than the bytes present can account for.
    """
    source = Source(data)
    header, entropy = _open(source, entropy)
    spec = entropy.spec
    frames, f0_frames, _ = spec.frames(header.num_samples)
    units = np.zeros((len(spec.rows), frames), dtype=np.int32)
    f0 = np.zeros(f0_frames, dtype=np.int32)
    lost: list[tuple[int, int]] = []
    for index, packet in enumerate(_packets(source, header, entropy, on_error)):
        if packet.lost:
            start = lost.pop()[0] if lost and lost[-1][1] == packet.first_frame else packet.first_frame
            lost.append((start, packet.first_frame + packet.units.shape[1]))
        else:
            units_part, f0_part = packet_of(spec, units, f0, index)
            units_part[:], f0_part[:] = packet.units, packet.f0
    return SpeechCodes(units, f0, entropy.unpack_speaker(header.speaker), header.num_samples, header.model, tuple(lost))


def iter_packets(data: Data | BinaryIO, entropy: EntropyModel | None = None, on_error: OnError = "raise") -> Iterator[Packet]:
    """The packets of a stream in order, each as soon as its bytes are there; `data` may be a binary file or a pipe.

    Memory does not grow with the stream's length. Errors as for `unpack`, except that TrailingBytes comes after the last
    packet, and that a file's claim to be long is only refused where its bytes run out.
    """
    source = Source(data)
    header, entropy = _open(source, entropy)
    yield from _packets(source, header, entropy, on_error)


def inspect(data: Data, entropy: EntropyModel | None = None) -> StreamInfo:
    """A stream's facts, without decoding where no entropy model is given or installed.

    Damage to packets is reported in the result. Raises NotUnitcodec, UnsupportedVersion, or Damaged and Truncated for the
    header; UnknownModel only if `entropy` is given and is another model's.
    """
    source = Source(data)
    header = read_header(source)
    size = len(memoryview(data).cast("B"))
    try:
        entropy = _model_for(header, entropy)
    except UnknownModel:
        if entropy is not None:
            raise
        packets = tuple(PacketInfo(p.index, p.offset, p.size, p.problem is None) for p in walk(source, None))
        return StreamInfo(header.version, header.model, header.num_samples, size, header.size, packets)
    spec, coder = entropy.spec, PacketCoder(entropy)
    speaker = entropy.unpack_speaker(header.speaker)
    total = _refuse_claims(source, header, entropy)
    infos: list[PacketInfo] = []
    bits = {"units": 0.0, "f0": 0.0, "speaker": 8.0 * len(header.speaker)}
    for found in walk(source, total, spec.max_payload):
        packet = _decode(coder, header, found)
        infos.append(PacketInfo(found.index, found.offset, found.size, not packet.lost))
        if not packet.lost:
            for title, cost in entropy.packet_cost(packet.units, packet.f0).items():
                bits["f0" if title == "f0" else "units"] += cost
    sound = all(info.ok for info in infos)
    bits["framing"] = 8 * size - sum(bits.values())
    return StreamInfo(
        header.version,
        header.model,
        header.num_samples,
        size,
        header.size,
        tuple(infos),
        trailing=size - source.offset,
        speaker=tuple(speaker.tolist()),
        bits=bits if sound else None,
    )


def _open(source: Source, entropy: EntropyModel | None) -> tuple[Header, EntropyModel]:
    header = read_header(source)
    entropy = _model_for(header, entropy)
    entropy.unpack_speaker(header.speaker)
    _refuse_claims(source, header, entropy)
    return header, entropy


def _model_for(header: Header, entropy: EntropyModel | None) -> EntropyModel:
    if entropy is None:
        return find_entropy_model(header.model)
    if entropy.fingerprint != header.model:
        raise UnknownModel(f"the stream was made with model {header.model}; the entropy model given is {entropy.fingerprint}")
    return entropy


def _refuse_claims(source: Source, header: Header, entropy: EntropyModel) -> int:
    """Number of packets; Truncated if the header claims more than the bytes present could hold."""
    total = entropy.spec.frames(header.num_samples)[2]
    if source.size is not None and total * MIN_PACKET > source.size - source.offset:
        raise Truncated(
            f"the header claims {header.num_samples} samples, {total} packets of at least {MIN_PACKET} bytes; "
            f"only {source.size - source.offset} bytes follow it, at byte {source.offset}",
            offset=source.offset,
        )
    return total


def _packets(source: Source, header: Header, entropy: EntropyModel, on_error: OnError) -> Iterator[Packet]:
    if on_error not in ("raise", "conceal"):
        raise ValueError(f"on_error is {on_error!r}; it must be 'raise' or 'conceal'")
    coder = PacketCoder(entropy)
    total = entropy.spec.frames(header.num_samples)[2]
    for found in walk(source, total, entropy.spec.max_payload, resync=on_error == "conceal"):
        if on_error == "raise":
            yield _decode(coder, header, found, strict=True)
            continue
        # A file whose size was not known at first: what its end hides is made up only as far as its bytes could have held it.
        ended = source.size is None and found.problem is not None and not source.peek(1)
        if found.problem is not None and ended and (found.index + 1) * MIN_PACKET > source.offset - header.size:
            raise found.problem
        yield _decode(coder, header, found)
    if on_error == "raise" and source.peek(1):
        where = source.offset
        raise TrailingBytes(f"the stream ends at byte {where} but more bytes follow", offset=where)


def _decode(coder: PacketCoder, header: Header, found: Found, strict: bool = False) -> Packet:
    spec = coder.entropy.spec
    frames, f0_frames = spec.packet_shape(header.num_samples, found.index)
    first = found.index * spec.packet_frames
    problem = found.problem
    if found.payload is not None:
        try:
            return Packet(*coder.decode_payload(found.payload, frames, f0_frames), first)
        except Damaged as error:
            text = f"packet {found.index}, at byte {found.offset}, is damaged: {error}"
            problem = Damaged(text, packet=found.index, offset=found.offset)
    if strict and problem is not None:
        raise problem
    shape = (len(spec.rows), frames)
    return Packet(np.zeros(shape, dtype=np.int32), np.zeros(f0_frames, dtype=np.int32), first, lost=True)
