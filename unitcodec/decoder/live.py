"""Live packets -> samples, each packet heard a fixed time after it came.

The decoder looks as far ahead as that time allows: log-mel and F0 of a frame are decoded with at least :data:`AHEAD` of codes
behind it and stay as they are; the generator speaks what has all of its context. So no cut between packets is heard, and how
they were handed over does not show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitstream import Damaged
from bitstream.arrays import IntArray
from bitstream.entropy.spec import SAMPLE_RATE
from bitstream.live.packet import LATE, NUMBERS, LiveCoder, LivePacket

from ..arrays import FloatArray
from ..content.fsq import rung_of
from ..errors import ModelError
from ..fields import Fields
from ..frames import HOP, level_gain
from ..model import Model, Networks
from ..vocoder.excitation import white_noise
from ..vocoder.speech import Speech
from .concealment import Past, conceal
from .conversion import typical_speaker
from .mel import decode_mel_of

AHEAD = 6
"""Unit frames behind one that its log-mel is decoded with, at least."""

BACK = 38
"""Unit frames before it: all that the mel decoder sees."""

SOFTENED = 8
"""Samples that the noise of pauses is an average of: that of rooms is no hiss."""


@dataclass(frozen=True)
class Copy:
    """What a later packet tells of a missing one: (rows - 1, frames)."""

    units: IntArray


class LiveDecoder:
    """The decoder of one live stream: ``push`` its packets, then ``flush``.

    Args:
        model: whose generator is fed log-mel.
        networks: its own in float32, on the device of choice.
        frames: unit frames a packet.
        fec: packets carry coarse copies of those so many before; 0: none do.

    Attributes:
        speaker: (fields,) by now; what was not heard yet is typical.
        lost: packets in whose place something else was spoken.
        copied: how many of them were known coarsely, from the copy in a later one.
        damaged: what was pushed and is no packet of such a stream: all, if model, ``packet`` or ``fec`` are not the encoder's.
        ended: whether the end of the stream was heard.

    Raises ModelError for a model whose generator is fed codes, bitstream.InvalidCodes for frames that make no packet.
    """

    def __init__(self, model: Model, networks: Networks, frames: int = 8, fec: int = 0) -> None:
        if networks.generator.fed != "log_mel":
            raise ModelError(f"model '{model.config.name}': its vocoder is fed codes; live speech needs one that is fed log-mel")
        self.coder = LiveCoder(model.entropy, frames, fec)
        self._rung = rung_of(networks.content, 2**self.coder.copy_bits) if fec else 0
        self.packet = self.coder.samples
        self._networks, self._spec = networks, model.entropy.spec
        self._device = next(networks.parameters()).device
        self._ratio, self._stride = self._spec.f0_hop // self._spec.unit_hop, self._spec.unit_hop // HOP
        self._gain = 10.0 ** (model.config.gain_db / 20.0)
        self.speaker = typical_speaker(model.entropy)
        self._frozen = _Frozen(networks, self._stride, self._spec.unit_hop)
        self._speech: Speech = networks.generator.speech(self._frozen)
        self._around = networks.generator.context  # frames of 10 ms
        # Of the unit frames from _start on: codes; noise in their place (NaN: they are lost); the fields they were coded by.
        self._units = np.zeros((len(self._spec.rows), 0), np.int32)
        self._f0 = np.zeros(0, np.int32)
        self._noise = np.zeros(0)
        self._coded_by = np.zeros((0, 3), np.int32)
        self._past = Past(np.concatenate([np.zeros(len(self._spec.rows), np.int32), self.speaker[:3]]))
        self._start = 0
        self._spoken = 0  # samples given
        self._pause: int | None = None  # its noise, dB below full scale
        self._next: int | None = None  # number of the packet that is due
        self._waiting: deque[LivePacket | Copy | None] = deque()  # from the first missing one on whose copy may come
        self._asked = 0  # that were not there in time since the last one that was: so many may come late, and are not far ahead
        self.ended = False
        self.lost = self.copied = self.damaged = 0

    @property
    def delay(self) -> float:
        """Seconds from the end of a packet to that of the samples that it lets the decoder give, if none before it is missing.

        In the place of a missing one a decoder of copies waits for ``fec`` packets more.
        """
        return (AHEAD * self._spec.unit_hop + self._around * HOP) / SAMPLE_RATE

    @property
    def held(self) -> int:
        """Frames of 10 ms that are kept for what comes."""
        return self._units.shape[1] * self._stride + self._frozen.end - self._frozen.start

    def push(self, packet: bytes | None) -> FloatArray:
        """A packet's bytes, or None for one that is missing when its time has come -> the samples (n,) that are ready.

        What is damaged counts as missing; what comes late or twice is passed over, but for the end, and but for what is still
        waited for. Where the numbers tell that packets are missing before this one, something stands in their place: their
        copies, where there are any; else speech for a moment, then silence. Behind the end there is nothing, whatever comes.

        Raises TypeError for what is neither bytes nor None.
        """
        if packet is None:
            if self.ended:
                return np.zeros(0, np.float32)
            self._asked = min(self._asked + 1, NUMBERS // 2)
            self._expect(1)
            return self._settled()
        try:
            read = self.coder.read(packet)
        except Damaged:
            self.damaged += 1
            return np.zeros(0, np.float32)
        missing = 0 if self._next is None else (read.number - self._next) % NUMBERS
        behind = NUMBERS - missing  # if it is late
        if self.ended or behind <= max(NUMBERS - LATE, self._asked):
            return self._late(read, behind)
        self._asked = 0
        self._expect(missing)
        self._waiting.append(read)
        self._next = (read.number + 1) % NUMBERS
        self._copied(len(self._waiting) - 1)
        if read.kind == "end":
            return self._end(read.samples)
        return self._settled()

    def _late(self, read: LivePacket, behind: int) -> FloatArray:
        """A packet ``behind`` before the one that is due."""
        index = len(self._waiting) - behind
        if not self.ended and index >= 0 and not isinstance(self._waiting[index], LivePacket):
            self._waiting[index] = read
            self._copied(index)
            if read.kind == "end":
                while len(self._waiting) > index + 1:
                    self._waiting.pop()
                return self._end(read.samples)
            return self._settled()
        if self.ended or read.kind != "end" or behind > self._asked:
            return np.zeros(0, np.float32)
        # All that was spoken behind it was made up, and what still waits is not said.
        behind -= len(self._waiting)
        self._waiting.clear()
        return self._end(read.samples - (behind - 1) * self.packet)

    def _copied(self, index: int) -> None:
        """Put the copy that a packet carries where the packet is missing of which it is one. In a pause none was sent.

        The packet that told of the pause may be missing, too: a copy of zeros is one of no speech.
        """
        read, place = self._waiting[index], index - self.coder.fec
        if not isinstance(read, LivePacket) or read.copy is None or place < 0 or self._waiting[place] is not None:
            return
        if not read.copy.any():
            return
        before = [each for each in list(self._waiting)[:place] if each is not None]
        resting = self._pause is not None if not before else isinstance(before[-1], LivePacket) and before[-1].kind == "pause"
        if not resting:
            self._waiting[place] = Copy(read.copy)

    def _settled(self) -> FloatArray:
        """What is ready of the samples."""
        return np.concatenate([*self._settle(self.coder.fec), self._advance(False)])

    def _settle(self, waits: int) -> Iterator[FloatArray]:
        """Take what has its turn. In the place of a missing packet ``waits`` others are waited for, unless there is a pause.

        One after another, as if none had waited: gives the samples that are ready between two of them.
        """
        first = True
        while self._waiting and (self._waiting[0] is not None or self._pause is not None or len(self._waiting) > waits):
            if not first:
                yield self._advance(False)
            taken, first = self._waiting.popleft(), False
            if isinstance(taken, LivePacket):
                self._take(taken)
            elif taken is not None:
                self._take_copy(taken.units)
            else:
                self.lost += self._pause is None
                self._append(*self._nothing(1), self._rest)

    def _take(self, read: LivePacket) -> None:
        if read.kind == "pause":
            self._pause = read.noise
        if read.units.size:
            self._pause = None
            for field, value in read.fields.items():
                self.speaker[field] = value
            self._append(read.units, read.f0, 0.0)
        else:
            self._append(*self._nothing(1), self._rest)

    def _end(self, samples: int) -> FloatArray:
        """``samples``: those of the last packet that count."""
        self.ended = True
        return np.concatenate([*self._settle(0), self._finish(samples)])

    def flush(self) -> FloatArray:
        """The samples that were waiting for what follows; of a stream whose end was not heard."""
        if self.ended:
            return np.zeros(0, np.float32)
        return self._end(self.packet)

    def _expect(self, packets: int) -> None:
        """So many packets did not come, or not yet."""
        if self._next is not None:
            self._next = (self._next + packets) % NUMBERS
        self._waiting += [None] * packets

    @property
    def _rest(self) -> float:
        """The amplitude of a pause's noise; NaN if there is no pause."""
        return np.nan if self._pause is None else 10.0 ** (-self._pause / 20.0)

    def _take_copy(self, copy: IntArray) -> None:
        """A packet that is known from the copy in a later one; F0 is held."""
        self.lost, self.copied = self.lost + 1, self.copied + 1
        units = np.concatenate([np.full((1, self.coder.frames), self._rung, np.int32), copy])
        came = np.flatnonzero(self._noise[:: self._ratio] == 0)
        held = self._f0[came[-1]] if len(came) else self._past.f0
        self._append(units, np.full(self.coder.frames // self._ratio, held, np.int32), 0.0)

    def _nothing(self, packets: int) -> tuple[IntArray, IntArray]:
        frames = self.coder.frames * packets
        return np.zeros((len(self._units), frames), np.int32), np.zeros(frames // self._ratio, np.int32)

    def _append(self, units: IntArray, f0: IntArray, noise: float) -> None:
        """``noise``: amplitude that stands in the place of speech; 0: it is speech; NaN: it is lost."""
        count = units.shape[1]
        self._units, self._f0 = np.concatenate([self._units, units], 1), np.concatenate([self._f0, f0])
        self._noise = np.concatenate([self._noise, np.full(count, noise)])
        self._coded_by = np.concatenate([self._coded_by, np.repeat(self.speaker[None, :3], count, 0)])

    def _finish(self, samples: int) -> FloatArray:
        """To the end, ``samples`` into the last packet."""
        end = max(0, (self._start + self._units.shape[1]) * self._spec.unit_hop - self.packet + samples)
        last = self._advance(True)
        return last[: max(0, len(last) - max(0, self._spoken - end))]

    @torch.inference_mode()
    def _advance(self, complete: bool) -> FloatArray:
        """Decode what has its surroundings, or everything -> the samples."""
        received = self._start + self._units.shape[1]
        known = received if complete else received - AHEAD
        with torch.autocast(self._device.type, enabled=False):  # a caller's
            if known * self._stride > self._frozen.end:
                self._decode(known)
            ready = (self._frozen.end - (0 if complete else self._around)) * HOP
            if ready <= self._spoken:
                return np.zeros(0, np.float32)
            samples = self._frozen.speak(self._speech, self._spoken, ready).cpu().numpy()
        samples = self._frozen.loud(samples, self._spoken, ready)
        self._spoken = ready
        self._frozen.forget(ready // HOP - 2 * self._around)
        return np.asarray(samples, np.float32)

    def _decode(self, known: int) -> None:
        """Log-mel and F0 of the unit frames up to ``known``, which stay as they are now."""
        given, gone = np.concatenate([self._units, self._coded_by.T]), self._noise != 0
        rate = SAMPLE_RATE / self._spec.unit_hop
        stacked, f0, gain = conceal(given, self._f0, gone, self._ratio, rate, self._past)
        units, by = stacked[: len(self._units)], stacked[len(self._units) :].T
        own = slice(self._frozen.end // self._stride - self._start, known - self._start)
        decoded = decode_mel_of(
            self._networks,
            torch.from_numpy(np.ascontiguousarray(units)).long()[None].to(self._device),
            torch.from_numpy(f0).long()[None].to(self._device),
            by[:: self._ratio, :2].tolist(),
            Fields.from_codes(self.speaker).voice,
            own,
        )
        gain = gain * ~(self._noise > 0) * [self._gain / level_gain(int(level)) for level in by[:, 2]]
        self._frozen.append(*decoded, *(np.repeat(each[own], self._stride) for each in (gain, np.nan_to_num(self._noise))))
        drop = max(0, max(0, known - BACK) // self._ratio * self._ratio - self._start)
        self._past = self._past.after(given[:, :drop], self._f0[: drop // self._ratio], gone[:drop], self._ratio)
        self._units, self._f0 = self._units[:, drop:], self._f0[drop // self._ratio :]
        self._noise, self._coded_by = self._noise[drop:], self._coded_by[drop:]
        self._start += drop


class _Frozen:
    """Decoded log-mel and F0 of a stream, from frame ``start`` on, as a generator's :class:`.vocoder.speech.MelSource`."""

    context = 0

    def __init__(self, networks: Networks, stride: int, unit_hop: int) -> None:
        self.networks, self.stride, self.unit_hop = networks, stride, unit_hop
        like = next(networks.parameters())  # the default type is the caller's business
        self.start = 0
        self._mel, self._features = like.new_zeros(1, 80, 0), like.new_zeros(1, 3, 0)
        self._hz, self._gain, self._noise = like.new_zeros(1, 0), np.zeros(0), np.zeros(0)

    @property
    def end(self) -> int:
        return self.start + self._mel.shape[2]

    def append(self, mel: Tensor, features: Tensor, hz: Tensor, gain: NDArray[np.float64], noise: NDArray[np.float64]) -> None:
        self._mel, self._features = torch.cat([self._mel, mel], 2), torch.cat([self._features, features], 2)
        self._hz = torch.cat([self._hz, hz], 1)
        self._gain, self._noise = np.concatenate([self._gain, gain]), np.concatenate([self._noise, noise])

    def speak(self, speech: Speech, first: int, last: int) -> Tensor:
        """Samples [first, last) of the stream, (n,)."""
        start = self.start * HOP
        none = torch.zeros(1, 1, 0, dtype=torch.long)
        return speech.speak(none, none[0], self.start // self.stride, first - start, last - start)

    def loud(self, samples: FloatArray, first: int, last: int) -> FloatArray:
        """Samples [first, last) as loud as they are to be, and the noise of pauses; both go straight from frame to frame."""
        frames = (np.arange(first, last) - self.start * HOP) / HOP
        gain, noise = (np.interp(frames, np.arange(len(each)), each) for each in (self._gain, self._noise))
        if noise.any():
            white = white_noise(first, last - first + SOFTENED - 1).numpy()
            noise *= np.convolve(white, np.full(SOFTENED, SOFTENED**-0.5), "valid")
        return np.asarray(samples * gain + noise, np.float32)

    def forget(self, before: int) -> None:
        """Drop the frames before this one, in whole unit frames."""
        drop = max(0, before // self.stride * self.stride - self.start)
        self._mel, self._features, self._hz = self._mel[..., drop:], self._features[..., drop:], self._hz[:, drop:]
        self._gain, self._noise, self.start = self._gain[drop:], self._noise[drop:], self.start + drop

    def decode(self, units: Tensor, f0: Tensor, own: slice) -> tuple[Tensor, Tensor, Tensor]:
        part = slice(own.start * self.stride, own.stop * self.stride)
        return self._mel[..., part], self._features[..., part], self._hz[:, part]
