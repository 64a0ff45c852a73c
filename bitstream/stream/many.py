"""Many streams at once, with the very bytes that they have one by one: for corpora, where most streams are short."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from numpy.typing import ArrayLike

from bitstream.codes import SpeechCodes, require_codes
from bitstream.entropy.batch import packet_of
from bitstream.entropy.find import find_entropy_model
from bitstream.entropy.model import EntropyModel
from bitstream.errors import BitstreamError
from bitstream.stream.container import check, joined
from bitstream.stream.packet import PacketCoder
from bitstream.stream.reader import OnError, Packet, PacketReader, Slot
from bitstream.stream.source import Data
from bitstream.stream.writer import PacketWriter

TOGETHER = 1024
"""Packets decoded together."""

T = TypeVar("T")
R = TypeVar("R")


def pack_many(utterances: Iterable[SpeechCodes], entropy: EntropyModel | None = None) -> list[bytes]:
    """`[pack(codes, entropy) for codes in utterances]`, in less time. Raises what `pack` does, before anything is coded."""
    many = [require_codes(codes, f"utterances[{index}]") for index, codes in enumerate(utterances)]
    models = [entropy or find_entropy_model(codes.model) for codes in many]
    packets = []
    for codes, model in zip(many, models, strict=True):
        check(codes, model)
        count = model.spec.frames(codes.num_samples)[2]
        packets += [(model, packet_of(model.spec, codes.units, codes.f0, index)) for index in range(count)]
    payloads = iter(_by_model(packets, lambda coder, parts: coder.encode_payloads(parts)))
    streams = []
    for codes, model in zip(many, models, strict=True):
        stream = io.BytesIO()
        writer = PacketWriter(stream, model, codes.speaker, _Ready(model, payloads))
        writer.write(codes.units, codes.f0)
        writer.close(codes.num_samples)
        streams.append(stream.getvalue())
    return streams


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


class _Ready(PacketCoder):
    """A coder whose work is done already."""

    def __init__(self, entropy: EntropyModel, payloads: Iterator[bytes]) -> None:
        super().__init__(entropy)
        self._payloads = payloads

    def encode_payloads(self, packets: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[bytes]:
        return [next(self._payloads) for _ in packets]


def _by_model(parts: Sequence[tuple[EntropyModel, T]], work: Callable[[PacketCoder, list[T]], list[R]]) -> list[R]:
    """What `work` makes of the parts, those of one model together; in order."""
    results: dict[int, R] = {}
    for model in {id(model): model for model, _ in parts}.values():
        mine = [index for index, (other, _) in enumerate(parts) if other is model]
        results.update(zip(mine, work(PacketCoder(model), [parts[index][1] for index in mine]), strict=True))
    return [results[index] for index in range(len(parts))]
