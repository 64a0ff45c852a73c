"""Where packets lie in a stream, and how to go on after damage. Needs no model."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bitstream.entropy.spec import EntropySpec
from bitstream.errors import Damaged, TrailingBytes, Truncated
from bitstream.stream.framing import LONG, MAX_RECORD, SPREAD, Layout, Record, parse_record
from bitstream.stream.header import CRC_START
from bitstream.stream.search import REACH, places
from bitstream.stream.source import Source

MAX_GAP = 16
"""Packets that may be missing before the last bytes of a stream, and be damaged while their lengths are trusted: with a check
alone for evidence, more would often be chance."""
MAX_GAP_BEFORE_END = 4
"""The same before an end, which has no payload that could bear it out."""
WITNESS = 2**12
"""A record that is found further on than so many places times packets that it claims are missing needs two more to follow it."""
WINDOW = 2**16
"""Bytes that are searched at once; of a pipe, those that are at hand."""
MAX_LENGTH = 0x7F
"""In version 1, that a byte can hold."""
_NEAR = 64
"""Bytes that are looked at one by one first: most damage is short."""

_HEADS = [crc_hqx(bytes([length]), CRC_START) for length in range(LONG)]


@dataclass(slots=True)
class Found:
    """A record in a stream, or a hole where there should be some.

    Attributes:
        index: number of the packet; of an end, the number of packets before it.
        offset, size: first byte, and bytes with the framing. A hole's reach to where sound bytes begin.
        payload: None for an end and for whatever has a problem.
        samples: of a short last packet, what it covers; of an end, what it takes off the last packet. None for what has a
            problem: a number whose check does not match is not used.
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
        if not self.last:
            return self.index * spec.packet_samples
        if self.samples is None:
            return (self.index + self.count) * spec.packet_samples
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
    return replace(found, payload=None, samples=None, problem=problem)


def walk(source: Source, layout: Layout, resync: bool = True) -> Iterator[Found]:
    """Every record of a stream whose header was read; steps over what it yields, and ends after what is `last`.

    After damage the walk goes on, unless `resync` is off, at the next place where a sound record tells its own number and what
    follows bears it out; what lies between is a hole. If the last thing yielded is not `last`, the
    stream's end is damaged or missing. Without a model, a stream of version 1 ends where its bytes do.
    """
    index = 0
    while layout.total is None or index < layout.total:
        if layout.version == 1 and layout.total is None and not source.peek(1):
            return
        for found in _full_packets(source, index, layout):
            yield found
            index += 1
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


def _full_packets(source: Source, index: int, layout: Layout) -> Iterator[Found]:
    """Sound packets from here on, up to what takes a closer look: streams in memory are nearly all of such."""
    data, first = source.data, layout.version == 1
    most, spread = min(MAX_LENGTH if first else LONG - 1, layout.max_payload), 1 if first else SPREAD
    if data is None or (first and layout.total is None):
        return  # where version 1 ends only its model can say
    at, size = source.offset, len(data)
    while at + 3 <= size and data[at] <= most and index + 1 != layout.total:
        length, payload = data[at], bytes(data[at + 3 : at + 3 + data[at]])
        check = crc_hqx(payload, _HEADS[length]) ^ data[at + 1] << 8 ^ data[at + 2]
        if check != index * spread & 0xFFFF or len(payload) < length:
            return
        source.skip(3 + length)
        yield Found(index, at, 3 + length, payload)
        index, at = index + 1, at + 3 + length


def _hole(source: Source, bad: Found, layout: Layout) -> Found:
    """Step over damage, to the next sound record or, if there is none, to the end of the bytes."""
    led = _by_lengths(source, bad, layout)
    # Where the next record is not where it should be, a length is wrong: a sound record may begin anywhere.
    size, claimed = 0, None
    if led is None or led.count > 1:
        size, claimed = _search(source, bad, layout, None if led is None else led.size)
    if claimed is not None:
        return Found(bad.index, bad.offset, size, problem=bad.problem, count=claimed - bad.index)
    if led is not None:
        source.skip(led.size - size)
        return led
    if layout.total is None:
        return Found(bad.index, bad.offset, size, problem=bad.problem, count=bad.count)
    return Found(bad.index, bad.offset, size, last=True, problem=bad.problem, count=layout.total - bad.index)


def _search(source: Source, bad: Found, layout: Layout, limit: int | None) -> tuple[int, int | None]:
    """Step over bytes, `limit` at most, up to a record that speaks for itself; how many these are, and its number, if any."""
    passed = 0
    while limit is None or passed < limit:
        window = 1 if passed < _NEAR else max(1, source.at_hand(WINDOW) - REACH) if source.is_pipe else WINDOW
        window = window if limit is None else min(window, limit - passed)
        data = source.peek(window if window == 1 else window + REACH)
        if not data:
            break
        for ahead in [0] if window == 1 else places(data, window, len(data) < window + REACH, layout):
            claimed = _claimed(source, bad, layout, ahead, passed + ahead)
            if claimed is not None and (passed + ahead or claimed > bad.index):
                source.skip(ahead)
                return passed + ahead, claimed
        window = min(window, len(data))
        source.skip(window)
        passed += window
    return passed, None


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
        if found.last and _claimed(source, bad, layout, ahead, ahead) is None:
            count = index + 1 - bad.index
            return Found(bad.index, bad.offset, ahead + found.size, last=True, problem=bad.problem, count=count)
        ahead += found.size
    return None


def _claimed(source: Source, bad: Found, layout: Layout, ahead: int, passed: int) -> int | None:
    """The number of a record that begins `ahead` bytes on, `passed` bytes behind record `bad`; None unless it is borne out.

    A check of 16 bits matches by chance once in 65536 places, so a record found by searching counts only with a witness. That
    is the next record; two of them, or the end of the bytes behind it, where the place is far or the gap is wide. Where the
    bytes end with the record itself, that it decodes is one, if no more than MAX_GAP packets are missing before it, or if it
    is all that there is.
    """
    record = parse_record(source, ahead, layout)
    if not isinstance(record, Record):
        return None
    gap = record.number - bad.index & 0xFFFF
    claimed, after = bad.index + gap, ahead + record.size
    if layout.total is not None and claimed >= layout.total:
        return None
    # One that was there before, repeated.
    if gap >= 2**15 and claimed >= 2**16:
        return None
    follower = find_record(source, claimed + 1, layout, after)
    if isinstance(follower.problem, Truncated):
        near = gap <= (MAX_GAP_BEFORE_END if record.payload is None else MAX_GAP) or claimed + 1 == layout.total
        if near and not follower.size:
            return claimed if _decodes(record, claimed, layout, False) else None
        alone = bad.index == passed == 0 and (layout.headless or not (record.last or follower.size))
        return claimed if alone and _decodes(record, claimed, layout, True) else None
    if record.last or follower.problem is not None:
        return None
    if (gap + 1) * (passed + 1) <= WITNESS or not source.peek(1, after + follower.size):
        return claimed
    return claimed if find_record(source, claimed + 2, layout, after + follower.size).problem is None else None


def _decodes(record: Record, index: int, layout: Layout, required: bool) -> bool:
    """Whether a packet's payload is one that the model writes; unless that is `required`, True where nothing can tell."""
    if record.payload is None or layout.decodes is None or layout.spec is None:
        return not required
    shape = Found(index, 0, 0, record.payload, record.samples, record.last).shape(index, layout, layout.spec)
    return layout.decodes(record.payload, *shape)
