"""The packet coder: any number of packets side by side, each with the bytes that it has alone.

A step codes one symbol of every packet; a single packet is a batch of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.entropy.batch import Batch, IntArray
from bitstream.entropy.rangecoder import Decoders, Distribution, FewDecoders, Tail, encode, near
from bitstream.entropy.spec import EntropySpec
from bitstream.errors import Damaged

T = TypeVar("T")
G = TypeVar("G")
Packet = tuple[IntArray, IntArray]
Bits = dict[int | str, float]

LANES = 256
"""Packets that run side by side: more need more memory and gain nothing."""

BLOCK = 2**11
"""Frames, times packets, whose frequencies are worked out together where all symbols are known."""


class Lanes(Protocol):
    """Packets side by side, asked symbol by symbol in coding order."""

    def frequencies(self, name: int | str, position: int, count: int) -> NDArray[np.int64]:
        """(count, alphabet) frequencies of symbol `position` of stream `name` in the first `count` packets.

        What was coded before it must stand in the batch that the lanes were made with.
        """
        ...

    def few(self, name: int | str, position: int, count: int) -> list[Distribution]:
        """The same, one distribution a packet: quicker where packets are few."""
        ...

    def block(self, name: int | str, positions: range, frames: range) -> NDArray[np.int64]:
        """(positions, n, alphabet) frequencies where the batch is full already, of the symbols that begin in ``frames``.

        Of the packets that have the first of the frames; where one of them ends within, its frequencies mean nothing.
        Blocks follow each other from frame 0 on.
        """
        ...


class Predictor(Protocol):
    """What the packet coder asks of an entropy model."""

    spec: EntropySpec
    few: int

    def lanes(self, batch: Batch) -> Lanes:
        """What comes next in the packets of a batch, which is filled as coding goes on."""
        ...


def encode_packets(model: Predictor, packets: Sequence[Packet], tail: Tail = near) -> list[bytes]:
    """The payload of each packet, units (rows, n) and f0 (m,), inside their alphabets."""
    return _in_groups(lambda part: _encode(model, part, tail), packets, _lengths(packets))


def decode_packets(
    model: Predictor, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]], tail: Tail = near
) -> list[Packet | Damaged]:
    """Inverse of `encode_packets`: of each payload and (frames, F0 frames), the codes, or why there are none."""
    given = list(zip(payloads, shapes, strict=True))
    return _in_groups(lambda part: _decode(model, part, tail), given, [frames for frames, _ in shapes])


def payload_bits(
    model: Predictor, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]], tail: Tail = near
) -> list[Bits | Damaged]:
    """What `packet_bits` says of the codes of payloads, from the frequencies met in decoding them."""
    given = list(zip(payloads, shapes, strict=True))
    return _in_groups(lambda part: _spent(model, part, tail), given, [frames for frames, _ in shapes])


def packet_bits(model: Predictor, packets: Sequence[Packet]) -> list[Bits]:
    """-log2 of the frequencies, summed by stream, of each packet."""
    return _in_groups(lambda part: _bits(model, part), packets, _lengths(packets))


def _lengths(packets: Sequence[Packet]) -> list[int]:
    return [units.shape[1] for units, _ in packets]


def _in_groups(work: Callable[[list[G]], list[T]], given: Sequence[G], lengths: Sequence[int]) -> list[T]:
    """What `work` makes of the given, those of like length together, so that few lanes wait for others to end; in order."""
    # No threads of our own: those of the BLAS wait by turning in circles, and would take the cores that ours need.
    order = np.argsort(lengths, kind="stable").tolist()
    groups = (order[start : start + LANES] for start in range(0, len(order), LANES))
    made = {index: each for group in groups for index, each in zip(group, work([given[i] for i in group]), strict=True)}
    return [made[index] for index in range(len(given))]


def encode_after(model: Predictor, before: Sequence[tuple[Distribution, int]], packet: Packet) -> bytes:
    """One payload of symbols that have distributions of their own, and of a packet behind them."""
    first = [(sum(distribution.frequencies[:symbol]), distribution.frequencies[symbol]) for distribution, symbol in before]
    edges = _edges(model, Batch.of_packets([packet]))[..., 0]
    return encode(np.concatenate([np.array(first, np.int64).reshape(-1, 2).T, edges], axis=1), model.spec.precision)


def decode_after(
    model: Predictor, before: Sequence[Distribution], payload: bytes, shape: tuple[int, int]
) -> tuple[list[int], Packet]:
    """Inverse of `encode_after`; zero bytes may follow the payload. Raises Damaged."""
    batch = Batch.of_shapes(len(model.spec.rows), [shape])
    decoder = FewDecoders([payload], model.spec.precision)
    # What is certain is not coded.
    values = [decoder.symbols([each])[0][0] if len(each.frequencies) > 1 else 0 for each in before]
    lanes = model.lanes(batch)
    for name, position, count in batch.steps(model.spec):
        batch.symbols(name)[:count, position] = decoder.symbols(lanes.few(name, position, count))[0]
    if decoder.broken[0] or decoder.payloads(near)[0].ljust(len(payload), b"\0") != payload:
        raise Damaged("the payload is no output of the range coder")
    return values, batch.packets()[0]


def _encode(model: Predictor, packets: Sequence[Packet], tail: Tail) -> list[bytes]:
    batch = Batch.of_packets(packets)
    edges = _edges(model, batch)
    return batch.restored([encode(edges[..., lane], model.spec.precision, tail) for lane in range(len(packets))])


def _edges(model: Predictor, batch: Batch) -> NDArray[np.int64]:
    """(2, symbols, packets) left edges and widths, in coding order; a width of 0 where a packet has no such symbol."""
    number = {(name, position): step for step, (name, position, _) in enumerate(batch.steps(model.spec))}
    edges = np.zeros((2, len(number), len(batch.order)), dtype=np.int64)
    for name, positions, has, chosen, frequencies in _known(model, batch):
        upper = np.take_along_axis(np.cumsum(frequencies, axis=-1), chosen, axis=-1)[..., 0]
        width = np.take_along_axis(frequencies, chosen, axis=-1)[..., 0]
        rows = [number[name, position] for position in positions]
        edges[:, rows, : has.shape[1]] = (upper - width) * has, width * has
    return edges


def _decode(model: Predictor, given: Sequence[tuple[bytes, tuple[int, int]]], tail: Tail) -> list[Packet | Damaged]:
    batch, _, problems = _decoded(model, given, tail)
    return [problem or packet for problem, packet in zip(problems, batch.packets(), strict=True)]


def _spent(model: Predictor, given: Sequence[tuple[bytes, tuple[int, int]]], tail: Tail) -> list[Bits | Damaged]:
    batch, found, problems = _decoded(model, given, tail)
    sums = {name: np.zeros(len(given)) for name in model.spec.names}
    for name, frequencies in found:
        bits = model.spec.precision - np.log2(frequencies)
        sums[name][: len(bits)] += bits
    return [problem or mine for problem, mine in zip(problems, _by_packet(batch, sums), strict=True)]


def _bits(model: Predictor, packets: Sequence[Packet]) -> list[Bits]:
    batch = Batch.of_packets(packets)
    sums = {name: np.zeros(len(packets)) for name in model.spec.names}
    for name, _, has, chosen, frequencies in _known(model, batch):
        own = np.take_along_axis(frequencies, chosen, axis=-1)[..., 0]
        sums[name][: has.shape[1]] += ((model.spec.precision - np.log2(own)) * has).sum(axis=0)
    return _by_packet(batch, sums)


def _by_packet(batch: Batch, sums: dict[int | str, NDArray[np.float64]]) -> list[Bits]:
    return batch.restored([dict(zip(sums, map(float, own), strict=True)) for own in zip(*sums.values(), strict=True)])


def _known(
    model: Predictor, batch: Batch
) -> Iterator[tuple[int | str, range, NDArray[np.bool_], NDArray[np.intp], NDArray[np.int64]]]:
    """Of a full batch, block by block: stream, positions, which of the packets that are not yet over have each of them (k, n),
    symbols (k, n, 1), and frequencies (k, n, alphabet).
    """
    lanes, spec = model.lanes(batch), model.spec
    block = max(1, BLOCK // len(batch.order))
    for start in range(0, batch.units.shape[2], block):
        frames = range(start, min(start + block, batch.units.shape[2]))
        count = batch.lanes(start)
        for name in spec.names:
            positions = batch.positions(spec, name, frames)
            if len(positions) and spec.stream(name).alphabet > 1:
                has = np.array(positions)[:, None] < batch.counts(name)[:count]
                chosen = batch.symbols(name)[:count, positions.start : positions.stop].T[..., None].astype(np.intp)
                yield name, positions, has, chosen, lanes.block(name, positions, frames)


def _decoded(
    model: Predictor, given: Sequence[tuple[bytes, tuple[int, int]]], tail: Tail
) -> tuple[Batch, list[tuple[int | str, ArrayLike]], list[Damaged | None]]:
    """The batch, step by step the frequencies of its symbols and, in the order given, what is wrong with each payload."""
    spec = model.spec
    batch = Batch.of_shapes(len(spec.rows), [shape for _, shape in given])
    # One that is longer is none, and need not be looked at to its end.
    payloads = [given[index][0][: spec.max_payload + 1] for index in batch.order]
    decoder = (FewDecoders if len(given) <= model.few else Decoders)(payloads, spec.precision)
    lanes, symbols = model.lanes(batch), {name: batch.symbols(name) for name in spec.names}
    found: list[tuple[int | str, ArrayLike]] = []
    for step, (name, position, count) in enumerate(batch.steps(spec)):
        coded: tuple[ArrayLike, ArrayLike]
        if isinstance(decoder, FewDecoders):
            coded = decoder.symbols(lanes.few(name, position, count))
        else:
            coded = decoder.symbols(lanes.frequencies(name, position, count))
        symbols[name][:count, position] = coded[0]
        found.append((name, coded[1]))
        # Payloads of version 2 are no shorter than what their symbols take: none is left that could be one.
        if tail is near and step % 8 == 7 and decoder.overrun().all():
            break
    problems: list[Damaged | None] = []
    written, broken = batch.restored(decoder.payloads(tail)), batch.restored(decoder.broken.tolist())
    for (payload, _), again, bad in zip(given, written, broken, strict=True):
        if bad:
            problems.append(Damaged("the payload is no output of the range coder"))
        else:
            problems.append(None if again == payload else Damaged("the payload is not in canonical form"))
    return batch, found, problems
