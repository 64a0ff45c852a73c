"""Part of a stream: what lies around it is not decoded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile, islice, takewhile

from bitstream import Packet, PacketReader
from bitstream.stream.reader import TOGETHER


def packets_between(reader: PacketReader, first: int, stop: int | None) -> Iterator[Packet]:
    """The packets first .. stop - 1 of a stream that nothing was read of yet; None: up to its end.

    Those before are checked, those behind are not even read. Raises what the reader does.
    """
    slots = reader.slots() if stop is None else takewhile(lambda slot: slot.index < stop, reader.slots())
    wanted = dropwhile(lambda slot: slot.index < first, slots)
    while together := list(islice(wanted, TOGETHER)):
        yield from reader.decode(together)
