"""Samples of a stream, as they come -> its packets of codes.

Offline and streaming use share this one path, so how a stream was cut cannot show in its codes. Every packet (2.56 s) is
analysed in a window of its own, always in the same shapes and as in float64: threads, batches and BLAS move results by about
1e-15, far less than what separates a value from the next decision. Units are decided in float32 where that is as certain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio.mixing import peak_of
from ..audio.recording import as_block
from ..configuration import Described
from ..content.rungs import Candidates
from ..errors import AudioError, AudioWarning, UnitcodecWarning, warn
from ..fields import Fields, IntArray
from ..frames import HOP, level_gain
from ..pitch.tracker import CONTEXT, TRACKERS, Tracker
from .buffer import Buffer
from .excerpt import Excerpt, loudest_packets
from .f0 import F0Track
from .opening import Opening, OpeningSearch, fields_of
from .packet import Analyser, Doubles, PacketEncoder, at_reference_level
from .rate import RateLimit, RateTarget, nearest

LOUDEST = 4.0
"""Peak, full scale being 1, that no mixing or resampling gives to samples that were within it."""

FloatArray = NDArray[np.float32]


class StreamEncoder:
    """The encoder of one stream: ``push`` blocks of 16 kHz samples, then ``finish``; both return the packets that are ready.

    A packet is (units (rows, n) int32, f0 (m,) int32). ``fields`` is known once the first packet is out, or after
    ``finish``. Speaker, level and F0 statistics are taken from the opening: the stretch from the start that holds 8 s of
    active signal, or a minute, whichever is shorter. Memory is bounded by that minute.
    """

    def __init__(self, model: Described, analyser: Analyser, bitrate: float | None = None, track: Tracker | None = None) -> None:
        """``analyser``: of the model; ``bitrate``: see :meth:`.Codec.encode`; ``track``: of F0, not the model's."""
        self.analyser, self.voice_search = analyser, model.config.voice_search
        self.packet = model.entropy.spec.packet_samples
        self.packets = PacketEncoder(analyser, model.entropy.spec)
        limited = model.config.limit_rate
        self.rate: RateLimit | RateTarget | None = RateLimit(model.entropy) if limited else None
        if bitrate is not None:
            self.rate = RateTarget(model.entropy, bitrate, limited)
        self.samples = Buffer()
        self._track = track or TRACKERS[model.config.tracker]
        self.fields: Fields | None = None
        self._search = OpeningSearch(self._track)
        self._opening: Opening | None = None
        self._f0: F0Track | None = None  # known as far as the opening's level is
        self._early: dict[int, tuple[Candidates, IntArray]] = {}  # of packets that the search for a voice saw
        self._coded = 0  # samples of the packets returned
        self._too_loud = False
        self._finished = False

    @property
    def num_samples(self) -> int:
        """Pushed so far."""
        return self.samples.end

    def push(self, block: FloatArray) -> list[tuple[IntArray, IntArray]]:
        """Take (n,) float samples at 16 kHz. Raises AudioError for any others, RuntimeError after ``finish``.

        Warns, once, of samples far above full scale (AudioWarning): only a recording in one piece can be brought down.
        """
        if self._finished:
            raise RuntimeError("the stream is finished: begin another StreamEncoder")
        block = as_block(block)
        if not self._too_loud and (peak := peak_of(block)) > LOUDEST:
            self._too_loud = True
            warn(f"a block's samples reach {peak:.4g} times full scale; those of int16 are to be divided by 32768", AudioWarning)
        self.samples.append(block)
        return self._advance()

    def finish(self) -> list[tuple[IntArray, IntArray]]:
        """The stream is complete: the packets that were waiting for what follows.

        Warns with UnitcodecWarning if a bitrate that was asked for is not reached. Raises AudioError if there was no sample.
        """
        self._finished = True
        if not self.num_samples:
            raise AudioError("audio: holds no samples")
        packets = self._advance()
        if isinstance(self.rate, RateTarget) and (missed := self.rate.missed(self.num_samples)):
            warn(missed, UnitcodecWarning)
        return packets

    def _advance(self) -> list[tuple[IntArray, IntArray]]:
        if self._opening is None:
            self._opening = self._search.look(self.samples.window(0, self.samples.end), self._finished)
            if self._opening is None:
                return []
        if self._f0 is None:
            self._f0 = F0Track(self._track, self.packet, level_gain(self._opening.level))
        self._f0.extend(self.samples, self._finished)
        if self.fields is None:
            if self._f0.end < self._opening.end:
                return []
            self.fields = self._describe(self._opening, self._f0)
        ready = []
        while self._coded < self.samples.end and (self._finished or self._is_known(self._coded + self.packet, self._f0)):
            ready.append(self._code_packet(self._coded, self.fields, self._f0))
            self._coded += self.packet
            self._forget(self._f0)
        return ready

    def _is_known(self, end: int, f0: F0Track) -> bool:
        """Whether everything is there that a packet up to sample ``end`` depends on."""
        return self.samples.end >= end + self.packets.context and f0.end >= end + self.packets.f0_context

    def _describe(self, opening: Opening, f0: F0Track) -> Fields:
        """The fields, with the voice that the speaker encoder hears or, where the model asks for it, a better one."""
        mel = self.analyser.mel(at_reference_level(self.samples.window(0, opening.end), opening.level))
        fields = fields_of(self.analyser.voice(mel), f0.window(0, opening.end), opening.level)
        if not (self.voice_search and opening.speech):
            return fields
        excerpts = [self._excerpt(start, stop, fields, f0, mel) for start, stop in self._loudest(opening)]
        return self.analyser.find_voice(fields, excerpts, self.voice_search)

    def _loudest(self, opening: Opening) -> list[tuple[int, int]]:
        # More may follow, or not, and that must not matter: only packets whose surroundings are known from the opening.
        reach = max(self.packets.context, self.packets.f0_context) if opening.may_go_on else None
        return loudest_packets(self.samples.window(0, opening.end), self.packet, reach)

    def _excerpt(self, start: int, stop: int, fields: Fields, f0: F0Track, mel: Doubles) -> Excerpt:
        """A packet, samples [start, stop), with its nearest codes; what was found stays for when it is coded."""
        self._early[start] = candidates, f0_codes = self._analyse(start, stop, fields, f0)
        return Excerpt(nearest(candidates), f0_codes, mel[0, :, start // HOP : stop // HOP])

    def _code_packet(self, start: int, fields: Fields, f0: F0Track) -> tuple[IntArray, IntArray]:
        end = min(start + self.packet, self.samples.end)
        if start in self._early:
            candidates, codes = self._early.pop(start)
        else:
            candidates, codes = self._analyse(start, end, fields, f0)
        return (nearest(candidates) if self.rate is None else self.rate.apply(candidates, codes)), codes

    def _analyse(self, start: int, end: int, fields: Fields, f0: F0Track) -> tuple[Candidates, IntArray]:
        candidates = self.packets.candidates(self.samples, fields.level, start, end)
        return candidates, self.packets.f0_codes(f0, fields, start, end)

    def _forget(self, f0: F0Track) -> None:
        """Drop what no later packet will look at."""
        done = min(self._coded, f0.end)
        self.samples.forget(done - max(self.packets.context, CONTEXT))
        f0.forget(done - self.packets.f0_context)
