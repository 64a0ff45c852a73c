"""Many packets at once, with the very bytes that they would have one by one: each step codes one symbol of every packet."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.batch import Batch, IntArray
from bitstream.entropy import EntropyModel
from bitstream.errors import Damaged
from bitstream.rangecoder import CODER_PRECISION, Tail, encode_intervals, near
from bitstream.spec import F0

T = TypeVar("T")
G = TypeVar("G")
Packet = tuple[IntArray, IntArray]
Bits = dict[int | str, float]

LANES = 256
"""Packets that run side by side: more need more memory and gain nothing."""

FEW_LANES = 5
"""Up to so many packets are decoded by Python's own numbers."""

BLOCK = 2**11
"""Frames, times packets, whose frequencies are worked out together where all symbols are known."""


def encode_packets(entropy: EntropyModel, packets: Sequence[Packet]) -> list[bytes]:
    """The payload of each packet, units (rows, n) and f0 (m,), inside their alphabets."""
    return _in_groups(lambda part: _encode(entropy, part), packets, _lengths(packets))


def decode_packets(
    entropy: EntropyModel, tail: Tail, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
) -> list[Packet | Damaged]:
    """Inverse of `encode_packets`: of each payload and (frames, F0 frames), the codes, or why there are none."""
    given = list(zip(payloads, shapes, strict=True))
    return _in_groups(lambda part: _decode(entropy, tail, *zip(*part, strict=True)), given, [frames for frames, _ in shapes])


def payload_bits(
    entropy: EntropyModel, tail: Tail, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
) -> list[Bits | Damaged]:
    """What `packet_bits` says of the codes of payloads that end in `tail`, from the intervals met in decoding them."""
    given = list(zip(payloads, shapes, strict=True))
    lengths = [frames for frames, _ in shapes]
    return _in_groups(lambda part: _spent(entropy, tail, *zip(*part, strict=True)), given, lengths)


def packet_bits(entropy: EntropyModel, packets: Sequence[Packet]) -> list[Bits]:
    """-log2 of the frequencies, summed by stream, of each packet."""
    return _in_groups(lambda part: _bits(entropy, part), packets, _lengths(packets))


def _lengths(packets: Sequence[Packet]) -> list[int]:
    return [units.shape[1] for units, _ in packets]


def _in_groups(work: Callable[[list[G]], list[T]], given: Sequence[G], lengths: Sequence[int]) -> list[T]:
    """What `work` makes of the given, those of like length together, so that few lanes wait for others to end; in order."""
    # No threads of our own: those of the BLAS wait by turning in circles, and would take the cores that ours need.
    order = np.argsort(lengths, kind="stable").tolist()
    groups = (order[start : start + LANES] for start in range(0, len(order), LANES))
    made = {index: each for group in groups for index, each in zip(group, work([given[i] for i in group]), strict=True)}
    return [made[index] for index in range(len(given))]


def _encode(entropy: EntropyModel, packets: Sequence[Packet]) -> list[bytes]:
    batch = Batch.of_packets(packets)
    steps = list(batch.steps(entropy.spec))
    number = {(name, position): step for step, (name, position, _) in enumerate(steps)}
    edges = np.zeros((2, len(steps), len(batch.order)), dtype=np.int64)
    for name, first, has, frequencies in _known(entropy, batch):
        count = has.shape[1]
        chosen = batch.symbols(name)[:count, first : first + len(has)].T[..., None].astype(np.intp)
        upper = np.take_along_axis(np.cumsum(frequencies, axis=-1), chosen, axis=-1)[..., 0]
        width = np.take_along_axis(frequencies, chosen, axis=-1)[..., 0]
        rows = [number[name, position] for position in range(first, first + len(has))]
        edges[:, rows, :count] = (upper - width) * has, width * has
    return _restored(batch, _payloads(edges << CODER_PRECISION - entropy.spec.precision))


def _decode(
    entropy: EntropyModel, tail: Tail, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
) -> list[Packet | Damaged]:
    batch, _, problems = _decoded(entropy, tail, payloads, shapes)
    return [problem or packet for problem, packet in zip(problems, batch.packets(), strict=True)]


def _spent(
    entropy: EntropyModel, tail: Tail, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
) -> list[Bits | Damaged]:
    batch, widths, problems = _decoded(entropy, tail, payloads, shapes)
    spent = CODER_PRECISION - np.log2(np.where(widths, widths, 2**CODER_PRECISION))
    names = [name for name, _, _ in batch.steps(entropy.spec)]
    steps = {name: [step for step, other in enumerate(names) if other == name] for name in entropy.spec.names}
    bits = [{name: float(mine[steps[name]].sum()) for name in steps} for mine in spent.T]
    return [problem or mine for problem, mine in zip(problems, _restored(batch, bits), strict=True)]


def _decoded(
    entropy: EntropyModel, tail: Tail, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
) -> tuple[Batch, NDArray[np.int64], list[Damaged | None]]:
    """The batch, the widths of its symbols' intervals (steps, n) and, in the order given, what is wrong with each payload."""
    batch = Batch.of_shapes(len(entropy.spec.rows), shapes)
    make = _FewDecoders if len(payloads) <= FEW_LANES else _Decoders
    decoder = make([payloads[index] for index in batch.order], entropy.spec.precision)
    edges = _fill(entropy, batch, decoder, tail is near)
    # They are written again to compare, but for those that have more symbols than bytes.
    edges[:, :, decoder.overrun()] &= 0 if tail is near else -1
    written = _restored(batch, _payloads(edges, tail))
    broken = _restored(batch, decoder.broken.tolist())
    over = _restored(batch, (decoder.overrun() & (tail is near)).tolist())
    problems: list[Damaged | None] = []
    for payload, again, bad, short in zip(payloads, written, broken, over, strict=True):
        if bad:
            problems.append(Damaged("the payload is no output of the range coder"))
        else:
            problems.append(None if again == payload and not short else Damaged("the payload is not in canonical form"))
    return batch, edges[1], problems


def _bits(entropy: EntropyModel, packets: Sequence[Packet]) -> list[Bits]:
    batch = Batch.of_packets(packets)
    sums = {name: np.zeros(len(batch.order)) for name in entropy.spec.names}
    for name, first, has, frequencies in _known(entropy, batch):
        count = has.shape[1]
        chosen = batch.symbols(name)[:count, first : first + len(has)].T[..., None].astype(np.intp)
        own = np.take_along_axis(frequencies, chosen, axis=-1)[..., 0]
        sums[name][:count] += ((entropy.spec.precision - np.log2(own)) * has).sum(axis=0)
    ordered = _restored(batch, list(range(len(batch.order))))
    return [{name: float(values[lane]) for name, values in sums.items()} for lane in ordered]


def _known(entropy: EntropyModel, batch: Batch) -> Iterator[tuple[int | str, int, NDArray[np.bool_], NDArray[np.int64]]]:
    """Of a full batch, block by block: stream, first position, which of the packets that are not yet over have each position
    (k, n), and frequencies (k, n, alphabet).
    """
    lanes, spec = entropy.lanes(batch), entropy.spec
    block = max(1, BLOCK // len(batch.order))
    for start in range(0, batch.units.shape[2], block):
        frames = range(start, min(start + block, batch.units.shape[2]))
        for name in spec.names:
            positions = batch.positions(spec, name, frames)
            if len(positions) and spec.stream(name).alphabet > 1:
                counts = batch.f0_frames if name == F0 else batch.frames
                has = np.array(positions)[:, None] < counts[: batch.lanes(start)]
                yield name, positions.start, has, lanes.block(name, positions, frames)


def _fill(entropy: EntropyModel, batch: Batch, decoder: _Decoders | _FewDecoders, exact: bool) -> NDArray[np.int64]:
    """Fill the batch; left edges and widths, in units of 2**-24, of its symbols: (2, steps, n), width 0 after a packet's end.

    Where payloads are `exact`, no shorter than what their symbols take, this ends when none is left that could be one.
    """
    lanes = entropy.lanes(batch)
    steps = list(batch.steps(entropy.spec))
    edges = np.zeros((2, len(steps), len(batch.order)), dtype=np.int64)
    for step, (name, position, count) in enumerate(steps):
        found: tuple[ArrayLike, ArrayLike, ArrayLike]
        if isinstance(decoder, _FewDecoders):
            found = decoder.symbols(lanes.few_frequencies(name, position, count))
        else:
            found = decoder.symbols(lanes.frequencies(name, position, count))
        batch.symbols(name)[:count, position] = found[0]
        edges[:, step, :count] = found[1:]
        if exact and step % 8 == 7 and decoder.overrun().all():
            break
    return edges << (CODER_PRECISION - entropy.spec.precision)


def _payloads(edges: NDArray[np.int64], tail: Tail = near) -> list[bytes]:
    out = []
    for left, width in zip(*edges.transpose(0, 2, 1), strict=True):
        mine = width > 0
        out.append(encode_intervals(left[mine].tolist(), width[mine].tolist(), tail))
    return out


def _restored(batch: Batch, values: list[T]) -> list[T]:
    """Values of the batch's packets in the order in which they were given."""
    return [values[lane] for lane in np.argsort(batch.order).tolist()]


class _Decoders:
    """Range decoders side by side: docs/bitstream.md, section 3.3. `broken` says which met what no encoder writes."""

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        words = max(map(len, payloads)) // 4 + 3
        text = b"".join(payload.ljust(4 * words, b"\0") for payload in payloads)
        # The last word of each is 0, and is what follows it without end.
        self._words = np.frombuffer(text, dtype=">u4").reshape(-1, words).astype(np.uint64)
        self._at = np.full(len(payloads), 2)
        self._everyone = np.arange(len(payloads))
        self._ahead = self._words[:, 0] << np.uint64(32) | self._words[:, 1]
        self._width = np.full(len(payloads), 2**64 - 1, dtype=np.uint64)
        self._shift = np.uint64(CODER_PRECISION - precision)
        self.broken = np.zeros(len(payloads), dtype=bool)
        self._sizes = np.array([len(payload) for payload in payloads])

    def overrun(self) -> NDArray[np.bool_]:
        """(n,): the symbols so far take more bytes than the payload has; in version 1 it may yet be the right one."""
        return np.asarray(4 * (self._at - 2) > self._sizes)

    def symbols(self, frequencies: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
        """The next symbol of the first `count` packets, of frequencies (count, alphabet), left edge and width of its interval."""
        upper = np.cumsum(frequencies, axis=1)
        count = len(upper)
        everyone, ahead, width = self._everyone[:count], self._ahead[:count], self._width[:count]
        scale = width >> np.uint64(CODER_PRECISION)
        quantile = (ahead // scale) >> self._shift
        outside = quantile >= np.uint64(upper[0, -1])
        if outside.any():
            self.broken[:count] |= outside
            quantile[outside] = ahead[outside] = 0
        chosen = (upper <= quantile[:, None].astype(np.int64)).sum(axis=1)
        own = frequencies[everyone, chosen]
        left = upper[everyone, chosen] - own
        ahead -= scale * (left.astype(np.uint64) << self._shift)
        width[:] = scale * (own.astype(np.uint64) << self._shift)
        short = np.flatnonzero(width < np.uint64(2**32))
        if len(short):
            at = self._at[short]
            ahead[short] = ahead[short] << np.uint64(32) | self._words[short, np.minimum(at, self._words.shape[1] - 1)]
            width[short] <<= np.uint64(32)
            self._at[short] = at + 1
        return chosen, left, own


class _FewDecoders:
    """The same for a few packets, whose numbers are Python's own: calls of NumPy would take longer than the work."""

    def __init__(self, payloads: Sequence[bytes], precision: int) -> None:
        self._words = [[*struct.unpack(f">{len(p) // 4 + 2}I", p.ljust(4 * (len(p) // 4 + 2), b"\0"))] for p in payloads]
        self._at = [2] * len(payloads)
        self._ahead = [words[0] << 32 | words[1] for words in self._words]
        self._width = [2**64 - 1] * len(payloads)
        self._shift = CODER_PRECISION - precision
        self._sizes = [len(payload) for payload in payloads]
        self.broken = np.zeros(len(payloads), dtype=bool)

    def overrun(self) -> NDArray[np.bool_]:
        return np.array([4 * (at - 2) > size for at, size in zip(self._at, self._sizes, strict=True)])

    def symbols(self, frequencies: list[list[int]]) -> tuple[list[int], list[int], list[int]]:
        found = [self._symbol(lane, mine) for lane, mine in enumerate(frequencies)]
        chosen, left, width = map(list, zip(*found, strict=True))
        return chosen, left, width

    def _symbol(self, lane: int, frequencies: list[int]) -> tuple[int, int, int]:
        scale, upper = self._width[lane] >> CODER_PRECISION, list(accumulate(frequencies))
        symbol = bisect_right(upper, self._ahead[lane] // scale >> self._shift)
        if symbol == len(upper):
            self.broken[lane], self._ahead[lane] = True, 0
            symbol = 0
        own = frequencies[symbol]
        left = upper[symbol] - own
        ahead, width = self._ahead[lane] - scale * (left << self._shift), scale * (own << self._shift)
        if width < 2**32:
            words, at = self._words[lane], self._at[lane]
            ahead, width = ahead << 32 | (words[at] if at < len(words) else 0), width << 32
            self._at[lane] = at + 1
        self._ahead[lane], self._width[lane] = ahead, width
        return symbol, left, own
