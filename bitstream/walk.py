"""Where packets lie in a stream, and how to go on after damage. Needs no model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bitstream.errors import Damaged, TrailingBytes, Truncated
from bitstream.framing import MAX_RECORD, MIN_PACKET, Layout, Record, parse_record
from bitstream.source import Source
from bitstream.spec import EntropySpec

MAX_GAP = 16
"""Packets that may be missing before the last bytes of a stream, and be damaged while their lengths are trusted: with a check
alone for evidence, more would often be chance."""


@dataclass(frozen=True)
class Found:
    """A record in a stream, or a hole where there should be some.

    Attributes:
        index: number of the packet; of an end, the number of packets before it.
        offset, size: first byte, and bytes with the framing. A hole's reach to where sound bytes begin.
        payload: None for an end and for whatever has a problem.
        samples: of a short last packet, what it covers; of an end, what it takes off the last packet.
        last: the stream ends with this.
        problem: what is wrong; None for a sound record.
        count: packets that this stands for: 0 for an end, and for bytes that belong to no packet.
    """

    index: int
    offset: int
    size: int
    payload: bytes | None = None
    samples: int | None = None
    last: bool = False
    problem: Damaged | None = None
    count: int = 1

    def shape(self, index: int, layout: Layout, spec: EntropySpec) -> tuple[int, int]:
        """(unit frames, F0 frames) of packet `index`, one of those that this stands for."""
        if layout.num_samples is not None:
            return spec.packet_shape(layout.num_samples, index)
        samples = self.samples if index + 1 == self.index + self.count else None
        return spec.packet_shape(samples or spec.packet_samples, 0)

    def stream_samples(self, spec: EntropySpec) -> int:
        """Samples of a stream of version 2 that ends with this, or right before it if this is no end."""
        if not self.last or self.samples is None:
            return self.index * spec.packet_samples
        if not self.count:
            return self.index * spec.packet_samples - self.samples
        return (self.index + self.count - 1) * spec.packet_samples + self.samples


def find_record(source: Source, index: int, layout: Layout, ahead: int = 0) -> Found:
    """What lies `ahead` bytes on, taken as record `index`; nothing is stepped over and nothing raised."""
    at = source.offset + ahead
    record = parse_record(source, ahead, layout)
    if record is None:
        left = len(source.peek(MAX_RECORD, ahead))
        text = f"packet {index}, at byte {at}, is cut short: the stream ends at byte {at + left}"
        if not left:
            text = f"the stream is cut short: it ends at byte {at}, where packet {index} or the end should be"
        return Found(index, at, left, problem=Truncated(text, packet=index, offset=at), count=int(left > 0))
    if isinstance(record, str):
        why, found = record, Found(index, at, 0)
    else:
        is_packet = record.payload is not None
        last = record.last or index + 1 == layout.total
        found = Found(index, at, record.size, record.payload, record.samples, last, count=int(is_packet))
        if record.number != index & 0xFFFF:
            why = "its check does not match"
        elif not is_packet and record.samples and not index:
            why = "there is no packet that it could shorten"
        else:
            return found
    what = f"packet {index}" if found.count else "the end of the stream"
    problem = Damaged(f"{what}, at byte {at}, is damaged: {why}", packet=index, offset=at)
    return replace(found, payload=None, problem=problem)


def walk(source: Source, layout: Layout, resync: bool = True) -> Iterator[Found]:
    """Every record of a stream whose header was read; steps over what it yields, and ends after what is `last`.

    After damage the walk goes on, unless `resync` is off, at the next place where a sound record, followed by another or by
    the end of the bytes, tells its own number; what lies between is a hole. If the last thing yielded is not `last`, the
    stream's end is damaged or missing. Without a model, a stream of version 1 ends where its bytes do.
    """
    index = 0
    while layout.total is None or index < layout.total:
        if layout.version == 1 and layout.total is None and not source.peek(1):
            return
        found = find_record(source, index, layout)
        if found.problem is None:
            source.skip(found.size)
        elif resync:
            found = _hole(source, found, layout)
        yield found
        index += found.count
        if found.last or (found.problem is not None and not (resync and source.peek(1))):
            return


def strict_walk(source: Source, layout: Layout) -> Iterator[Found]:
    """Every record of a stream whose header was read. Raises Damaged, Truncated or TrailingBytes where it is not sound."""
    for found in walk(source, layout, resync=False):
        if found.problem is not None:
            raise found.problem
        yield found
    if source.peek(1):
        raise TrailingBytes(f"the stream ends at byte {source.offset} but more bytes follow", offset=source.offset)


def _hole(source: Source, bad: Found, layout: Layout) -> Found:
    """Step over damage, to the next sound record or, if there is none, to the end of the bytes."""
    led = _by_lengths(source, bad, layout)
    size = 0
    # Where the next record is not where it should be, a length is wrong: a sound record may begin anywhere.
    while source.peek(1) and (led is None or (size < led.size and led.count > 1)):
        claimed = _claimed(source, bad.index, layout)
        if claimed is not None and (size or claimed > bad.index):
            return Found(bad.index, bad.offset, size, problem=bad.problem, count=claimed - bad.index)
        source.skip(1)
        size += 1
    if led is not None:
        source.skip(led.size - size)
        return led
    if layout.total is None:
        return Found(bad.index, bad.offset, size, problem=bad.problem, count=bad.count)
    return Found(bad.index, bad.offset, size, last=True, problem=bad.problem, count=layout.total - bad.index)


def _by_lengths(source: Source, bad: Found, layout: Layout) -> Found | None:
    """The hole up to where the lengths of damaged records lead: to a sound one, or to a last packet that ends with the bytes."""
    ahead = 0
    for index in range(bad.index, bad.index + MAX_GAP + 1):
        found = find_record(source, index, layout, ahead)
        if found.problem is None:
            return Found(bad.index, bad.offset, ahead, problem=bad.problem, count=index - bad.index)
        if not found.size or isinstance(found.problem, Truncated):
            return None
        if found.last and (not found.count or source.peek(1, ahead + found.size)):
            return None
        if found.last and _claimed(source, bad.index, layout, ahead) is None:
            count = index + 1 - bad.index
            return Found(bad.index, bad.offset, ahead + found.size, None, found.samples, True, bad.problem, count)
        ahead += found.size
    return None


def _claimed(source: Source, index: int, layout: Layout, ahead: int = 0) -> int | None:
    """The number, at least `index`, of a record that begins `ahead` bytes on; None unless something speaks for it.

    A check of 16 bits matches by chance once in 65536 places, so a record found by searching counts only with a witness: the
    next record, or the end of the bytes if no more than MAX_GAP packets are missing before it. And no stream has more packets
    than its bytes have room for.
    """
    record = parse_record(source, ahead, layout)
    if not isinstance(record, Record):
        return None
    claimed = index + (record.number - index & 0xFFFF)
    if claimed * MIN_PACKET > source.offset + ahead or (layout.total is not None and claimed >= layout.total):
        return None
    if not source.peek(1, ahead + record.size):
        return claimed if claimed - index <= MAX_GAP or claimed + 1 == layout.total else None
    if record.last or find_record(source, claimed + 1, layout, ahead + record.size).problem is not None:
        return None
    return claimed
