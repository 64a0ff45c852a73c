"""The promised rate, kept for every file: a packet that would be too large is given cheaper codes.

Most packets are coded by the nearest values. One that passes its share of the budget is coded again, each value chosen for
``distance^2 + lambda * bits`` under the entropy model (rate-distortion optimized quantization), with the smallest lambda of
a fixed ladder that fits. The format knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bitstream import EntropyModel
from bitstream.batch import Batch
from bitstream.spec import F0

IntArray = NDArray[np.int32]

LADDER = tuple(0.01 * 1.5**k for k in range(30))

FULL_PAYLOAD, LEAST_PAYLOAD = 99, 3
"""Most bytes of payload that a full packet and one of a single frame may have."""

CODER_BITS = 3.0
"""What the range coder may add to the sum of -log2 p, bits a packet; rounding up to bytes comes on top."""


def payload_bytes(frames: int, packet_frames: int = 64) -> int:
    """Most bytes that the payload of a packet of so many 40 ms frames may have.

    A file of T seconds may have 365 / 8 * T bytes: 20 of header, 3 beside each full packet's payload, and 6 beside that of a
    last, short one. With 99 bytes for a full packet that holds for every T >= 5; a short one has a little more than its share,
    so that even a single frame can say something.
    """
    return LEAST_PAYLOAD + (FULL_PAYLOAD - LEAST_PAYLOAD) * (frames - 1) // (packet_frames - 1)


class RateLimit:
    """Keeps packets within :func:`payload_bytes`."""

    def __init__(self, entropy: EntropyModel) -> None:
        self.entropy = entropy
        self.spec = entropy.spec

    def apply(self, distances: Sequence[NDArray[np.float64]], f0: IntArray) -> IntArray:
        """Units for one packet.

        Args:
            distances: for each codebook row (n, alphabet), how far every code is from what it stands for.
            f0: (m,), the packet's F0 codes.

        Returns:
            (rows, n) the nearest codes if they fit, else others that do.
        """
        units = np.stack([row.argmin(axis=1) for row in distances]).astype(np.int32)
        budget = 8 * payload_bytes(units.shape[1], self.spec.packet_frames) - CODER_BITS
        if sum(self.entropy.packet_cost(units, f0).values()) <= budget:
            return units
        choices, bits = self._choices(distances, units, f0)
        fits = np.flatnonzero(bits <= budget)
        return choices[:, fits[0] if len(fits) else -1]

    def _choices(
        self, distances: Sequence[NDArray[np.float64]], units: IntArray, f0: IntArray
    ) -> tuple[IntArray, NDArray[np.float64]]:
        """(rows, ladder, n) units and (ladder,) bits of their packets, each symbol chosen given those before it."""
        weights = np.array(LADDER)
        batch = Batch.of_packets([(units, f0)] * len(weights))
        lanes, everyone = self.entropy.lanes(batch), np.arange(len(weights))
        total = np.zeros(len(weights))
        for name, position, count in batch.steps(self.spec):
            bits = self.spec.precision - np.log2(lanes.frequencies(name, position, count))
            symbols = batch.symbols(name)[:, position]
            if name != F0:
                symbols[:] = (distances[int(name)][position] + weights[:, None] * bits).argmin(axis=1)
            total += bits[everyone, symbols]
        return batch.units, total
