"""One packet: 2.56 s of codes on their own, decodable without any other packet."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import as_codes
from bitstream.entropy import EntropyModel
from bitstream.errors import Damaged
from bitstream.framing import frame_payload, parse_packet
from bitstream.rangecoder import Predictor, decode, encode


class PacketCoder:
    """Codes <-> packets, one at a time and with no state in between, so that a stream can be made or read as it runs.

    `predictor` replaces the model's own tables by something stronger; both sides must use the same.
    """

    def __init__(self, entropy: EntropyModel, predictor: Predictor | None = None) -> None:
        self.entropy = entropy
        self._predictor: Predictor = predictor or entropy

    def encode_packet(self, units: ArrayLike, f0: ArrayLike, index: int) -> bytes:
        """Packet number `index` as it stands in the stream: length, check, payload.

        units is (rows, n) with 1 <= n <= packet_frames, f0 is (m,) with the m that n unit frames can have. Only a stream's
        last packet may be shorter than the model's packet_frames. Raises InvalidCodes.
        """
        return frame_payload(self.encode_payload(units, f0), index)

    def decode_packet(
        self, packet: bytes, frames: int, f0_frames: int, index: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Inverse of `encode_packet`: units (rows, frames) and f0 (f0_frames,). Raises Damaged naming the packet."""
        payload = parse_packet(packet, index, self.entropy.spec.max_payload)
        try:
            return self.decode_payload(payload, frames, f0_frames)
        except Damaged as error:
            raise Damaged(f"packet {index} is damaged: {error}", packet=index) from error

    def encode_payload(self, units: ArrayLike, f0: ArrayLike) -> bytes:
        """The range coder's bytes for units (rows, n) and f0 (m,), unframed. Raises InvalidCodes."""
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self.entropy.spec.check_packet_shape(units.shape[1], len(f0))
        self.entropy.check_symbols(units, f0)
        return self._encode(units, f0)

    def decode_payload(self, payload: bytes, frames: int, f0_frames: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Inverse of `encode_payload`. Raises Damaged unless `payload` is exactly what that gives for some codes."""
        spec = self.entropy.spec
        spec.check_packet_shape(frames, f0_frames)
        if len(payload) > spec.max_payload:
            raise Damaged(f"a payload of {len(payload)} bytes; the model never needs more than {spec.max_payload}")
        rows = len(spec.rows)
        symbols = decode(payload, rows * frames + f0_frames, self._predictor.predict(frames, f0_frames), spec.max_payload)
        units, f0 = self.entropy.plan(frames, f0_frames).restore(symbols, rows)
        # Many byte strings decode to the same codes and one of them is written: anything else did not come from a writer.
        if self._encode(units, f0) != payload:
            raise Damaged("the payload is not in canonical form")
        return units, f0

    def _encode(self, units: NDArray[np.int32], f0: NDArray[np.int32]) -> bytes:
        frames, f0_frames = units.shape[1], len(f0)
        symbols = self.entropy.plan(frames, f0_frames).order(units, f0).tolist()
        return encode(symbols, self._predictor.predict(frames, f0_frames))
