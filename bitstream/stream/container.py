"""Whole streams: codes -> bytes, bytes -> codes; many together have the bytes that they have alone, and take less time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, TypeVar

import numpy as np

from bitstream.codes import SpeechCodes, require_codes
from bitstream.entropy.batch import packet_of
from bitstream.entropy.find import find_entropy_model
from bitstream.entropy.model import EntropyModel
from bitstream.errors import BitstreamError, InvalidCodes
from bitstream.stream.framing import frame_stream
from bitstream.stream.packet import PacketCoder
from bitstream.stream.reader import OnError, Packet, PacketReader, Slot
from bitstream.stream.source import Data

TOGETHER = 1024
"""Packets decoded together."""

T = TypeVar("T")
R = TypeVar("R")


def pack(codes: SpeechCodes, entropy: EntropyModel | None = None) -> bytes:
    """Codes -> a stream. The same codes and model always give the same bytes.

    `entropy` None: the installed model of that fingerprint. Raises UnknownModel if there is none, InvalidCodes for anything but
    SpeechCodes, if the codes do not fit the model, or if they hold lost ranges, which a stream could not tell from speech.
    """
    return _packed([require_codes(codes)], entropy)[0]


def pack_many(utterances: Iterable[SpeechCodes], entropy: EntropyModel | None = None) -> list[bytes]:
    """`[pack(codes, entropy) for codes in utterances]`, in less time. Raises what `pack` does, before anything is coded."""
    return _packed([require_codes(codes, f"utterances[{index}]") for index, codes in enumerate(utterances)], entropy)


def unpack(
    data: Data, entropy: EntropyModel | None = None, on_error: OnError = "strict", max_seconds: float | None = None
) -> SpeechCodes:
    """A stream -> its codes.

    Modes, `max_seconds` and errors as for PacketReader; what is lost becomes a range in `lost`. Allocates no more than the bytes
    present can account for and, for what is lost, `max_seconds` allows.
    """
    reader = PacketReader(data, entropy, on_error, max_seconds)
    return joined(reader, list(reader))


def unpack_many(
    streams: Iterable[Data], entropy: EntropyModel | None = None, on_error: OnError = "strict", max_seconds: float | None = None
) -> list[SpeechCodes]:
    """`[unpack(data, entropy, on_error, max_seconds) for data in streams]`, in less time. Raises what `unpack` does."""
    readers = [PacketReader(data, entropy, on_error, max_seconds) for data in streams]
    packets: list[list[Packet]] = [[] for _ in readers]
    waiting: list[tuple[int, Slot]] = []  # of which stream
    try:
        for number, reader in enumerate(readers):
            for slot in reader.slots():
                waiting.append((number, slot))
                # Not all at once: behind the first that is damaged nothing need be decoded.
                if len(waiting) == TOGETHER:
                    _settle(readers, waiting, packets)
                    waiting = []
    except BitstreamError:
        _settle(readers, waiting, packets)  # raises for what comes before
        raise
    _settle(readers, waiting, packets)
    return [joined(reader, own) for reader, own in zip(readers, packets, strict=True)]


def iter_packets(
    data: Data | BinaryIO, entropy: EntropyModel | None = None, on_error: OnError = "strict", max_seconds: float | None = None
) -> PacketReader:
    """The packets of a stream in order, each as soon as its bytes are there; `data` may be a binary file or a pipe."""
    return PacketReader(data, entropy, on_error, max_seconds)


def _packed(many: Sequence[SpeechCodes], entropy: EntropyModel | None) -> list[bytes]:
    """The streams of utterances, whose packets are coded together."""
    models = [entropy or find_entropy_model(codes.model) for codes in many]
    packets, counts = [], []
    for codes, model in zip(many, models, strict=True):
        model.check(codes)
        if codes.lost:
            raise InvalidCodes(f"the codes hold {len(codes.lost)} lost ranges; packing them would hide the loss")
        counts.append(model.spec.frames(codes.num_samples)[2])
        packets += [(model, packet_of(model.spec, codes.units, codes.f0, index)) for index in range(counts[-1])]
    payloads = iter(_by_model(packets, lambda coder, parts: coder.encode_payloads(parts)))
    return [
        _stream(codes, model, [next(payloads) for _ in range(count)])
        for codes, model, count in zip(many, models, counts, strict=True)
    ]


def _stream(codes: SpeechCodes, model: EntropyModel, payloads: list[bytes]) -> bytes:
    """An utterance's stream, given the payloads of its packets."""
    spec = model.spec
    over = len(payloads) * spec.packet_samples - codes.num_samples
    full = spec.packet_shape(spec.packet_samples - over, 0) == (spec.packet_frames, spec.packet_f0_frames)
    end = (None, over) if full else (spec.packet_samples - over, 0)
    return frame_stream(model.fingerprint, model.pack_speaker(codes.speaker), payloads, *end)


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


def _settle(readers: list[PacketReader], slots: list[tuple[int, Slot]], packets: list[list[Packet]]) -> None:
    """Decode slots of these streams, and add what they hold to each stream's packets."""
    given = [
        (readers[number].entropy, (slot.payload, (slot.frames, slot.f0_frames)))
        for number, slot in slots
        if slot.payload is not None
    ]
    found = iter(_by_model(given, lambda coder, parts: coder.decode_payloads(*zip(*parts, strict=True))))
    for number, slot in slots:
        packets[number].append(readers[number].settle(slot, None if slot.payload is None else next(found)))


def _by_model(parts: Sequence[tuple[EntropyModel, T]], work: Callable[[PacketCoder, list[T]], list[R]]) -> list[R]:
    """What `work` makes of the parts, those of one model together; in order."""
    results: dict[int, R] = {}
    for model in {id(model): model for model, _ in parts}.values():
        mine = [index for index, (other, _) in enumerate(parts) if other is model]
        results.update(zip(mine, work(PacketCoder(model), [parts[index][1] for index in mine]), strict=True))
    return [results[index] for index in range(len(parts))]
