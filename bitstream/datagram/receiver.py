"""Datagrams -> codes, in whatever order and number they arrive."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.codes import SpeechCodes, lost_ranges
from bitstream.datagram.blocks import ANNOUNCEMENT, CODED, END, END_BYTES, OVERHEAD, Blocks
from bitstream.entropy.model import EntropyModel
from bitstream.errors import BitstreamError, Damaged, InvalidCodes, UnknownModel, UnsupportedVersion
from bitstream.stream.header import CRC_START, VERSION
from bitstream.stream.reader import OnError, Packet, check_on_error

WINDOW = 2**15
"""Blocks about the next one in which a position modulo 65536 finds its place."""


@dataclass(frozen=True, eq=False)
class Announcement:
    """Who speaks: the model's fingerprint and the speaker's code, (speaker_fields,) int32."""

    model: str
    speaker: NDArray[np.int32]


class DatagramReceiver:
    """Datagrams -> codes, in whatever order and number they arrive.

    Attributes:
        speaker: (speaker_fields,) int32; None before the first announcement.
        num_samples: exact length, samples at 16 kHz; None before the end was heard.
        lost_for_good: unit frames that were lost and that :attr:`lost` no longer names. A block that is 32768 blocks late cannot
            come any more. So memory does not grow, however long a link is bad.

    A stream of more than 65536 blocks is followed as long as no gap is longer than half of that.
    """

    def __init__(self, entropy: EntropyModel, on_error: OnError = "strict") -> None:
        """`on_error`: what is damaged or another model's raises ("strict"), or is passed over ("conceal", "salvage").

        Raises ValueError for another word.
        """
        check_on_error(on_error)
        self.speaker: NDArray[np.int32] | None = None
        self.num_samples: int | None = None
        self._blocks = Blocks(entropy)
        self._strict = on_error == "strict"
        self._parts: dict[int, bytes] = {}
        self._first = self._next = 0  # blocks heard lie in between
        self._heard = False
        self._gaps: list[tuple[int, int]] = []
        self.lost_for_good = 0

    def receive(self, datagram: bytes) -> Packet | Announcement | None:
        """The codes that a datagram carries; or who speaks, if that is news; or None.

        A packet's `first_frame` is the unit frame of the stream that it begins with; frames beyond `num_samples` do not count.
        In strict mode raises Damaged, UnknownModel for another model's announcement, UnsupportedVersion.
        """
        try:
            return self._receive(bytes(datagram))
        except BitstreamError:
            if self._strict:
                raise
            return None

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """Half-open ranges of unit frames that were not heard, between the first and the last that were, or the end."""
        return tuple((start * self._blocks.units, stop * self._blocks.units) for start, stop in self._gaps)

    def gather(self, packets: Iterable[Packet]) -> SpeechCodes:
        """The codes of a stream, from the packets that came, in any order. The codes' `lost` names what did not come.

        Raises InvalidCodes if no announcement or no end has come.
        """
        if self.speaker is None or self.num_samples is None:
            raise InvalidCodes(f"{'an announcement' if self.speaker is None else 'the end'} of the stream was not heard")
        entropy = self._blocks.entropy
        spec = entropy.spec
        frames, f0_frames, _ = spec.frames(self.num_samples)
        units, f0 = np.zeros((len(spec.rows), frames), np.int32), np.zeros(f0_frames, np.int32)
        lost = np.ones(frames, bool)
        for packet in packets:
            start = packet.first_frame
            stop, start_f0 = start + packet.units.shape[1], start * spec.unit_hop // spec.f0_hop
            units[:, start:stop] = packet.units[:, : max(0, frames - start)]
            f0[start_f0 : start_f0 + len(packet.f0)] = packet.f0[: max(0, f0_frames - start_f0)]
            lost[start:stop] = False
        return SpeechCodes(units, f0, self.speaker, self.num_samples, entropy.fingerprint, lost_ranges(lost))

    def _receive(self, datagram: bytes) -> Packet | Announcement | None:
        kind = datagram[0] >> 6 if datagram else CODED
        if kind == ANNOUNCEMENT:
            return self._assemble(datagram)
        body = datagram[:-2]
        if len(datagram) < OVERHEAD or self._blocks.check(body) != datagram[-2:]:
            raise Damaged(f"a datagram of {len(datagram)} bytes is damaged or of another model: its check does not match")
        position, count = int.from_bytes(body[1:3], "big"), (body[0] & 63) + 1
        if kind == END:
            trim = int.from_bytes(body[3:], "big")
            if count != 1 or len(datagram) != END_BYTES or trim >= self._blocks.samples:
                raise Damaged("a datagram that ends a stream is malformed")
            end = self._unwrapped(position)
            if end * self._blocks.samples >= trim and (end >= self._next or not self._heard):
                self.num_samples = end * self._blocks.samples - trim
                self._hear(end, end)
            return None
        try:
            units, f0 = self._blocks.decode(kind, body[3:], count)
        except Damaged as error:
            raise Damaged(f"a datagram of {len(datagram)} bytes is damaged: {error}") from error
        start = self._unwrapped(position)
        if not self._hear(start, start + count):
            return None
        return Packet(units, f0, start * self._blocks.units)

    def _unwrapped(self, position: int) -> int:
        """The block that a position modulo 65536 means: the nearest to what was heard last."""
        if not self._heard:
            return position
        return self._next + ((position - self._next + WINDOW) & 0xFFFF) - WINDOW

    def _hear(self, start: int, stop: int) -> bool:
        """Note that these blocks arrived; False if they had before, or are too old to be placed."""
        if not self._heard:
            self._heard, self._first, self._next = True, start, stop
            return True
        if start >= self._next:
            if start > self._next:
                self._gaps.append((self._next, start))
            self._next = stop
            self._forget()
            return True
        if start >= 0 and stop <= self._first:
            if stop < self._first:
                self._gaps.insert(0, (stop, self._first))
            self._first = start
            return True
        for i, (low, high) in enumerate(self._gaps):
            if low <= start and stop <= high:
                self._gaps[i : i + 1] = [gap for gap in ((low, start), (stop, high)) if gap[0] < gap[1]]
                return True
        return False

    def _forget(self) -> None:
        """Gaps of which nothing can be placed any more."""
        while self._gaps and self._gaps[0][1] <= self._next - WINDOW:
            low, high = self._gaps.pop(0)
            self.lost_for_good += (high - low) * self._blocks.units
        # Without what lies before them no block can join the stream there.
        self._first = max(self._first, self._next - WINDOW)

    def _assemble(self, datagram: bytes) -> Announcement | None:
        count, index = (datagram[0] & 7) + 1, datagram[0] >> 3 & 7
        if len(datagram) < 4 or crc_hqx(datagram[:-2], CRC_START) != int.from_bytes(datagram[-2:], "big") or index >= count:
            raise Damaged("an announcement is damaged")
        self._parts[index] = datagram[1:-2]
        body = b"".join(self._parts.get(i, b"") for i in range(count))
        if any(i not in self._parts for i in range(count)) or crc_hqx(body, CRC_START):
            return None  # not all of it has come, or parts of an older one are left
        if body[0] != VERSION:
            raise UnsupportedVersion(f"datagrams of version {body[0]}; this reader knows version {VERSION}")
        model, speaker = body[1:5].hex(), body[5:-2]
        if model != self._blocks.entropy.fingerprint:
            raise UnknownModel(
                f"the datagrams are of model {model}; the entropy model given is {self._blocks.entropy.fingerprint}"
            )
        fields = self._blocks.entropy.unpack_speaker(speaker)
        if self.speaker is not None and np.array_equal(fields, self.speaker):
            return None
        self.speaker = fields
        return Announcement(model, fields)
