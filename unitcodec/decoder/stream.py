"""Packets of a stream -> its samples, in memory that does not grow with duration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from bitstream import Packet
from bitstream.arrays import IntArray
from bitstream.entropy.spec import SAMPLE_RATE

from ..arrays import FloatArray
from ..fields import Fields
from ..frames import level_gain
from .concealment import Past, conceal, frames_ahead, gain_curve

if TYPE_CHECKING:
    from ..configuration import Described

PIECE = 4
"""Packets decoded at once: about 10 s."""


class Voice(Protocol):
    """What speaks the codes of a stream, whatever computes it; NumPy in and out."""

    @property
    def context(self) -> int:
        """Unit frames to each side that a piece has to be given."""
        ...

    def speak(self, units: IntArray, f0: IntArray, low: int, begin: int, end: int) -> FloatArray:
        """Units (rows, n) from unit frame ``low`` of the stream on, F0 codes (m,) -> their samples [begin, end), (k,)."""
        ...

    def skip(self, samples: int, f0: int) -> None:
        """So many are silent and not spoken; their F0 code is ``f0`` throughout."""
        ...


class Piece(NamedTuple):
    """Units (rows, n), F0 codes (m,) and gains (n,) from unit frame ``low`` of a stream on; wanted are samples [begin, end)."""

    units: IntArray
    f0: IntArray
    gain: FloatArray
    low: int
    begin: int
    end: int

    @property
    def silent(self) -> bool:
        """Whether nothing is to be heard, at an F0 that is steady. However long, it takes no networks."""
        return not self.gain.any() and bool((self.f0 == self.f0[:1]).all())


class StreamDecoder:
    """The decoder of one stream.

    Each piece is computed with so much of its surroundings that the result does not depend on where the pieces begin; where
    there is an oscillator its phase is carried over, and the noise is a function of the sample's position.
    """

    def __init__(self, model: Described, speech: Voice, fields: Fields):
        """``speech``: what speaks codes of the model with these fields."""
        self.speech, self.spec = speech, model.entropy.spec
        self.ratio = self.spec.f0_hop // self.spec.unit_hop
        # In whole F0 codes.
        self.context = -(-self.speech.context // self.ratio) * self.ratio
        self.frame_rate = SAMPLE_RATE / self.spec.unit_hop
        self.gain = np.float32(10.0 ** (model.config.gain_db / 20.0) / level_gain(fields.level))

    def run(self, packets: Iterable[Packet], together: int | None = None) -> Iterator[FloatArray]:
        """Waveform at 16 kHz in blocks of float32, whole unit frames: whoever knows the exact length cuts the last one.

        ``together``: packets in a block, PIECE by default. A block is decoded when its context is there.
        """
        for piece in self.pieces(packets, together):
            spoken = None if piece.silent else self.speech.speak(piece.units, piece.f0, piece.low, piece.begin, piece.end)
            yield self.finish(piece, spoken)

    def pieces(self, packets: Iterable[Packet], together: int | None = None) -> Iterator[Piece]:
        """What :meth:`run` speaks, one after the other; where the n-th piece lies does not depend on what is in the packets."""
        hop = self.spec.unit_hop
        units = np.zeros((len(self.spec.rows), 0), np.int32)
        f0 = np.zeros(0, np.int32)
        lost = np.zeros(0, bool)
        past = Past(np.zeros(len(self.spec.rows), np.int32))
        start = done = received = 0  # unit frame of units[:, 0]; unit frames already decoded; and at hand
        size = (together or PIECE) * self.spec.packet_frames
        ahead = self.context + frames_ahead(self.frame_rate, self.ratio)
        incoming: Iterator[Packet] | None = iter(packets)
        while True:
            while incoming is not None and received < done + size + ahead:
                packet = next(incoming, None)
                if packet is None:
                    incoming = None
                    break
                units = np.concatenate([units, packet.units], 1)
                f0 = np.concatenate([f0, packet.f0])
                lost = np.concatenate([lost, np.full(packet.units.shape[1], packet.lost)])
                received += packet.units.shape[1]
            stop = min(done + size, received)
            if stop == done:
                return
            known, high = min(received, stop + ahead) - start, min(received, stop + self.context) - start
            known_f0, high_f0 = -(-known // self.ratio), -(-high // self.ratio)
            filled, filled_f0, gain = conceal(units[:, :known], f0[:known_f0], lost[:known], self.ratio, self.frame_rate, past)
            begin, end = (done - start) * hop, (stop - start) * hop
            yield Piece(filled[:, :high], filled_f0[:high_f0], gain[:high], start, begin, end)
            done = stop
            gone = max(0, done - self.context) - start
            gone_f0 = gone // self.ratio
            past = past.after(units[:, :gone], f0[:gone_f0], lost[:gone], self.ratio)
            units, lost, f0 = units[:, gone:], lost[gone:], f0[gone_f0:]
            start += gone

    def finish(self, piece: Piece, spoken: FloatArray | None) -> FloatArray:
        """What is heard of a piece: the samples that were spoken, as loud as they are to be. None: it is silent."""
        samples = piece.end - piece.begin
        if spoken is None:
            self.speech.skip(samples, int(piece.f0[0]))
            return np.zeros(samples, np.float32)
        result = spoken * self.gain
        if (piece.gain < 1.0).any():
            # Over the surroundings too: between two frames it is neither's.
            result = result * gain_curve(piece.gain, self.spec.unit_hop)[piece.begin : piece.end]
        return np.asarray(result, np.float32)


def decode_whole(decoder: StreamDecoder, packets: Iterable[Packet], num_samples: int) -> FloatArray:
    """Everything at once: (num_samples,) float32."""
    blocks = list(decoder.run(packets))
    return np.concatenate(blocks)[:num_samples] if blocks else np.zeros(0, np.float32)
