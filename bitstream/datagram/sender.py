"""Codes -> datagrams, each decodable alone: for UDP, LoRa and HF modems, which lose, repeat and reorder what they carry."""

from __future__ import annotations

from numpy.typing import ArrayLike

from bitstream.datagram.blocks import CODED, END, END_BYTES, OVERHEAD, Blocks, announcement
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.spec import radix_bytes
from bitstream.errors import InvalidCodes
from bitstream.stream.writer import Frames


class DatagramSender:
    """Codes -> datagrams of at most `mtu` bytes, each with as many blocks as it has room for.

        sender = DatagramSender(entropy, speaker, mtu=51, announce_every=20)
        for datagram in sender.push(units, f0): ...
        for datagram in sender.flush(): ...         # the rest, and the end

    A stream has one sender.
    """

    def __init__(self, entropy: EntropyModel, speaker: ArrayLike, mtu: int, announce_every: int = 0) -> None:
        """`announce_every`: codes datagrams between two announcements, the first of which opens the stream; 0: only on demand.

        Raises InvalidCodes if the speaker, (speaker_fields,), is not the model's, or if the model does not fit the MTU.
        """
        self._blocks = Blocks(entropy)
        self._mtu, self._announce_every = mtu, announce_every
        self._announcement = announcement(entropy.fingerprint, entropy.pack_speaker(speaker), mtu)
        least = OVERHEAD + radix_bytes(self._blocks.alphabets(*self._blocks.shape(1)))
        if mtu < max(least, END_BYTES):
            raise InvalidCodes(f"datagrams of {mtu} bytes are too short; this model needs {max(least, END_BYTES)}")
        self._frames = Frames(entropy)
        self._pushed = [0, 0]
        self._ready = 0  # blocks of the datagram being filled, and what they come to
        self._filled = CODED, b""
        self._position = self._sent = 0
        self._announced = False
        self._open = True

    def push(self, units: ArrayLike, f0: ArrayLike) -> list[bytes]:
        """Take units (rows, any number) and f0 (any number,); the datagrams that are full. Raises InvalidCodes."""
        if not self._open:
            raise ValueError("the stream was flushed: begin another DatagramSender")
        before = self._frames.units.shape[1], len(self._frames.f0)
        self._frames.add(units, f0)
        self._pushed[0] += self._frames.units.shape[1] - before[0]
        self._pushed[1] += len(self._frames.f0) - before[1]
        return self._fill()

    def flush(self, num_samples: int | None = None) -> list[bytes]:
        """What is waiting, and the end of a stream of `num_samples`, by default what the unit frames cover.

        Raises InvalidCodes if so many samples have other frames than were pushed.
        """
        spec, block = self._blocks.spec, self._blocks.samples
        num_samples = self._pushed[0] * spec.unit_hop if num_samples is None else num_samples
        if num_samples < 0 or spec.frames(num_samples)[:2] != tuple(self._pushed):
            raise InvalidCodes(f"{num_samples} samples do not make {self._pushed[0]} unit and {self._pushed[1]} F0 frames")
        self._frames.pad(block)
        datagrams = self._fill()
        if self._ready:
            datagrams += self._send()
        self._open = False
        trim = self._position * block - num_samples
        return [*datagrams, self._seal(bytes([END << 6]) + _mod(self._position) + trim.to_bytes(4, "big"))]

    def announce(self) -> list[bytes]:
        """The announcement, now."""
        return list(self._announcement)

    def _fill(self) -> list[bytes]:
        datagrams: list[bytes] = []
        if self._announce_every and not self._announced:
            datagrams += self._announcement
            self._announced = True
        while self._frames.has(*self._blocks.shape(self._ready + 1)):
            frames, f0_frames = self._blocks.shape(self._ready + 1)
            found = self._blocks.encode(self._frames.units[:, :frames], self._frames.f0[:f0_frames], self._mtu - OVERHEAD)
            if found is None:
                datagrams += self._send()
                continue
            self._ready, self._filled = self._ready + 1, found
            if self._ready == self._blocks.most:
                datagrams += self._send()
        return datagrams

    def _send(self) -> list[bytes]:
        kind, payload = self._filled
        datagram = self._seal(bytes([kind << 6 | self._ready - 1]) + _mod(self._position) + payload)
        self._frames.take(*self._blocks.shape(self._ready))
        self._position += self._ready
        self._ready = 0
        self._sent += 1
        if self._announce_every and self._sent % self._announce_every == 0:
            return [datagram, *self._announcement]
        return [datagram]

    def _seal(self, body: bytes) -> bytes:
        return body + self._blocks.check(body)


def _mod(position: int) -> bytes:
    return (position & 0xFFFF).to_bytes(2, "big")
