"""A stream -> codes, packet by packet, from memory, a file or a pipe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.find import find_entropy_model, find_sibling
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.spec import SAMPLE_RATE, EntropySpec
from bitstream.errors import BitstreamError, Damaged, NotUnitcodec, TooLong, Truncated, UnsupportedVersion
from bitstream.stream.framing import MIN_PACKET, Layout
from bitstream.stream.header import MAGIC, VERSION, Header, read_header
from bitstream.stream.packet import PacketCoder
from bitstream.stream.source import Data, Source
from bitstream.stream.walk import Found, strict_walk, walk

OnError = Literal["strict", "conceal", "salvage"]
TOGETHER = 64
"""Packets decoded together where they need not be waited for."""
_SEARCH = 2**16
"""How far salvage looks for a header."""
MAX_SILENCE = 3600.0
"""Seconds of silence for what is damaged or missing, if the caller allows no other length."""
MAX_FORGED = 64
"""Packets of a stream whose checks match though no writer gives their payloads: of those damaged, one in 65536 is so."""


def check_on_error(on_error: object) -> None:
    """Raise ValueError for what is no OnError."""
    if on_error not in get_args(OnError):
        raise ValueError(f"on_error is {on_error!r}; it must be 'strict', 'conceal' or 'salvage'")


@dataclass(frozen=True, eq=False)
class Packet:
    """One packet's codes.

    units is (rows, n) int32, f0 is (m,) int32; `first_frame` is the stream's unit frame that units[:, 0] is. A packet that
    was damaged or is missing is `lost`, and its codes are 0.
    """

    units: NDArray[np.int32]
    f0: NDArray[np.int32]
    first_frame: int
    lost: bool = False


@dataclass(frozen=True)
class Slot:
    """A packet before it is decoded: its number, first byte, shape, and payload; None: it is lost."""

    index: int
    offset: int
    frames: int
    f0_frames: int
    payload: bytes | None


class PacketReader:
    """The packets of a stream in order, each as soon as its bytes are there, in memory that does not grow with the stream.

        for packet in PacketReader(file):       # a file, a pipe, or bytes
            packet.units, packet.f0

    Attributes:
        header: as its bytes tell it.
        entropy: the stream's entropy model.
        speaker: (speaker_fields,) int32.
        num_samples: exact length, samples at 16 kHz. None as long as it is not known: in version 2 the end tells it.
        lost: number of packets given as lost so far.

    What happens where a stream is not sound is the caller's choice:
        "strict": an error that names packet and byte.
        "conceal": packets that are damaged or missing are `lost`; an error only if the stream's length is not known, because
            its end is damaged or missing.
        "salvage": that is none either: such a stream ends after its last sound packet. If `entropy` is given, the header too
            may be damaged or stand behind other bytes, within 64 KiB; if none is found, the speaker fields are the middle of
            their alphabets.

    `max_seconds` is how long a stream may be. None, the default, is safe for streams from anywhere and refuses no recording: as
    long as packets are sound there may be any number of them, for each has its bytes, but for those that are damaged or missing,
    which a few forged bytes can claim by the ten thousand, there is an hour of silence in all and no more. A stream with more
    than MAX_FORGED packets that no writer gives, though their checks match, is refused as Damaged.

    Raises NotUnitcodec, UnsupportedVersion, UnknownModel, Damaged or Truncated for the header, at once, and TypeError for what is
    neither bytes nor a file open for reading bytes; while reading Damaged, Truncated, TooLong and, after the last packet in
    strict mode, TrailingBytes.
    """

    def __init__(
        self,
        file: Data | BinaryIO,
        entropy: EntropyModel | None = None,
        on_error: OnError = "strict",
        max_seconds: float | None = None,
    ) -> None:
        """`entropy` None: the installed model that the header names. Another that belongs to the same weights serves as well."""
        check_on_error(on_error)
        self.on_error: OnError = on_error
        self._source, headless = Source(file), False
        if on_error == "salvage" and entropy is not None:
            _find_header(self._source, entropy)
        try:
            self.header, self.entropy = open_stream(self._source, entropy)
        except (NotUnitcodec, UnsupportedVersion, Damaged):
            if on_error != "salvage" or entropy is None:
                raise
            speaker = entropy.pack_speaker([alphabet // 2 for alphabet in entropy.spec.speaker])
            self.header, self.entropy, headless = Header(VERSION, entropy.fingerprint, speaker, 0), entropy, True
        self._start = self._source.offset
        self.speaker = self.entropy.unpack_speaker(self.header.speaker)
        self.num_samples = self.header.num_samples
        self.lost = 0
        self._spec, self._coder = self.entropy.spec, PacketCoder(self.entropy, self.header.version)
        self._limit = Limit(self._spec, max_seconds)
        self._layout = Layout(self.header.version, self._spec, self.num_samples, self._coder.decodes, headless)
        if on_error != "salvage":
            refuse_claims(self._source, self._layout)
        self._packets = self._decoded(0)

    @property
    def duration(self) -> float | None:
        """Seconds; None as long as it is not known."""
        return None if self.num_samples is None else self.num_samples / SAMPLE_RATE

    @property
    def is_pipe(self) -> bool:
        """Whether packets come when they come, and only once."""
        return self._source.is_pipe

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._source.offset

    def __iter__(self) -> PacketReader:
        return self

    def __next__(self) -> Packet:
        return next(self._packets)

    def seek(self, seconds: float) -> float:
        """Go on with the packet that covers this time, or with the end; returns where that packet begins, in seconds.

        The stream is walked through from its beginning, so what lies before is checked, but not decoded. Raises
        io.UnsupportedOperation for a pipe.
        """
        first = max(0, int(seconds * SAMPLE_RATE) // self._spec.packet_samples)
        self._source.rewind(self._start)
        self.lost = 0
        self._packets = self._decoded(first)
        return first * self._spec.packet_samples / SAMPLE_RATE

    def slots(self) -> Iterator[Slot]:
        """The packets undecoded, from where the reader stands; `num_samples` is set with the last."""
        self._limit.restart()
        if self.on_error == "strict":
            for found in strict_walk(self._source, self._layout):
                yield from self._slots(found)
            return
        hole: Found | None = None
        for found in walk(self._source, self._layout):
            # What follows a hole says that it was one, and not the end.
            if hole is not None:
                self._limit.lose(hole.index, max(1, hole.count))
                yield from self._slots(hole)
            hole = found if found.problem is not None else None
            if hole is None:
                yield from self._slots(found)
        if hole is None or hole.problem is None:
            return
        known = hole.last and (hole.index + hole.count) * MIN_PACKET <= self._source.offset
        if self.on_error == "salvage" and (not known or isinstance(hole.problem, Truncated)):
            self.num_samples = hole.index * self._spec.packet_samples
        elif known:
            self._limit.lose(hole.index, hole.count)
            yield from self._slots(hole)
        else:
            text = f"{hole.problem}; where the stream ends is not known; 'salvage' reads what is there"
            raise type(hole.problem)(text, packet=hole.index, offset=hole.offset)

    def decode(self, slots: Sequence[Slot]) -> Iterator[Packet]:
        """The codes of slots; many together take less time than one by one.

        A payload that no writer gives raises Damaged in strict mode, else it makes a lost packet.
        """
        kept = [slot for slot in slots if slot.payload is not None]
        payloads = [slot.payload or b"" for slot in kept]
        found = self._coder.decode_payloads(payloads, [(slot.frames, slot.f0_frames) for slot in kept]) if kept else []
        codes = dict(zip((slot.index for slot in kept), found, strict=True))
        for slot in slots:
            yield self.settle(slot, codes.get(slot.index))

    def settle(self, slot: Slot, found: tuple[NDArray[np.int32], NDArray[np.int32]] | Damaged | None) -> Packet:
        """The packet of a slot, given what a PacketCoder made of its payload; None: it has none."""
        first = slot.index * self._spec.packet_frames
        if isinstance(found, Damaged) and self.on_error == "strict":
            text = f"packet {slot.index}, at byte {slot.offset}, is damaged: {found}"
            raise Damaged(text, packet=slot.index, offset=slot.offset) from found
        if isinstance(found, tuple):
            return Packet(*found, first)
        if found is not None:
            self._limit.forge(slot.index, slot.offset)
        self.lost += 1
        self._limit.refuse(self.lost, slot.index)
        units = np.zeros((len(self._spec.rows), slot.frames), dtype=np.int32)
        return Packet(units, np.zeros(slot.f0_frames, dtype=np.int32), first, lost=True)

    def _slots(self, found: Found) -> Iterator[Slot]:
        """The packets that a record or a hole stands for."""
        if found.last and self.header.num_samples is None:
            self.num_samples = found.stream_samples(self._spec)
        if found.last and self.num_samples is not None:
            self._limit.check(self.num_samples)
        for index in range(found.index, found.index + found.count):
            self._limit.check(index * self._spec.packet_samples + 1)
            yield Slot(index, found.offset, *found.shape(index, self._layout, self._spec), found.payload)

    def _decoded(self, first: int) -> Iterator[Packet]:
        together = 1 if self._source.is_pipe else TOGETHER
        waiting: list[Slot] = []
        try:
            for slot in self.slots():
                if slot.index >= first:
                    waiting.append(slot)
                if len(waiting) == together:
                    ready, waiting = waiting, []
                    yield from self.decode(ready)
        except BitstreamError:
            # What came before what is wrong is given first.
            yield from self.decode(waiting)
            raise
        yield from self.decode(waiting)


class Limit:
    """How much a reader gives of a stream: see PacketReader. Raises TooLong beyond it, ValueError for what is no length; and
    Damaged for what is no writer's."""

    def __init__(self, spec: EntropySpec | None, max_seconds: float | None) -> None:
        """`spec` None: of a model that is not at hand, and whose packets are taken to be as long as the reference model's."""
        if max_seconds is not None and not max_seconds >= 0:
            raise ValueError(f"max_seconds is {max_seconds!r}; it must be a number of seconds, 0 or more, or None")
        self.packet_samples = 40960 if spec is None else spec.packet_samples
        self._seconds = self.packet_samples / SAMPLE_RATE
        self._samples = math.inf if max_seconds is None else max_seconds * SAMPLE_RATE
        self._most = (MAX_SILENCE if max_seconds is None else max_seconds + self._seconds) / self._seconds
        self._holes = self._forged = 0

    def restart(self) -> None:
        """The stream is read from its beginning."""
        self._holes = self._forged = 0

    def check(self, samples: int) -> None:
        """The stream has at least so many samples."""
        if samples > self._samples:
            raise TooLong(f"longer than the {self._samples / SAMPLE_RATE:g} s allowed")

    def lose(self, index: int, packets: int) -> None:
        """So many are damaged or missing from packet `index` on. Bytes that belong to none count as one: they take time, too."""
        self._holes += packets
        self.refuse(self._holes, index)

    def forge(self, index: int, offset: int) -> None:
        """The payload of packet `index` is none that a writer gives, though its check matches."""
        self._forged += 1
        if self._forged > MAX_FORGED:
            text = f"{self._forged} packets up to packet {index}, at byte {offset}, are none that its model writes: it is forged"
            raise Damaged(text, packet=index, offset=offset)

    def refuse(self, packets: int, index: int) -> None:
        """So many in all are damaged or missing, up to and with those from packet `index` on."""
        if packets > self._most:
            raise TooLong(
                f"{packets} packets, {packets * self._seconds:.0f} s, are damaged or missing at packet {index}; "
                f"at most {self._most * self._seconds:.0f} s of silence are allowed"
            )


def open_stream(source: Source, entropy: EntropyModel | None) -> tuple[Header, EntropyModel]:
    """Read and step over the header; it, and its model. Raises what PacketReader does, and UnknownModel for another model's."""
    header = read_header(source)
    entropy = find_entropy_model(header.model) if entropy is None else find_sibling(entropy, header.model)
    entropy.unpack_speaker(header.speaker)
    return header, entropy


def refuse_claims(source: Source, layout: Layout) -> None:
    """Raise Truncated if a header of version 1 claims more packets than the bytes present could hold."""
    if source.size is None or layout.total is None or layout.total * MIN_PACKET <= source.size - source.offset:
        return
    raise Truncated(
        f"the header claims {layout.num_samples} samples, {layout.total} packets of at least {MIN_PACKET} bytes; "
        f"only {source.size - source.offset} bytes follow it, at byte {source.offset}",
        offset=source.offset,
    )


def _find_header(source: Source, entropy: EntropyModel) -> None:
    """Step over what stands before the first sound header of this model, if there is one near."""
    # A live pipe that begins as it should is asked for no more than the header.
    if source.peek(len(MAGIC)) == MAGIC:
        head = source.peek(8)
        with suppress(BitstreamError):
            open_stream(Source(source.peek(10 + (head[7] if len(head) == 8 and head[2] > 1 else 265))), entropy)
            return
    data = source.peek(_SEARCH)
    at = data.find(MAGIC)
    while at >= 0:
        try:
            open_stream(Source(data[at:]), entropy)
        except BitstreamError:
            at = data.find(MAGIC, at + 1)
        else:
            source.skip(at)
            return
