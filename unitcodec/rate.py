"""The promised rate, kept for every file: a packet that would be too large is given cheaper codes.

Most packets are coded by the nearest values. One that passes its share of the budget is coded again, each value chosen for
``distance^2 + lambda * bits`` under the entropy model (rate-distortion optimized quantization), with the smallest lambda of
a fixed ladder that fits. The format knows nothing of it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bitstream import EntropyModel
from bitstream.spec import F0, stream_title

IntArray = NDArray[np.int32]

LADDER = tuple(0.01 * 1.5**k for k in range(30))

FRAMING = 3
"""Bytes of a packet's length and check; packets never grow past the 127 bytes where it becomes 4."""

CODER_BITS = 3.0
"""What the range coder may add to the sum of -log2 p, bits a packet; rounding up to bytes comes on top."""


def packet_bytes(frames: int, packet_frames: int = 64) -> int:
    """Most bytes that a packet of so many 40 ms frames may have, framing included.

    A file of T seconds has 23 bytes of header and may have 365 / 8 * T bytes. With 103 bytes for a full packet that holds
    for every T >= 5; a last, short packet has a little more than its share, since its framing is as long as any other's.
    """
    return int(1.61 * frames + 4.5 * (1 - frames / packet_frames))


class RateLimit:
    """Keeps packets within :func:`packet_bytes`."""

    def __init__(self, entropy: EntropyModel) -> None:
        self.entropy = entropy
        self.spec = entropy.spec

    @cached_property
    def _bits(self) -> list[NDArray[np.float64]]:
        """-log2 p of every row's symbols, (contexts, alphabet)."""
        tables = [self.entropy.tables[stream_title(row)] for row in range(len(self.spec.rows))]
        return [self.spec.precision - np.log2(table.reshape(-1, table.shape[-1])) for table in tables]

    def apply(self, values: NDArray[np.float64], units: IntArray, f0: IntArray) -> IntArray:
        """Units for one packet.

        Args:
            values: (rows, n), what was rounded, on the scale of the codes.
            units: (rows, n), the nearest codes.
            f0: (m,), the packet's F0 codes.

        Returns:
            ``units`` if they fit, else others that do.
        """
        budget = 8 * (packet_bytes(units.shape[1], self.spec.packet_frames) - FRAMING) - CODER_BITS
        for weight in LADDER:
            if sum(self.entropy.packet_cost(units, f0).values()) <= budget:
                break
            units = self._choose(values, f0, weight)
        return units

    def _choose(self, values: NDArray[np.float64], f0: IntArray, weight: float) -> IntArray:
        """Row by row and frame by frame, each choice given the ones made."""
        rows, frames = values.shape
        chosen = np.zeros((rows, frames), np.int32)
        ratio = self.spec.f0_hop // self.spec.unit_hop
        distance = [(np.arange(row.alphabet) - values[i][:, None]) ** 2 for i, row in enumerate(self.spec.rows)]
        for t in range(frames):
            for i, row in enumerate(self.spec.rows):
                cell = 0
                for other, lag in row.context:
                    alphabet = self.spec.stream(other).alphabet
                    position = (t // ratio if other == F0 else t) - lag
                    symbol = alphabet if position < 0 else int(f0[position] if other == F0 else chosen[int(other), position])
                    cell = cell * (alphabet + (lag > 0)) + symbol
                chosen[i, t] = np.argmin(distance[i][t] + weight * self._bits[i][cell])
        return chosen
