"""The promised rate, kept for every file, and any lower one that is asked for: cheaper codes where the nearest cost too much.

Scalar codes get coarser (:class:`unitcodec.quantize.SteppedFSQ`, or row by row :func:`unitcodec.steps.coarser`): a packet
takes the finest rung of the ladder that fits. Other codes, which have no order, are chosen one by one for ``distance^2 +
lambda * bits`` under the entropy model (rate-distortion optimized quantization), with a lambda from a fixed ladder. The format
knows nothing of either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from bitstream import EntropyModel, EntropySpec
from bitstream.arrays import IntArray
from bitstream.entropy.batch import Batch
from bitstream.entropy.model import intervals
from bitstream.entropy.spec import F0, SAMPLE_RATE
from bitstream.stream.framing import frame_payload, frame_stream

from ..content.rungs import Candidates, Rungs

Tried = tuple[int, IntArray, float]
"""A rung of a packet, units that may be its, and their bits."""

CAP = 365
"""Bit/s that no file of 5 s or more passes, everything included."""

LADDER = tuple(0.01 * 1.5**k for k in range(30))
"""Weights of a bit against a squared distance, which is 1 from a code to its neighbour."""

TARGET_RUNGS = 22
"""Of the ladder; beyond, codes only get worse."""

RUNGS_TOGETHER = 4
"""Of a packet that is too large so many are tried at once; nearly all of them fit within the first four."""

FULL_PAYLOAD, LATER_PAYLOAD, LEAST_PAYLOAD = 104, 113, 3
"""Bytes of payload: of the first two packets, less half of the speaker code; of a later packet; of a single frame."""

CODER_BITS = 3.0
"""What the range coder may add to the sum of -log2 p, bits a packet; rounding up to bytes comes on top."""

MEAN_CODER_BITS = 2.7
"""What it adds on average, rounding up to bytes included."""

HEADER, FRAMING = len(frame_stream("00000000", b"", [])), len(frame_payload(b"", 0))
"""Bytes of a stream besides its packets and speaker code, and of a full packet besides its payload."""

MOST_SAVED = 99
"""Bytes that a packet may have more than its share, where earlier ones had less."""

HORIZON = 10.0
"""Seconds in which what was spent too much, or left over, is made good."""

TOLERANCE = 0.05
"""Of a rate that was asked for: further off, it was not reached."""


def payload_bytes(spec: EntropySpec, frames: int, packet: int = 0) -> int:
    """The share in bytes of the payload of a stream's packet number ``packet``, of so many unit frames.

    A file of T seconds may have CAP / 8 * T bytes: 10 of header and the speaker code, 3 beside each full packet's payload, and 6
    beside that of a last, short one. The first two packets pay for the header, so that it holds for every T >= 5; later ones
    have nearly all that CAP gives. A short one has a little more than its share, so that even a single frame can say
    something.
    """
    full = LATER_PAYLOAD if packet >= 2 else FULL_PAYLOAD - (spec.speaker_bytes + 1) // 2
    return LEAST_PAYLOAD + (full - LEAST_PAYLOAD) * (frames - 1) // (spec.packet_frames - 1)


class Allowance:
    """What the next packet's payload may have: :func:`payload_bytes`, and what earlier packets left over of theirs.

    So all packets up to any one together have no more than their shares, and speech after a pause need not do with less.
    """

    def __init__(self, spec: EntropySpec) -> None:
        self.spec = spec
        self._saved = self._packets = 0

    @property
    def state(self) -> list[int]:
        """What comes next depends on this; :meth:`restore` takes it."""
        return [self._saved, self._packets]

    def restore(self, state: Sequence[int]) -> None:
        """Go on from a ``state``. Raises TypeError or ValueError for what is none."""
        saved, packets = map(int, state)
        if not 0 <= saved <= MOST_SAVED or packets < 0:
            raise ValueError("what is left over is no number of bytes, or after no number of packets")
        self._saved, self._packets = saved, packets

    def bits(self, units: IntArray) -> float:
        """Most that the codes of a packet (..., n) may cost, as the sum of -log2 p."""
        return 8 * (payload_bytes(self.spec, units.shape[-1], self._packets) + self._saved) - CODER_BITS

    def share(self, frames: int, later: int) -> float:
        """The same of ``frames`` unit frames, so many packets later, if nothing will be left over: they may have no less."""
        return 8 * payload_bytes(self.spec, frames, self._packets + later) - CODER_BITS

    def spend(self, units: IntArray, bits: float) -> None:
        """The packet is sent, and cost so much."""
        left = self.bits(units) + CODER_BITS - 8 * math.ceil((bits + CODER_BITS) / 8)
        self._saved = min(MOST_SAVED, max(0, int(left) // 8))
        self._packets += 1


class RateLimit:
    """Keeps packets within their :class:`Allowance`; most are coded by the nearest values and need nothing."""

    def __init__(self, entropy: EntropyModel) -> None:
        self.entropy = entropy
        self.allowance = Allowance(entropy.spec)

    @property
    def state(self) -> dict[str, Any]:
        """What the next packets depend on, fit for JSON; :meth:`restore` takes it."""
        return {"allowance": self.allowance.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``. Raises KeyError, TypeError or ValueError for what is none."""
        if len(state) > 1:
            raise ValueError("it has a rate that was asked for")
        self.allowance.restore(state["allowance"])

    def apply(self, candidates: Candidates, f0: IntArray) -> IntArray:
        """Units for the stream's next packet.

        Args:
            candidates: what may be sent of its n unit frames.
            f0: (m,), the packet's F0 codes.

        Returns:
            (rows, n) the nearest codes if they fit, else others that do.
        """
        return self.apply_each([(candidates, f0)])[0]

    def apply_each(self, packets: Sequence[tuple[Candidates, IntArray]]) -> list[IntArray]:
        """:meth:`apply` of packets that follow each other; what they need the costs of is found side by side."""
        possible = [each.possible(0) if isinstance(each, Rungs) else [nearest(each)] for each, _ in packets]
        bits = _bits(self.entropy, [(units, f0) for (_, f0), found in zip(packets, possible, strict=True) for units in found])
        taken = iter(bits.tolist())
        costs = [[next(taken) for _ in found] for found in possible]
        tried = self._tried(packets, possible, costs)
        return [
            self._apply(*packet, found[0], cost, tried.get(index, []))
            for index, (packet, found, cost) in enumerate(zip(packets, possible, costs, strict=True))
        ]

    def _tried(
        self, packets: Sequence[tuple[Candidates, IntArray]], possible: Sequence[list[IntArray]], costs: Sequence[list[float]]
    ) -> dict[int, list[Tried]]:
        """By their numbers, coarser codes of packets whose nearest ones, ``possible`` at these ``costs``, take more than their
        share. Few of these fit all the same, into what others left over."""
        large = [
            (index, candidates, f0)
            for index, (candidates, f0) in enumerate(packets)
            if isinstance(candidates, Rungs) and min(costs[index]) > self.allowance.share(possible[index][0].shape[-1], index)
        ]
        rungs = [range(1, min(RUNGS_TOGETHER, len(candidates))) for _, candidates, _ in large]
        found = _costed(self.entropy, [(*each[1:], part) for each, part in zip(large, rungs, strict=True)])
        return {index: each for (index, _, _), each in zip(large, found, strict=True)}

    def _apply(
        self, candidates: Candidates, f0: IntArray, units: IntArray, costs: list[float], tried: Sequence[Tried]
    ) -> IntArray:
        """:meth:`apply` where the nearest codes, ``units`` or others with one other code, cost so much, and the first coarser
        ones, if they are ``tried``."""
        allowed, cost = self.allowance.bits(units), min(costs)
        if len(costs) > 1 and cost <= allowed:
            units = nearest(candidates)
            cost = float(_bits(self.entropy, [(units, f0)])[0])
        if cost > allowed:
            units, cost = finest(self.entropy, candidates, f0, allowed, 1, tried)
        self.allowance.spend(units, cost)
        return units


class RateTarget:
    """Brings a stream to so many bit/s, everything included, as far as the codes have room; the nearest codes are the most.

    From packet to packet, with nothing known of what follows: a packet gets the rung, or the lambda, with which the last packets,
    this one most of all, would have come nearest to the rate that makes good within :data:`HORIZON` what was spent too much or
    too little.
    """

    def __init__(self, entropy: EntropyModel, bitrate: SupportsFloat, limited: bool = True) -> None:
        """``limited``: packets keep to their :class:`Allowance` too.

        Raises ValueError unless ``bitrate`` is a number above 0, of any type.
        """
        self.entropy, self.bitrate = entropy, above_zero(bitrate)
        self.allowance = Allowance(entropy.spec) if limited else None
        self._spent, self._seconds = 8.0 * (HEADER + entropy.spec.speaker_bytes), 0.0
        self._least = self._most = self._spent  # what the cheapest codes of all packets would have cost, and the nearest
        self._recent: NDArray[np.float64] = np.zeros(1)  # as long as there are candidates, from the first packet on
        self._recent_seconds = 0.0

    @property
    def state(self) -> dict[str, Any]:
        """As :attr:`RateLimit.state`. Floats keep their last bit in JSON."""
        sums = (self._spent, self._least, self._most, self._seconds, self._recent_seconds)
        allowance = None if self.allowance is None else self.allowance.state
        return {"allowance": allowance, "sums": [float(each) for each in sums], "recent": self._recent.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """As :meth:`RateLimit.restore`."""
        if self.allowance is not None:
            self.allowance.restore(state["allowance"])
        sums, recent = np.array(state["sums"], np.float64), np.array(state["recent"], np.float64)
        if sums.shape != (5,) or recent.ndim != 1 or not len(recent) or not np.isfinite([*sums, *recent]).all():
            raise ValueError("sums are five numbers, and recent ones a row")
        self._spent, self._least, self._most, self._seconds, self._recent_seconds = sums.tolist()
        self._recent = recent

    def apply(self, candidates: Candidates, f0: IntArray) -> IntArray:
        """As :meth:`RateLimit.apply`, of the stream's next packet."""
        found, bits = choices(self.entropy, candidates, f0, (0.0, *LADDER[:TARGET_RUNGS]))
        sizes = bits + MEAN_CODER_BITS + 8.0 * FRAMING
        seconds = found.shape[2] * self.entropy.spec.unit_hop / SAMPLE_RATE
        fading = 1 / (1 + seconds / HORIZON)  # not exp, of which libraries differ in the last bit
        self._recent = fading * self._recent + sizes
        self._recent_seconds = fading * self._recent_seconds + seconds
        allowed = (self.bitrate * (self._seconds + HORIZON) - self._spent) / HORIZON
        error = np.abs(self._recent - min(allowed * self._recent_seconds, self._recent[0]))
        if self.allowance and (large := bits > self.allowance.bits(found)).any():
            error[large] = np.inf if not large.all() else bits[large]
        chosen = int(error.argmin())
        self._spent += sizes[chosen]
        self._least += sizes[np.isfinite(error)].min()
        self._most += sizes[np.isfinite(error)].max()
        self._seconds += seconds
        if self.allowance:
            self.allowance.spend(found, float(bits[chosen]))
        return found[:, chosen]

    def apply_each(self, packets: Sequence[tuple[Candidates, IntArray]]) -> list[IntArray]:
        """:meth:`apply` of packets that follow each other."""
        return [self.apply(*packet) for packet in packets]

    def missed(self, num_samples: int) -> str | None:
        """What a stream that is complete has reached, and why it is not the rate that was asked for; None if it is."""
        reached, least, most = (SAMPLE_RATE * bits / num_samples for bits in (self._spent, self._least, self._most))
        if abs(reached - self.bitrate) <= TOLERANCE * self.bitrate:
            return None
        if self.bitrate < least:
            why = f"header and cheapest codes of this speech take {least:.0f}"
        elif self.bitrate > most:
            why = f"its nearest codes take no more, and no stream from 5 s on more than {CAP}"
        else:
            why = "it is met within a minute, and this is shorter"
        return f"{self.bitrate:g} bit/s asked for, about {reached:.0f} reached: {why}"


def above_zero(bitrate: SupportsFloat) -> float:
    """A rate as a plain float: a NumPy number or a tensor would make every sum one of its kind.

    Raises ValueError for what is none.
    """
    try:
        # Text and truth values turn into numbers as well, but nobody means them to.
        rate = math.nan if isinstance(bitrate, (str, bytes, bool, np.bool_)) else float(bitrate)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise ValueError(f"bitrate is {bitrate!r:.40}; it must be a number of bit/s above 0, 250 for instance")
    return rate


def finest(
    entropy: EntropyModel,
    candidates: Candidates,
    f0: IntArray,
    allowed: float,
    first: int = 0,
    tried: Sequence[Tried] = (),
) -> tuple[IntArray, float]:
    """Units (rows, n) and bits of the first of the :func:`choices` that takes ``allowed`` bits at most; of the last if none does.

    A packet seldom needs more than a few rungs, so they are tried a few at a time, from rung ``first`` on if those before are
    known to take more. ``tried``: what is known of the first few.
    """
    if isinstance(candidates, Rungs):
        return _finest_rung(entropy, candidates, f0, allowed, first, tried)
    found, bits = choices(entropy, candidates, f0)
    fits = np.flatnonzero(bits <= allowed)
    chosen = fits[0] if len(fits) else -1
    return found[:, chosen], float(bits[chosen])


def _finest_rung(
    entropy: EntropyModel, candidates: Rungs, f0: IntArray, allowed: float, first: int, tried: Sequence[Tried]
) -> tuple[IntArray, float]:
    last = len(candidates) - 1
    for stop in range(RUNGS_TOGETHER, last + 1 + RUNGS_TOGETHER, RUNGS_TOGETHER):
        rungs = range(max(min(first, last), stop - RUNGS_TOGETHER), min(stop, last + 1))
        costed = tried or _costed(entropy, [(candidates, f0, rungs)])[0]
        tried = ()
        for rung in rungs:
            of_rung = [(units, cost) for number, units, cost in costed if number == rung]
            if rung == last or min(cost for _, cost in of_rung) <= allowed:
                # Only here it matters which of two it is.
                sent, cost = of_rung[0]
                if len(of_rung) > 1:
                    sent = candidates[rung]
                    cost = float(_bits(entropy, [(sent, f0)])[0])
                if rung == last or cost <= allowed:
                    return sent, cost
    raise AssertionError("the last rung is always taken")


def _costed(entropy: EntropyModel, packets: Sequence[tuple[Rungs, IntArray, range]]) -> list[list[Tried]]:
    """Of each packet what may be sent of some rungs."""
    possible = [[(rung, units) for rung in rungs for units in candidates.possible(rung)] for candidates, _, rungs in packets]
    pairs = zip(packets, possible, strict=True)
    bits = iter(_bits(entropy, [(units, f0) for (_, f0, _), found in pairs for _, units in found]).tolist() if packets else [])
    return [[(rung, units, next(bits)) for rung, units in found] for found in possible]


def choices(
    entropy: EntropyModel, candidates: Candidates, f0: IntArray, ladder: Sequence[float] = LADDER
) -> tuple[IntArray, NDArray[np.float64]]:
    """(rows, choices, n) units and (choices,) bits of their packets, from the nearest to the cheapest.

    Of scalar codes these are the rungs; of others as many as there are weights in ``ladder``, each symbol chosen given those
    before it.
    """
    if isinstance(candidates, Rungs):
        rungs = [candidates[rung] for rung in range(len(candidates))]
        return np.stack(rungs, 1), _bits(entropy, [(units, f0) for units in rungs])
    weights = np.array(ladder)

    def choose(row: int, position: int, bits: NDArray[np.float64]) -> NDArray[np.int64]:
        return (candidates[row][position] + weights[:, None] * bits).argmin(axis=1)

    return _coded(entropy, [nearest(candidates)] * len(weights), f0, choose)


def nearest(candidates: Candidates) -> IntArray:
    """(rows, n)"""
    if isinstance(candidates, Rungs):
        return candidates[0]
    return np.stack([row.argmin(axis=1) for row in candidates]).astype(np.int32)


def _bits(entropy: EntropyModel, packets: Sequence[tuple[IntArray, IntArray]]) -> NDArray[np.float64]:
    """(packets,) bits of packets with units (rows, n) and F0 codes (m,)."""
    batch, whole = Batch.of_packets(entropy.spec, packets), 2**entropy.spec.precision
    total = np.zeros(len(packets))
    for _, _, _, widths in intervals(entropy, batch):
        total[batch.order[: widths.shape[1]]] += _cost(entropy.spec, np.where(widths, widths, whole)).sum(axis=0)
    return total


def _cost(spec: EntropySpec, frequencies: NDArray[np.int64]) -> NDArray[np.float64]:
    # Multiples of 2^-20: sums are exact, and NumPy's logarithm, the last bit of which depends on the processor, is too.
    cost: NDArray[np.float64] = spec.precision - np.rint(np.log2(frequencies) * 2**20) / 2**20
    return cost


def _coded(
    entropy: EntropyModel,
    packets: Sequence[IntArray],
    f0: IntArray,
    choose: Callable[[int, int, NDArray[np.float64]], NDArray[np.int64]],
) -> tuple[IntArray, NDArray[np.float64]]:
    """Units (rows, choices, n) and bits of packets side by side, of which ``choose`` takes the units."""
    batch = Batch.of_packets(entropy.spec, [(units, f0) for units in packets])
    lanes, everyone = entropy.lanes(batch), np.arange(len(packets))
    total = np.zeros(len(packets))
    for name, position, count in batch.steps():
        bits = _cost(entropy.spec, lanes.frequencies(name, position, count))
        symbols = batch.symbols(name)[position]
        if name != F0:
            symbols[:] = choose(int(name), position, bits)
        total += bits[everyone, symbols]
    return np.stack([batch.symbols(row).T for row in range(len(entropy.spec.rows))]), total
