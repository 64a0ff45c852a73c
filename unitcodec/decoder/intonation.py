"""Units alone -> F0 codes: intonation where none is given, from what the entropy model expects.

The entropy model tells how likely each F0 code is, given the F0 codes and units before it in its packet. The most probable one
is taken at each step, F0 code by F0 code, packet by packet: the intonation that costs least at each step, which is flatter
than speech's own.
"""

from __future__ import annotations

import numpy as np

from bitstream import EntropyModel, InvalidCodes
from bitstream.arrays import IntArray
from bitstream.entropy.batch import Batch, packet_of
from bitstream.entropy.spec import F0

TOGETHER = 64
"""Packets worked on side by side."""


def fill_f0(entropy: EntropyModel, units: IntArray, num_samples: int) -> IntArray:
    """The most probable F0 code at each step, given the units and the codes before it; the first code where two are equal.

    Integers decide, so the same units give the same codes everywhere.

    Args:
        entropy: the model that the units are codes of.
        units: (rows, frames).
        num_samples: length of the waveform, samples at 16 kHz; it tells how many F0 codes there are.

    Returns:
        (f0_frames,) int32.

    Raises:
        bitstream.InvalidCodes: units outside their alphabets, or more or fewer than the samples make.
    """
    spec = entropy.spec
    frames, f0_frames, packets = spec.frames(num_samples)
    entropy.check_symbols(units, np.zeros(0, np.int32))
    if units.shape[1] != frames:
        raise InvalidCodes(f"{num_samples} samples make {frames} unit frames; {units.shape[1]} are given")
    f0 = np.zeros(f0_frames, np.int32)
    parts = [packet_of(spec, units, f0, index) for index in range(packets)]
    filled = [part for first in range(0, packets, TOGETHER) for part in _fill(entropy, parts[first : first + TOGETHER])]
    return np.concatenate([f0[:0], *filled])


def _fill(entropy: EntropyModel, packets: list[tuple[IntArray, IntArray]]) -> list[IntArray]:
    """The F0 codes of packets of units and of room for them."""
    batch = Batch.of_packets(entropy.spec, packets)
    lanes = entropy.lanes(batch)
    for name, position, count in batch.steps():
        if name == F0:
            batch.write(F0, position, lanes.frequencies(F0, position, count).argmax(axis=1))
    return [f0 for _, f0 in batch.packets()]
