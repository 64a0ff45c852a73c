"""The packets of codes, and of a part of a stream: what lies around it is not decoded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile, islice, takewhile

import numpy as np

from bitstream import EntropySpec, Packet, PacketReader, SpeechCodes
from bitstream.stream.reader import TOGETHER


def packets_of(codes: SpeechCodes, spec: EntropySpec) -> Iterator[Packet]:
    """The packets that codes make; what is lost of them is said by ``codes.lost``."""
    lost = np.zeros(codes.units.shape[1], bool)
    for start, stop in codes.lost:
        lost[start:stop] = True
    for index in range(spec.frames(codes.num_samples)[2]):
        first, first_f0 = index * spec.packet_frames, index * spec.packet_f0_frames
        units = codes.units[:, first : first + spec.packet_frames]
        f0 = codes.f0[first_f0 : first_f0 + spec.packet_f0_frames]
        yield Packet(units, f0, first, bool(lost[first : first + spec.packet_frames].all()))


def packets_between(reader: PacketReader, first: int, stop: int | None) -> Iterator[Packet]:
    """The packets first .. stop - 1 of a stream that nothing was read of yet; None: up to its end.

    Those before are checked, those behind are not even read. Raises what the reader does.
    """
    slots = reader.slots() if stop is None else takewhile(lambda slot: slot.index < stop, reader.slots())
    wanted = dropwhile(lambda slot: slot.index < first, slots)
    while together := list(islice(wanted, TOGETHER)):
        yield from reader.decode(together)
