"""One packet: 2.56 s of codes on their own, decodable without any other packet."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from bitstream.batch import IntArray
from bitstream.codes import as_codes
from bitstream.entropy import EntropyModel
from bitstream.errors import Damaged
from bitstream.header import VERSION
from bitstream.lockstep import decode_packets, encode_packets, payload_bits
from bitstream.rangecoder import decode, encode, near, shortest


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
        checked = [self._checked(*packet) for packet in packets]
        if self._tail is near and len(checked) >= self.entropy.encodes_together:
            return encode_packets(self.entropy, checked)
        return [self._encode(*packet) for packet in checked]

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
        most = self.entropy.spec.max_payload
        for shape in shapes:
            self.entropy.spec.check_packet_shape(*shape)
        if len(payloads) < self.entropy.decodes_together or max(map(len, payloads)) > most:
            return [self._decode(payload, *shape) for payload, shape in zip(payloads, shapes, strict=True)]
        return decode_packets(self.entropy, self._tail, payloads, shapes)

    def decodes(self, payload: bytes, frames: int, f0_frames: int) -> bool:
        """Whether `decode_payload` gives something."""
        return not isinstance(self.decode_payloads([payload], [(frames, f0_frames)])[0], Damaged)

    def payload_bits(
        self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
    ) -> list[dict[int | str, float] | Damaged]:
        """Of each payload and (frames, F0 frames) the bits by stream (row or "f0"), or what `decode_payload` would raise."""
        for shape in shapes:
            self.entropy.spec.check_packet_shape(*shape)
        fits = [len(payload) <= self.entropy.spec.max_payload for payload in payloads]
        kept = [(payload, shape) for payload, shape, fit in zip(payloads, shapes, fits, strict=True) if fit]
        found = iter(payload_bits(self.entropy, self._tail, *zip(*kept, strict=True)) if kept else [])
        return [next(found) if fit else self._too_long(payload) for payload, fit in zip(payloads, fits, strict=True)]

    def _too_long(self, payload: bytes) -> Damaged:
        return Damaged(f"a payload of {len(payload)} bytes; the model never needs more than {self.entropy.spec.max_payload}")

    def _checked(self, units: ArrayLike, f0: ArrayLike) -> tuple[IntArray, IntArray]:
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self.entropy.spec.check_packet_shape(units.shape[1], len(f0))
        self.entropy.check_symbols(units, f0)
        return units, f0

    def _encode(self, units: IntArray, f0: IntArray) -> bytes:
        frames, f0_frames = units.shape[1], len(f0)
        symbols = self.entropy.plan(frames, f0_frames).order(units, f0).tolist()
        return encode(symbols, self.entropy.predict(frames, f0_frames), self._tail)

    def _decode(self, payload: bytes, frames: int, f0_frames: int) -> tuple[IntArray, IntArray] | Damaged:
        spec = self.entropy.spec
        if len(payload) > spec.max_payload:
            return self._too_long(payload)
        rows = len(spec.rows)
        predictions = self.entropy.predict(frames, f0_frames)
        try:
            symbols = decode(payload, rows * frames + f0_frames, predictions, spec.max_payload, self._tail)
        except Damaged as error:
            return error
        return self.entropy.plan(frames, f0_frames).restore(symbols, rows)
