"""The packets of codes, and of a part of a stream: what lies around it is not decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import dropwhile, islice, pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from bitstream import EntropySpec, Packet, PacketReader, SpeechCodes
from bitstream.entropy.spec import SAMPLE_RATE
from bitstream.stream.reader import TOGETHER

from .concealment import Past, conceal


def packets_of(codes: SpeechCodes, spec: EntropySpec) -> Iterator[Packet]:
    """The packets that codes make, parted where ``codes.lost`` begins and ends: all of a part is lost, or nothing."""
    ratio, frames, lost = spec.f0_hop // spec.unit_hop, codes.units.shape[1], _lost(codes)
    borders = np.unique([*range(0, frames, spec.packet_frames), *np.flatnonzero(np.diff(lost)) + 1, frames]).tolist()
    for start, stop in pairwise(borders):
        f0 = codes.f0[-(-start // ratio) : -(-stop // ratio)]
        yield Packet(codes.units[:, start:stop], f0, start, bool(lost[start]))


def without_holes(codes: SpeechCodes, spec: EntropySpec) -> SpeechCodes:
    """The codes with those in the place of what is lost that are spoken there; how loud, they do not say."""
    past = Past(np.zeros(len(spec.rows), np.int32))
    ratio, frame_rate = spec.f0_hop // spec.unit_hop, SAMPLE_RATE / spec.unit_hop
    units, f0, _ = conceal(codes.units, codes.f0, _lost(codes), ratio, frame_rate, past)
    return replace(codes, units=units, f0=f0, lost=())


def _lost(codes: SpeechCodes) -> NDArray[np.bool_]:
    """Which unit frames are lost, (frames,)."""
    lost = np.zeros(codes.units.shape[1], bool)
    for start, stop in codes.lost:
        lost[start:stop] = True
    return lost


def packets_between(reader: PacketReader, first: int, stop: int | None) -> Iterator[Packet]:
    """The packets first .. stop - 1 of a stream that nothing was read of yet; None: up to its end.

    Those before are checked, those behind are not even read. Raises what the reader does.
    """
    slots = reader.slots() if stop is None else takewhile(lambda slot: slot.index < stop, reader.slots())
    wanted = dropwhile(lambda slot: slot.index < first, slots)
    while together := list(islice(wanted, TOGETHER)):
        yield from reader.decode(together)
