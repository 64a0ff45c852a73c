"""One packet: 2.56 s of codes on their own, decodable without any other packet."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from bitstream.codes import as_codes
from bitstream.entropy.batch import IntArray
from bitstream.entropy.lockstep import decode_packets, encode_packets, payload_bits
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.rangecoder import near, shortest
from bitstream.errors import Damaged
from bitstream.stream.header import VERSION


class PacketCoder:
    """Codes <-> the payloads of packets, with no state in between, so that a stream can be made or read as it runs.

    Several packets together give the bytes that they give alone, and take less time.
    """

    def __init__(self, entropy: EntropyModel, version: int = VERSION) -> None:
        """`version` is the stream's: payloads of version 1 end otherwise."""
        self.entropy = entropy
        self._tail = shortest if version == 1 else near

    def encode_payload(self, units: ArrayLike, f0: ArrayLike) -> bytes:
        """The range coder's bytes for units (rows, n) and f0 (m,), unframed.

        1 <= n <= packet_frames, and m is what n unit frames can have. Raises InvalidCodes.
        """
        return self.encode_payloads([(units, f0)])[0]

    def encode_payloads(self, packets: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[bytes]:
        """The same for each of several packets. Raises InvalidCodes."""
        return encode_packets(self.entropy, [self._checked(*packet) for packet in packets], self._tail)

    def decode_payload(self, payload: bytes, frames: int, f0_frames: int) -> tuple[IntArray, IntArray]:
        """Inverse of `encode_payload`. Raises Damaged unless `payload` is exactly what that gives for some codes."""
        found = self.decode_payloads([payload], [(frames, f0_frames)])[0]
        if isinstance(found, Damaged):
            raise found
        return found

    def decode_payloads(
        self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
    ) -> list[tuple[IntArray, IntArray] | Damaged]:
        """Of each payload and (frames, F0 frames) the codes, or what `decode_payload` would raise."""
        self._check_shapes(shapes)
        return decode_packets(self.entropy, payloads, shapes, self._tail)

    def decodes(self, payload: bytes, frames: int, f0_frames: int) -> bool:
        """Whether `decode_payload` gives something."""
        return not isinstance(self.decode_payloads([payload], [(frames, f0_frames)])[0], Damaged)

    def payload_bits(
        self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
    ) -> list[dict[int | str, float] | Damaged]:
        """Of each payload and (frames, F0 frames) the bits by stream (row or "f0"), or what `decode_payload` would raise."""
        self._check_shapes(shapes)
        return payload_bits(self.entropy, payloads, shapes, self._tail)

    def _check_shapes(self, shapes: Sequence[tuple[int, int]]) -> None:
        for shape in shapes:
            self.entropy.spec.check_packet_shape(*shape)

    def _checked(self, units: ArrayLike, f0: ArrayLike) -> tuple[IntArray, IntArray]:
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self.entropy.spec.check_packet_shape(units.shape[1], len(f0))
        self.entropy.check_symbols(units, f0)
        return units, f0
