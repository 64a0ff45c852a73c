"""The packet coder: 2.56 s of codes on their own, decodable without any other packet.

Any number of packets side by side, each with the bytes that it has alone: a step codes one symbol of every packet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.arrays import IntArray
from bitstream.codes import as_codes
from bitstream.entropy.batch import Batch, Codes, in_groups
from bitstream.entropy.model import Bits, EntropyModel, by_packet, intervals
from bitstream.entropy.rangecoder import Decoders, Distribution, FewDecoders, canonical_tail, encode, shortest_tail
from bitstream.errors import Damaged
from bitstream.stream.header import VERSION

Given = Sequence[tuple[bytes, tuple[int, int]]]
"""Payloads, and how many frames and F0 frames each holds."""


class PacketCoder:
    """Codes <-> the payloads of packets, with no state in between, so that a stream can be made or read as it runs.

    Several packets together give the bytes that they give alone, and take less time.
    """

    def __init__(self, entropy: EntropyModel, version: int = VERSION) -> None:
        """`version` is the stream's: payloads of version 1 end otherwise."""
        self.entropy = entropy
        self._tail = shortest_tail if version == 1 else canonical_tail

    def encode_payload(self, units: ArrayLike, f0: ArrayLike) -> bytes:
        """The range coder's bytes for units (rows, n) and f0 (m,), unframed.

        1 <= n <= packet_frames, and m is what n unit frames can have. Raises InvalidCodes.
        """
        return self.encode_payloads([(units, f0)])[0]

    def encode_payloads(self, packets: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[bytes]:
        """The same for each of several packets. Raises InvalidCodes."""
        checked = [self._checked(*packet) for packet in packets]
        return in_groups(self._encoded, checked, [units.shape[1] for units, _ in checked])

    def decode_payload(self, payload: bytes, frames: int, f0_frames: int) -> tuple[IntArray, IntArray]:
        """Inverse of `encode_payload`. Raises Damaged unless `payload` is exactly what that gives for some codes."""
        found = self.decode_payloads([payload], [(frames, f0_frames)])[0]
        if isinstance(found, Damaged):
            raise found
        return found

    def decode_payloads(
        self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
    ) -> list[tuple[IntArray, IntArray] | Damaged]:
        """Of each payload and (frames, F0 frames) the codes, or what `decode_payload` would raise."""
        return in_groups(self._codes, self._given(payloads, shapes), [frames for frames, _ in shapes])

    def encode_after(self, before: Sequence[tuple[Distribution, int]], units: ArrayLike, f0: ArrayLike) -> bytes:
        """One payload of symbols that have distributions of their own, and of a packet behind them. Raises InvalidCodes."""
        first = [(sum(distribution.frequencies[:symbol]), distribution.frequencies[symbol]) for distribution, symbol in before]
        edges = self._edges(Batch.of_packets(self.entropy.spec, [self._checked(units, f0)]))[..., 0]
        edges = np.concatenate([np.array(first, dtype=np.int64).reshape(-1, 2).T, edges], axis=1)
        return encode(edges, self.entropy.spec.precision, self._tail)

    def decode_after(
        self, before: Sequence[Distribution], payload: bytes, frames: int, f0_frames: int
    ) -> tuple[list[int], tuple[IntArray, IntArray]]:
        """Inverse of `encode_after`; zero bytes may follow the payload. Raises Damaged."""
        batch = Batch(self.entropy.spec, [(frames, f0_frames)], alone=True)
        decoder, lanes = FewDecoders([payload], self.entropy.spec.precision), self.entropy.lanes(batch)
        # What is certain is not coded.
        values = [decoder.symbols([each])[0][0] if len(each.frequencies) > 1 else 0 for each in before]
        for name, position, count in batch.steps():
            batch.write(name, position, decoder.symbols(lanes.few(name, position, count))[0])
        written = decoder.written(self._tail)[0]
        if written is None or written.ljust(len(payload), b"\0") != payload:
            raise Damaged("the payload is no output of the range coder")
        return values, batch.packets()[0]

    def decodes(self, payload: bytes, frames: int, f0_frames: int) -> bool:
        """Whether `decode_payload` gives something."""
        return not isinstance(self.decode_payloads([payload], [(frames, f0_frames)])[0], Damaged)

    def payload_bits(
        self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]
    ) -> list[dict[int | str, float] | Damaged]:
        """Of each payload and (frames, F0 frames) the bits by stream (row or "f0"), or what `decode_payload` would raise."""
        return in_groups(self._spent, self._given(payloads, shapes), [frames for frames, _ in shapes])

    def _checked(self, units: ArrayLike, f0: ArrayLike) -> Codes:
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self.entropy.spec.check_packet_shape(units.shape[1], len(f0))
        self.entropy.check_symbols(units, f0)
        return units, f0

    def _given(self, payloads: Sequence[bytes], shapes: Sequence[tuple[int, int]]) -> Given:
        for shape in shapes:
            self.entropy.spec.check_packet_shape(*shape)
        return list(zip(payloads, shapes, strict=True))

    def _encoded(self, packets: Sequence[Codes]) -> list[bytes]:
        batch, precision = Batch.of_packets(self.entropy.spec, packets), self.entropy.spec.precision
        edges = self._edges(batch)
        return batch.restored([encode(edges[..., lane], precision, self._tail) for lane in range(len(packets))])

    def _edges(self, batch: Batch) -> NDArray[np.int64]:
        """(2, steps, packets) left edges and widths; a width of 0 where a packet has no such symbol."""
        edges = np.zeros((2, len(batch.plan.steps), len(batch.order)), dtype=np.int64)
        for name, positions, left, width in intervals(self.entropy, batch):
            edges[:, batch.plan.number[name][positions], : left.shape[1]] = left, width
        return edges

    def _codes(self, given: Given) -> list[Codes | Damaged]:
        batch, _, problems = self._decoded(given)
        return [problem or packet for problem, packet in zip(problems, batch.packets(), strict=True)]

    def _spent(self, given: Given) -> list[Bits | Damaged]:
        batch, frequencies, problems = self._decoded(given)
        sums = {name: np.zeros(len(given)) for name in self.entropy.spec.names}
        for (name, _, count), own in zip(batch.steps(), frequencies, strict=False):
            sums[name][:count] += self.entropy.spec.precision - np.log2(own)
        return [problem or bits for problem, bits in zip(problems, by_packet(batch, sums), strict=True)]

    def _decoded(self, given: Given) -> tuple[Batch, list[list[int] | NDArray[np.int64]], list[Damaged | None]]:
        """The batch, step by step the frequencies of its symbols and, in the order given, what is wrong with each payload."""
        spec = self.entropy.spec
        batch = Batch(spec, [shape for _, shape in given], alone=len(given) == 1)
        # One that is longer is none, and need not be looked at to its end.
        payloads = [given[index][0][: spec.max_payload + 1] for index in batch.order]
        few, lanes = len(given) <= self.entropy.few, self.entropy.lanes(batch)
        decoder: Decoders | FewDecoders = FewDecoders(payloads, spec.precision) if few else Decoders(payloads, spec.precision)
        ask: Callable[[int | str, int, int], Any] = lanes.few if few else lanes.frequencies
        decode, write, frequencies = decoder.symbols, batch.write, []
        for step, (name, position, count) in enumerate(batch.steps()):
            symbols, own = decode(ask(name, position, count))
            write(name, position, symbols)
            frequencies.append(own)
            # Payloads of version 2 are no shorter than what their symbols take: none is left that could be one.
            if step % 16 == 15 and self._tail is canonical_tail and decoder.overrun():
                break
        written = zip(given, batch.restored(decoder.written(self._tail)), strict=True)
        return batch, frequencies, [_problem(payload, again) for (payload, _), again in written]


def _problem(payload: bytes, written: bytes | None) -> Damaged | None:
    if written is None:
        return Damaged("the payload is no output of the range coder")
    return None if written == payload else Damaged("the payload is not in canonical form")
