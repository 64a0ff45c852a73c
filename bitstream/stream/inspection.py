"""A stream looked through: its facts, packet by packet, and what they spend their bits on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

from bitstream.entropy.find import find_entropy_model
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.spec import F0
from bitstream.errors import UnknownModel
from bitstream.live.stream import LiveReader, inspect_live, is_live
from bitstream.stream.framing import Layout
from bitstream.stream.header import read_header
from bitstream.stream.info import PacketInfo, StreamInfo
from bitstream.stream.packet import PacketCoder
from bitstream.stream.reader import TOGETHER, Limit, open_stream, refuse_claims
from bitstream.stream.source import Data, Source
from bitstream.stream.walk import Found, walk

LOOKED = 256
"""Packets that `inspect` decodes before it begins to leave out some: 11 minutes in the reference model."""

_CURES = ("of a file Path(path).read_bytes()", "of an array array.tobytes()")


def inspect(data: Data, entropy: EntropyModel | None = None, max_seconds: float | None = None, whole: bool = False) -> StreamInfo:
    """A stream's facts, without decoding where no entropy model is given or installed.

    Of a long stream, from about 10 minutes on, only some packets are decoded unless the `whole` is asked for, fewer and fewer
    with its length; the checks of all are verified.

    Damage to packets is reported in the result. Raises NotUnitcodec, UnsupportedVersion, or Damaged and Truncated for the
    header; Damaged for more than MAX_FORGED packets that no writer gives; UnknownModel only if `entropy` is given and is another
    model's; TooLong for a stream that `max_seconds`, as for PacketReader, does not allow; TypeError for what is no bytes.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"inspect takes a stream's bytes, not {type(data).__name__}; {_CURES[hasattr(data, 'tobytes')]}")
    if is_live(bytes(memoryview(data)[:3])):
        data = bytes(data)
        entropy = entropy or find_entropy_model(LiveReader(io.BytesIO(data)).model)
        return inspect_live(data, entropy, Limit(entropy.spec, max_seconds))
    source = Source(data)
    try:
        header, entropy = open_stream(source, entropy)
    except UnknownModel:
        if entropy is not None:
            raise
        source = Source(data)
        header = read_header(source)
    coder = None if entropy is None else PacketCoder(entropy, header.version)
    spec = None if entropy is None else entropy.spec
    layout = Layout(header.version, spec, header.num_samples, None if coder is None else coder.decodes)
    refuse_claims(source, layout)
    limit = Limit(spec, max_seconds)
    look = None if coder is None else _Look(coder, layout, limit, whole)
    packets: list[PacketInfo] = []
    last, stray = None, 0
    for last in walk(source, layout):
        if last.problem is not None:
            limit.lose(last.index, max(1, last.count))
            stray += 0 if last.count else last.size
        elif look is not None and last.payload is not None:
            look.take(last)
        limit.check((last.index + last.count - 1) * limit.packet_samples + 1)
        if last.count == 1:  # nearly always, and there may be hundreds of thousands
            packets.append(PacketInfo(last.index, last.offset, last.size, last.problem is None))
        else:
            packets.extend(_packet_infos(last))
    num_samples = layout.num_samples
    if layout.version > 1 and spec is not None and last is not None:
        num_samples = last.stream_samples(spec)
    limit.check(num_samples or 0)
    complete = last is None or last.last or (header.version == 1 and last.problem is None)
    size, bits = len(memoryview(data).cast("B")), None
    if look is not None:
        look.tell(packets)
        if complete and all(packet.ok for packet in packets):
            bits = look.bits(8 * size, 8 * len(header.speaker), 8 * sum(packet.size for packet in packets))
    return StreamInfo(
        header.version,
        header.model,
        num_samples,
        size,
        header.size,
        tuple(packets),
        trailing=size - source.offset,
        stray=stray,
        complete=complete,
        speaker=None if entropy is None else tuple(entropy.unpack_speaker(header.speaker).tolist()),
        bits=bits,
    )


def _packet_infos(found: Found) -> Iterator[PacketInfo]:
    """One for each packet that a record or a hole stands for."""
    for i in range(found.count):
        offset, size = (found.offset, found.size) if i == 0 else (found.offset + found.size, 0)
        yield PacketInfo(found.index + i, offset, size, found.problem is None)


class _Look:
    """The packets of a stream that are decoded: all of the first LOOKED, then one of 2, of 4 and so on; all, if `whole`."""

    def __init__(self, coder: PacketCoder, layout: Layout, limit: Limit, whole: bool) -> None:
        self._coder, self._layout, self._limit, self._whole = coder, layout, limit, whole
        self._waiting: list[Found] = []
        self._spent: dict[int, tuple[int, dict[str, float] | None]] = {}  # of a packet: how many it stands for, and its bits
        self._stride, self._left = 1, LOOKED

    def take(self, found: Found) -> None:
        """Look at a sound packet, if it is one of those. Raises Damaged where too many prove not to be sound after all."""
        if found.index % self._stride == 0:
            self._waiting.append(found)
            if len(self._waiting) == TOGETHER:
                self._decode()

    def _decode(self) -> None:
        waiting, self._waiting = self._waiting, []
        shapes = [found.shape(found.index, self._layout, self._coder.entropy.spec) for found in waiting]
        for found, each in zip(
            waiting, self._coder.payload_bits([found.payload or b"" for found in waiting], shapes), strict=True
        ):
            if isinstance(each, dict):
                bits = {"units": sum(each.values()) - each[F0], "f0": each[F0]}
                self._spent[found.index] = self._stride, bits
                self._left -= 1
            else:
                self._spent[found.index] = self._stride, None
                self._limit.forge(found.index, found.offset)
        if self._left <= 0 and not self._whole:
            self._stride, self._left = 2 * self._stride, LOOKED // 8

    def tell(self, packets: list[PacketInfo]) -> None:
        """Write into `packets` what was found."""
        self._decode()
        for index, (_, bits) in self._spent.items():
            packet = packets[index]
            if bits is None:
                packets[index] = replace(packet, ok=False)
            else:
                packets[index] = replace(packet, bits={**bits, "framing": 8 * packet.size - sum(bits.values())})
        self._sizes = {index: 8 * packets[index].size for index in self._spent}

    def bits(self, whole: int, speaker: float, packets: float) -> dict[str, float]:
        """By stream, of all: `whole` bits, of which so many the speaker's and the packets'."""
        told = [(stands, self._sizes[index], bits) for index, (stands, bits) in self._spent.items() if bits is not None]
        scale = packets / (sum(stands * size for stands, size, _ in told) or 1) if self._stride > 1 else 1
        bits = {name: scale * sum(stands * each[name] for stands, _, each in told) for name in ("units", "f0")}
        bits["speaker"] = speaker
        bits["framing"] = whole - sum(bits.values())
        return bits
