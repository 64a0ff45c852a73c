"""Samples as they come -> live packets: each leaves a fraction of a second after its last sample was heard.

Nothing is sent once and for all. What a stream says of its speaker (F0 statistics, level, voice) is estimated anew with each
packet and travels little by little, so that speech begins at once and whoever tunes in later soon has it all. The encoder
goes by what it has sent, not by what it knows: so does the decoder.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from bitstream.arrays import IntArray
from bitstream.entropy.spec import SAMPLE_RATE
from bitstream.live.packet import NOISE_LEVELS, OVERHEAD, SAMPLES_BYTES, LiveCoder

from ..arrays import FloatArray
from ..audio.recording import as_block
from ..content.decision import Decision
from ..content.fsq import rung_of
from ..content.rungs import Candidates, Rungs
from ..decoder.conversion import LEVEL_FIELD, typical_speaker
from ..errors import AudioError
from ..fields import Fields
from ..frames import HOP, LEVEL_CODES, LEVEL_STEP, active_level, block_power, level_code, level_gain
from ..model import Model, Networks
from ..pitch.track import STRIDE, live_statistics
from ..pitch.tracker import CONTEXT, TRACKERS
from .analyser import NetworkAnalyser, encode_f0
from .buffer import Buffer
from .excerpt import SEGMENT, Excerpt
from .packet import at_reference_level
from .rate import CODER_BITS, finest, nearest
from .voice import VoiceSearch, loudness_error

AHEAD = 2560
"""Samples (160 ms) behind a packet that its codes are chosen by."""

BACK = 40960
"""Samples (2.56 s) before it. With half as much WER rises from .20 to .25 (20 utterances), in two thirds of the time."""

LIVE_SECONDS = 0.32
"""Of a packet: half as much adds 70 bit/s, twice as much 0.3 s to the delay."""

HEARD = 8.0
"""Seconds of speech that the speaker's fields are taken from, the latest."""

SEARCH_FROM, SEARCH_STEPS = 4.0, 24
"""Seconds of speech from which on a better voice is searched for, a step with each packet, and how many steps. On less speech
nothing better is found; a search that is over after 8 or 10 s finds hardly anything."""

RENEWED = 0.9, 2.8
"""Seconds of speech after which all fields are sent once more: they are far better known than before."""

LOUDNESS_EVERY, MOST_LOUDNESS = 4, 4
"""In one of so many packets the decoder is asked how loud it is; what it lacks is made good up to so many codes of the level."""

LEAST_LEVEL = -66.0
"""dB re full scale: what is softer is not brought up to the level of speech."""

FAR = 4, 2, 4
"""Codes of mean F0, deviation and level by which what was sent may be wrong; at once, it is sent anew."""

MOST_BITRATE = 450.0
"""Bit/s that live packets take at most, but for the first seconds."""

MOST_SAVED = 16.0
"""Bytes that a packet may have more than its share, where earlier ones had less."""

ON_TOP, REPAID = 5.0, 1.0
"""Seconds in which what is sent of the speaker comes on top of the rate; of what is sent of him later, the bytes by which each
packet is shorter until it is made good."""

LEAST_PAYLOAD = 2
"""Bytes of a packet's payload beside one for each unit frame."""

FRAME_BITS = 12
"""That a unit frame must have beside all speaker fields: in a shorter slot they travel little by little from the start."""

ABOVE_NOISE = 9.0
"""dB above the softest of the last seconds: from there on sound is speech, voiced or not."""

NOISE_PACKETS = 16
"""In the last so many packets the noise is looked for."""

HANGOVER = 2
"""Packets after the last that holds speech that are sent as well: soft endings."""

REMINDER = 48
"""Packets of a pause after which it is told again: numbers come round after 64."""


class LiveEncoder:
    """The encoder of one live stream: ``push`` blocks of 16 kHz samples; then ``flush``; both return the packets that are ready.

    Args:
        model: any with scalar or other units that has F0 at 12.5 Hz.
        networks: its own in float64, on the device of choice.
        fast: the same in float32, which may stand in for them.
        frames: unit frames a packet.
        bitrate: bit/s that packets take at most, everything included; :data:`MOST_BITRATE` by default, and what copies take.
        slot: bytes of every packet, exactly.
        pauses: send next to nothing while nobody speaks.
        fec: each packet carries a coarse copy of the units of the one 1, 4 or 8 packets before; 0: none does.

    Raises ModelError for copies of units that do not get coarser down to two values, bitstream.InvalidCodes for a number of
    frames that makes no packet, ValueError for a slot that has no room.
    """

    def __init__(
        self,
        model: Model,
        networks: Networks,
        fast: Networks | None = None,
        frames: int = 8,
        bitrate: float | None = None,
        slot: int | None = None,
        pauses: bool = False,
        fec: int = 0,
    ) -> None:
        self.coder = LiveCoder(model.entropy, frames, fec)
        self._rung = rung_of((fast or networks).content, 2**self.coder.copy_bits) if fec else 0
        self.packet = self.coder.samples
        seconds = self.packet / SAMPLE_RATE
        share = MOST_BITRATE * seconds / 8 + self.coder.copy_bytes if bitrate is None else bitrate * seconds / 8
        share = share if slot is None else float(slot)
        if share < (least := OVERHEAD + LEAST_PAYLOAD + frames + self.coder.copy_bytes):
            rate = 8 * least / seconds
            raise ValueError(
                f"{share:.0f} bytes for a packet of {seconds:g} s are too few: at least {least}, which is {rate:.0f} bit/s"
            )
        self._share, self._slot, self._saved, self._pauses = share, slot, MOST_SAVED, pauses
        self._entropy, self._networks = model.entropy, networks
        self._decision = Decision(lambda: networks.content, None if fast is None else fast.content)
        self._track, self._unit_hop = TRACKERS[model.config.tracker], model.entropy.spec.unit_hop
        self._device = next((fast or networks).parameters()).device
        self._speaker = Speaker(networks, fast, model.config.voice_search > 0, self.packet)
        self._activity = Activity()
        self.samples, self._f0 = Buffer(), Buffer()  # by samples; by frames
        self.sent = Fields.from_codes(typical_speaker(model.entropy))
        """The fields as a receiver knows them that has heard every packet."""
        self._correction = 0  # of the level that was sent; see Speaker
        self._copies: deque[IntArray | None] = deque([None] * fec, fec)  # of the last packets; None: nobody spoke
        self._coded = self._number = 0
        self._silent = 0  # packets of the pause so far
        self._finished = False

    def push(self, block: FloatArray) -> list[bytes]:
        """Take (n,) floats from -1 to 1, mono, at 16 kHz. Raises AudioError for any others, RuntimeError after ``flush``."""
        if self._finished:
            raise RuntimeError("the stream is finished: begin another")
        self.samples.append(as_block(block))
        packets = []
        while self.samples.end >= self._coded + self.packet + AHEAD:
            packets += self._next()
        return packets

    def flush(self) -> list[bytes]:
        """The packets that were waiting for what follows, and the end. Raises AudioError if there was no sample."""
        if self._finished:
            raise RuntimeError("the stream is finished: begin another")
        total = self.samples.end
        if not total:
            raise AudioError("audio: holds no samples")
        packets = -(-total // self.packet)
        self.samples.append(np.zeros(packets * self.packet + AHEAD - total, np.float32))
        ready = []
        while self._number < packets - 1:
            ready += self._next()
        self._finished = True
        return [*ready, *self._next(total - (packets - 1) * self.packet)]

    def _next(self, last: int | None = None) -> list[bytes]:
        """The next packet, of which, if it is the last of all, so many samples count."""
        start, end = self._coded, self._coded + self.packet
        own = self.samples.window(start, end)
        left = max(0, start - CONTEXT)
        level = max(self._speaker.level, LEAST_LEVEL)
        heard = self.samples.window(left, end + AHEAD)
        if not self._speaker.seconds:
            level = max(active_level(heard), LEAST_LEVEL)
        f0 = self._track(heard * np.float32(level_gain(level_code(level))))[(start - left) // HOP :]
        self._f0.append(f0[: self.packet // HOP])
        speech = self._activity.speech(own, f0)
        if speech or not self._pauses:
            packets = [self._speak(start, f0[self.packet // HOP :], speech, last)]
        else:
            packets = self._rest(last)
        self._coded, self._number = end, self._number + 1
        self.samples.forget(end - max(BACK, CONTEXT))
        self._f0.forget((end - BACK) // HOP)
        return packets

    def _rest(self, last: int | None) -> list[bytes]:
        """Of a pause: its beginning, now and then that it goes on, and the end of a stream that ends in it."""
        self._silent += 1
        self._copies.append(None)
        begins = self._silent % REMINDER == 1
        return [self._nothing(last)] if begins or last is not None else []

    def _nothing(self, last: int | None) -> bytes:
        if last is not None:
            data = self.coder.silent_end(self._number, last)
        else:
            data = self.coder.pause(self._number, self._activity.noise)
        return data if self._slot is None else self.coder.filled(data, self._slot)

    def _speak(self, start: int, f0_ahead: FloatArray, speech: bool, last: int | None) -> bytes:
        self._silent = 0
        own, f0 = self.samples.window(start, start + self.packet), self._f0.window(start // HOP, (start + self.packet) // HOP)
        wanted = self._speaker.hear(own, f0) if speech or not self._speaker.seconds else self._speaker.fields
        known = self.sent, self._correction
        opening, self.sent = self._renewed(wanted)
        left = max(0, start - BACK)
        level = self.sent.level - self._correction
        heard = at_reference_level(self.samples.window(left, start + self.packet + AHEAD), level)
        first = (start - left) // self._unit_hop
        candidates = self._decision.candidates(torch.from_numpy(heard).to(self._device), slice(first, first + self.coder.frames))
        around = self._networks.pitch.context // STRIDE * STRIDE
        before = self._f0.window(max(0, start // HOP - around), start // HOP)
        track = np.concatenate([before, f0, f0_ahead[:around]])
        skipped = len(before) // STRIDE
        f0_codes = encode_f0(self._networks.pitch, track, self.sent, self._device)[skipped : skipped + len(f0) // STRIDE]
        units = self._fitting(candidates, f0_codes, opening, 0 if last is None else SAMPLES_BYTES)
        if speech:
            self._speaker.compare(units, f0_codes, self.sent, level)
        copy = self._copies[0] if self.coder.fec else None
        data = self.coder.speech(self._number, units, f0_codes, self.sent.codes(), opening, last, copy)
        if self.coder.fec:
            assert isinstance(candidates, Rungs)
            self._copies.append(candidates[self._rung][1:])
        if self._slot is None:
            least = 0.0 if start < ON_TOP * SAMPLE_RATE else -MOST_SAVED
            self._saved = min(MOST_SAVED, max(least, self._saved + self._share - len(data)))
            return data
        if len(data) > self._slot:  # codes so improbable that not even the coarsest ones fit: seldom
            self.sent, self._correction = known
            return self._nothing(last)
        return self.coder.filled(data, self._slot)

    def _renewed(self, wanted: Fields) -> tuple[bool, Fields]:
        """Whether all fields are sent with the next packet, and what the receiver knows then."""
        new, old = wanted.codes(), self.sent.codes()
        far = (
            not self._number
            or self._speaker.renewed
            or any(abs(int(a) - int(b)) >= most for a, b, most in zip(new, old, FAR, strict=False))
        )
        if far and (self._slot is None or self._room(wanted, True) >= FRAME_BITS * self.coder.frames):
            self._speaker.renewed, self._correction = False, self._speaker.correction
            return True, wanted
        turn = self.coder.turn(self._number)
        if LEVEL_FIELD in turn:
            self._correction = self._speaker.correction
        old[list(turn)] = new[list(turn)]
        return False, Fields.from_codes(old)

    def _room(self, fields: Fields, opening: bool) -> float:
        """Bits that the units and F0 codes of the next packet may cost."""
        saved = max(self._saved, -REPAID) if self._slot is None else 0.0
        # Where the size may vary, what an opening has more comes on top.
        told = self.coder.speaker_bits(self._number, fields.codes(), opening and self._slot is not None)
        return 8 * (int(self._share + saved) - OVERHEAD - self.coder.copy_bytes) - CODER_BITS - told

    def _fitting(self, candidates: Candidates, f0: IntArray, opening: bool, taken: int) -> IntArray:
        allowed, units = self._room(self.sent, opening) - 8 * taken, nearest(candidates)
        if sum(self._entropy.packet_cost(units, f0).values()) > allowed:
            units, _ = finest(self._entropy, candidates, f0, allowed)
        return units


class Activity:
    """Which packets hold speech, and how loud the noise is."""

    def __init__(self) -> None:
        self._softest: deque[float] = deque(maxlen=NOISE_PACKETS)
        self._left = 0

    @property
    def noise(self) -> int:
        """dB below full scale, whole ones."""
        return int(np.clip(np.rint(-10 * np.log10(min(self._softest, default=0.0) + 1e-12)), 0, NOISE_LEVELS - 1))

    def speech(self, samples: FloatArray, f0: FloatArray) -> bool:
        """Whether the next packet (n,) holds any, or comes so soon after; ``f0`` of it and of what is known behind it."""
        power = block_power(samples)
        self._softest.append(float(np.quantile(power, 0.25)))
        loud = power.max() > max(min(self._softest) * 10 ** (ABOVE_NOISE / 10), 1e-6)
        if loud or (f0 > 0).any():
            self._left = HANGOVER
            return True
        self._left -= 1
        return self._left >= 0


class Speaker:
    """The fields of the one who speaks, ever better known.

    Attributes:
        seconds: of speech heard so far.
        level: of it, dB re full scale.
        fields: by now.
        correction: codes by which the level of the fields is above that of the speech, for the decoder is so much too soft.
        renewed: whether they have become much better since this was last set to False.
    """

    def __init__(self, networks: Networks, fast: Networks | None, search: bool, packet: int) -> None:
        self._networks, self._analyser, self._packet = networks, NetworkAnalyser(networks, fast), packet
        self._search = VoiceSearch(networks, SEARCH_STEPS) if search else None
        self._samples: deque[FloatArray] = deque(maxlen=round(HEARD * SAMPLE_RATE / packet))
        self._f0: deque[FloatArray] = deque(maxlen=self._samples.maxlen)
        self._excerpts: deque[tuple[IntArray, IntArray]] = deque(maxlen=max(1, SEGMENT * HOP // packet))
        self._voice: tuple[int, ...] = ()
        self._compared, self._error, self._correction = 0, 0.0, 0
        self.level, self.seconds, self.renewed, self.correction = -100.0, 0.0, False, 0
        self.fields = Fields(0, 0, 0, ())

    def hear(self, samples: FloatArray, f0: FloatArray) -> Fields:
        """One more packet of speech, (n,), and its F0 (m,) in Hz at 100 Hz -> the fields."""
        self._samples.append(samples)
        self._f0.append(f0)
        self.renewed = self.renewed or any(self.seconds < each <= self.seconds + self._packet / SAMPLE_RATE for each in RENEWED)
        self.seconds += self._packet / SAMPLE_RATE
        self.level = active_level(np.concatenate(self._samples))
        level = level_code(max(self.level, LEAST_LEVEL))
        if self._search is None or not self._search.done:
            self._voice = self._analyser.voice(self._mel(level, len(self._samples)))
        corrected = min(max(level + self._correction, 0), LEVEL_CODES - 1)
        self.correction = corrected - level
        self.fields = Fields(*live_statistics(np.concatenate(self._f0)), corrected, self._voice)
        return self.fields

    def compare(self, units: IntArray, f0: IntArray, sent: Fields, level: int) -> None:
        """What was sent of the packet heard last, analysed at that ``level``, with what was said: a step more towards the voice
        with which it sounds alike, and how loud it is."""
        if self._search is None:
            return
        self._excerpts.append((units, f0))
        self._compared += 1
        searches, listens = self.seconds >= SEARCH_FROM and not self._search.done, self._compared % LOUDNESS_EVERY == 0
        if not searches and not listens:
            return
        count = min(len(self._excerpts), len(self._samples))
        units, f0 = (np.concatenate([each[k] for each in list(self._excerpts)[-count:]], axis=-1) for k in (0, 1))
        excerpt = Excerpt(units, f0, self._mel(level, count)[0])
        if listens:
            error = loudness_error(self._networks, sent, excerpt)
            self._error = error if self._compared == LOUDNESS_EVERY else (self._error + error) / 2
            self._correction = int(np.clip(np.rint(self._error / LEVEL_STEP), -MOST_LOUDNESS, MOST_LOUDNESS))
        if searches:
            found = self._search.step(replace(sent, voice=self._voice), excerpt)
            if found is not None:
                self._voice, self.renewed = found, True

    def _mel(self, level: int, count: int) -> NDArray[np.float64]:
        """Normalised log-mel (1, 80, n) of the last so many packets."""
        return self._analyser.mel(at_reference_level(np.concatenate(list(self._samples)[-count:]), level))
