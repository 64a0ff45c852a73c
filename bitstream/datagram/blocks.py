"""What datagrams are made of: blocks of codes as bytes, and announcements. docs/bitstream.md, section 9.

Frames travel in blocks, the fewest that are whole unit and whole F0 frames: two unit frames and one F0 frame, 80 ms, in the
reference model.
"""

from __future__ import annotations

import math
from binascii import crc_hqx

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.batch import Batch
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.spec import from_radix, radix_bytes, to_radix
from bitstream.errors import Damaged, InvalidCodes
from bitstream.stream.header import CRC_START, VERSION
from bitstream.stream.packet import PacketCoder

CODED, PLAIN, ANNOUNCEMENT, END = range(4)
"""Kinds: bits 7 and 6 of the first byte."""
OVERHEAD = 5
"""Bytes beside the payload: head, position, check."""
END_BYTES = 9
MAX_BLOCKS = 64
"""Most blocks in a datagram."""
MAX_PARTS = 8
"""Most parts of an announcement, each with a head and a check."""


class Blocks:
    """A model's blocks, and their codes as bytes."""

    def __init__(self, entropy: EntropyModel) -> None:
        self.entropy, self.spec = entropy, entropy.spec
        self.samples = math.lcm(self.spec.unit_hop, self.spec.f0_hop)
        self.units, self.f0 = self.samples // self.spec.unit_hop, self.samples // self.spec.f0_hop
        self.most = min(MAX_BLOCKS, self.spec.packet_samples // self.samples)
        self._coder = PacketCoder(entropy)
        self._salt = crc_hqx(bytes.fromhex(entropy.fingerprint), CRC_START)

    def check(self, covered: bytes) -> bytes:
        """The check of a datagram of this model, and of no other."""
        return crc_hqx(covered, self._salt).to_bytes(2, "big")

    def shape(self, count: int) -> tuple[int, int]:
        return count * self.units, count * self.f0

    def encode(self, units: NDArray[np.int32], f0: NDArray[np.int32], room: int) -> tuple[int, bytes] | None:
        """(kind, payload) of some blocks, the shorter; None if neither has room."""
        coded = self._coder.encode_payload(units, f0)
        alphabets = self.alphabets(units.shape[1], len(f0))
        if len(coded) <= min(room, radix_bytes(alphabets)):
            return CODED, coded
        if radix_bytes(alphabets) > room:
            return None
        batch = Batch.of_packets(self.spec, [(units, f0)])
        symbols = [int(batch.symbols(name)[position, 0]) for name, position, _ in batch.steps()]
        return PLAIN, to_radix(symbols, alphabets)

    def decode(self, kind: int, payload: bytes, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Inverse of `encode`. Raises Damaged."""
        if not 1 <= count <= self.most:
            raise Damaged(f"it claims {count} blocks; the model has at most {self.most}")
        frames, f0_frames = self.shape(count)
        if kind == CODED:
            return self._coder.decode_payload(payload, frames, f0_frames)
        alphabets = self.alphabets(frames, f0_frames)
        if len(payload) != radix_bytes(alphabets):
            raise Damaged(f"{len(payload)} bytes of plain codes; {count} blocks have {radix_bytes(alphabets)}")
        try:
            symbols = from_radix(payload, alphabets)
        except ValueError as error:
            raise Damaged(f"its plain codes are {error}") from error
        batch = Batch(self.spec, [(frames, f0_frames)])
        for (name, position, _), symbol in zip(batch.steps(), symbols, strict=True):
            batch.write(name, position, [symbol])
        return batch.packets()[0]

    def alphabets(self, frames: int, f0_frames: int) -> list[int]:
        """Of a packet's symbols in coding order; those of streams of one symbol, which tell nothing, are left out."""
        return [self.spec.stream(name).alphabet for name, _, _ in Batch(self.spec, [(frames, f0_frames)]).steps()]


def announcement(model: str, speaker: bytes, mtu: int) -> list[bytes]:
    """Version, fingerprint, speaker code and their check, in as few parts as the MTU allows, each with a check of its own."""
    body = bytes([VERSION]) + bytes.fromhex(model) + speaker
    body += crc_hqx(body, CRC_START).to_bytes(2, "big")
    room = mtu - 3
    count = -(-len(body) // max(room, 1))
    if count > MAX_PARTS:
        raise InvalidCodes(f"datagrams of {mtu} bytes are too short to announce a speaker code of {len(speaker)} bytes")
    parts = [bytes([ANNOUNCEMENT << 6 | i << 3 | count - 1]) + body[i * room : (i + 1) * room] for i in range(count)]
    return [part + crc_hqx(part, CRC_START).to_bytes(2, "big") for part in parts]
