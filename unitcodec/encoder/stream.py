"""Samples of a stream, as they come -> its packets of codes.

Offline and streaming use share this one path, so how a stream was cut cannot show in its codes. Every packet (2.56 s) is
analysed in a window of its own, always in the same shapes and as in float64: threads, batches and BLAS move results by about
1e-15, far less than what separates a value from the next decision. Units are decided in float32 where that is as certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitstream import BitstreamError, SpeechCodes
from bitstream.arrays import IntArray

from ..arrays import FloatArray
from ..audio.mixing import peak_of
from ..audio.recording import as_block
from ..configuration import Described
from ..content.rungs import Candidates
from ..errors import AudioError, AudioWarning, UnitcodecWarning, warn
from ..fields import Fields
from ..frames import HOP, level_gain
from ..pitch.tracker import CONTEXT, TRACKERS, Tracker
from .buffer import Buffer, F0Track
from .effort import AROUND, Search, Surroundings
from .excerpt import Excerpt, loudest_packets
from .opening import Opening, OpeningSearch, fields_of
from .packet import Analyser, Doubles, PacketEncoder, at_reference_level
from .rate import RateLimit, RateTarget, nearest
from .together import WINDOWS, Work, together

LOUDEST = 4.0
"""Peak, full scale being 1, that no mixing or resampling gives to samples that were within it."""

Codes = tuple[IntArray, IntArray]
"""Of a packet: units (rows, n), F0 (m,)."""

Packet = tuple[int, int]
"""Its samples [start, stop)."""


@dataclass(frozen=True)
class Checkpoint:
    """Where an encoder stands between two packets: another that hears the same samples goes on from there.

    Of the packets before, only this little has a say in those that follow.
    """

    packets: int
    """That were returned; all of them are full."""
    fields: tuple[int, ...]
    """As ``SpeechCodes.speaker``."""
    rate: dict[str, Any] | None
    """Of the rate control; plain numbers, fit for JSON."""
    before: tuple[list[list[int]], list[int]] | None = None
    """Where units are searched for: the last that were sent, a list a row, and the last F0 codes."""


class StreamEncoder:
    """The encoder of one stream: ``push`` blocks of 16 kHz samples, then ``finish``; both return the packets that are ready.

    A packet is (units (rows, n) int32, f0 (m,) int32). ``fields`` is known once the first packet is out, or after
    ``finish``. Speaker, level and F0 statistics are taken from the opening: the stretch from the start that holds 8 s of
    active signal, or a minute, whichever is shorter. Memory is bounded by that minute.
    """

    def __init__(
        self,
        model: Described,
        analyser: Analyser,
        bitrate: float | None = None,
        track: Tracker | None = None,
        search: Search | None = None,
    ) -> None:
        """``analyser``: of the model; ``bitrate``: see :meth:`.Codec.encode`; ``track``: of F0, not the model's; ``search``: for
        better units than the content encoder's."""
        self.analyser, self.voice_search = analyser, model.config.voice_search
        self.packet = model.entropy.spec.packet_samples
        self.packets = PacketEncoder(analyser, model.entropy.spec)
        limited = model.config.limit_rate
        self.rate: RateLimit | RateTarget | None = RateLimit(model.entropy) if limited else None
        if bitrate is not None:
            self.rate = RateTarget(model.entropy, bitrate, limited)
        self._unit_search, self._entropy, self._spec = search, model.entropy, model.entropy.spec
        self._before: Codes = np.zeros((len(self._spec.rows), 0), np.int32), np.zeros(0, np.int32)
        self.samples = Buffer()
        self._track = track or TRACKERS[model.config.tracker]
        self.fields: Fields | None = None
        self._search = OpeningSearch(self._track)
        self._opening: Opening | None = None
        self._f0: F0Track | None = None  # known as far as the opening's level is
        self._analysed: dict[int, tuple[Candidates, IntArray]] = {}  # of packets that are not coded yet, by their starts
        self._coded = 0  # samples of the packets returned
        self._too_loud = False
        self._finished = False

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where it stands; None before the first packet and after ``finish``."""
        if self._finished or self.fields is None or not self._coded:
            return None
        rate = None if self.rate is None else self.rate.state
        units, f0 = self._before
        before = None if self._unit_search is None else (units.tolist(), f0.tolist())
        return Checkpoint(self._coded // self.packet, tuple(self.fields.codes().tolist()), rate, before)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where another encoder with the same arguments stood. ``push`` then takes the same samples, from the first on;
        what lies before is let go of, and no time is spent on it.

        Raises RuntimeError if samples were pushed, ValueError for what is no checkpoint of such an encoder.
        """
        if self.num_samples or self._finished:
            raise RuntimeError("only a new encoder can go on where another stood")
        try:
            self.fields = Fields.from_codes(np.array(checkpoint.fields, np.int32))
            if self.rate is not None:
                self.rate.restore(checkpoint.rate or {})
            if checkpoint.packets < 1:
                raise ValueError(f"{checkpoint.packets} packets")
            if self._unit_search is None:
                if checkpoint.before is not None:
                    raise ValueError("it searches for units")
            else:
                frames = min(AROUND, checkpoint.packets * self._spec.packet_frames)
                units, f0 = checkpoint.before or ([], [])
                samples = frames * self._spec.unit_hop
                codes = SpeechCodes(np.array(units), np.array(f0), self.fields.codes(), samples, self._entropy.fingerprint)
                self._entropy.check(codes)
                self._before = codes.units, codes.f0
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, BitstreamError) as error:
            raise ValueError(f"no checkpoint of this encoder: {error}") from error
        self._coded = checkpoint.packets * self.packet
        # Only the level of the opening counts from here on.
        self._opening = Opening(self._coded, self.fields.level, True)
        known = max(0, self._coded - self.packets.f0_context) // self.packet * self.packet
        self._f0 = F0Track(self._track, self.packet, level_gain(self.fields.level), known)

    @property
    def num_samples(self) -> int:
        """Pushed so far."""
        return self.samples.end

    def push(self, block: FloatArray) -> list[Codes]:
        """Take (n,) float samples at 16 kHz. Raises AudioError for any others, RuntimeError after ``finish``.

        Warns, once, of samples far above full scale (AudioWarning): only a recording in one piece can be brought down.
        """
        return together(self.packets.decide, [self.pushing(block)])[0]

    def finish(self) -> list[Codes]:
        """The stream is complete: the packets that were waiting for what follows.

        Warns with UnitcodecWarning if a bitrate that was asked for is not reached. Raises AudioError if there was no sample.
        """
        return together(self.packets.decide, [self.finishing()])[0]

    def pushing(self, block: FloatArray) -> Work[list[Codes]]:
        """:meth:`push`, to be driven by :func:`.together`."""
        if self._finished:
            raise RuntimeError("the stream is finished: begin another StreamEncoder")
        block = as_block(block)
        if not self._too_loud and (peak := peak_of(block)) > LOUDEST:
            self._too_loud = True
            warn(f"a block's samples reach {peak:.4g} times full scale; those of int16 are to be divided by 32768", AudioWarning)
        self.samples.append(block)
        if self._f0 is not None:  # of a stream that is gone on with, what lies far before
            self._forget(self._f0)
        return (yield from self._advance())

    def finishing(self) -> Work[list[Codes]]:
        """:meth:`finish`, to be driven by :func:`.together`."""
        self._finished = True
        if not self.num_samples:
            raise AudioError("audio: holds no samples")
        packets = yield from self._advance()
        if isinstance(self.rate, RateTarget) and (missed := self.rate.missed(self.num_samples)):
            warn(missed, UnitcodecWarning)
        return packets

    def _advance(self) -> Work[list[Codes]]:
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
            self.fields = yield from self._describe(self._opening, self._f0)
        ready: list[Codes] = []
        while packets := self._next(self._f0):
            yield from self._analyse(packets, self.fields, self._f0)
            followed = [(start, stop) for start, stop in packets if self._is_followed(stop)]
            ready += self._code(followed, self.fields)
            self._coded += len(followed) * self.packet
            self._forget(self._f0)
            if len(followed) < len(packets) < WINDOWS:
                break
        return ready

    def _is_followed(self, stop: int) -> bool:
        """Whether all that a packet's search looks at is known: the packet behind it, or that there is none."""
        return self._unit_search is None or stop in self._analysed or (self._finished and stop == self.samples.end)

    def _next(self, f0: F0Track) -> list[Packet]:
        """The next packets that can be coded, a few at most."""
        starts = range(self._coded, self.samples.end, self.packet)[:WINDOWS]
        known = [start for start in starts if self._finished or self._is_known(start + self.packet, f0)]
        return [(start, min(start + self.packet, self.samples.end)) for start in known]

    def _is_known(self, end: int, f0: F0Track) -> bool:
        """Whether everything is there that a packet up to sample ``end`` depends on."""
        return self.samples.end >= end + self.packets.context and f0.end >= end + self.packets.f0_context

    def _describe(self, opening: Opening, f0: F0Track) -> Work[Fields]:
        """The fields, with the voice that the speaker encoder hears or, where the model asks for it, a better one."""
        mel = self.analyser.mel(at_reference_level(self.samples.window(0, opening.end), opening.level))
        fields = fields_of(self.analyser.voice(mel[..., opening.begin // HOP :]), f0.window(0, opening.end), opening.level)
        if not (self.voice_search and opening.speech):
            return fields
        packets = self._loudest(opening)
        yield from self._analyse(packets, fields, f0)
        excerpts = [self._excerpt(start, stop, mel) for start, stop in packets]
        return self.analyser.find_voice(fields, excerpts, self.voice_search)

    def _loudest(self, opening: Opening) -> list[Packet]:
        # More may follow, or not, and that must not matter: only packets whose surroundings are known from the opening.
        reach = max(self.packets.context, self.packets.f0_context) if opening.may_go_on else None
        return loudest_packets(self.samples.window(0, opening.end), self.packet, reach)

    def _analyse(self, packets: list[Packet], fields: Fields, f0: F0Track) -> Work[None]:
        """Find what may be sent for these packets; it stays for when they are coded."""
        packets = [packet for packet in packets if packet[0] not in self._analysed]
        if not packets:
            return
        found = yield [self.packets.window(self.samples, fields.level, *packet) for packet in packets]
        for packet, candidates in zip(packets, found, strict=True):
            self._analysed[packet[0]] = candidates, self.packets.f0_codes(f0, fields, *packet)

    def _excerpt(self, start: int, stop: int, mel: Doubles) -> Excerpt:
        """A packet that was analysed, with its nearest codes."""
        candidates, f0_codes = self._analysed[start]
        return Excerpt(nearest(candidates), f0_codes, mel[0, :, start // HOP : stop // HOP])

    def _code(self, packets: list[Packet], fields: Fields) -> list[Codes]:
        """Packets that were analysed, the next of the stream."""
        if self._unit_search is not None:
            return [self._search_packet(self._unit_search, start, stop, fields) for start, stop in packets]
        found = [self._analysed.pop(start) for start, _ in packets]
        return [(units, f0) for units, (_, f0) in zip(self._chosen(found), found, strict=True)]

    def _chosen(self, packets: list[tuple[Candidates, IntArray]]) -> list[IntArray]:
        """Units of the next packets."""
        return [nearest(each) for each, _ in packets] if self.rate is None else self.rate.apply_each(packets)

    def _search_packet(self, search: Search, start: int, stop: int, fields: Fields) -> Codes:
        candidates, f0 = self._analysed.pop(start)
        state = None if self.rate is None else self.rate.state
        (units,) = self._chosen([(candidates, f0)])
        if self.rate is not None and state is not None:
            self.rate.restore(state)
        candidates = search.refined(candidates, int(units[0, 0]), self._surroundings(start, stop, f0, fields))
        (units,) = self._chosen([(candidates, f0)])
        count = AROUND * self._spec.unit_hop // self._spec.f0_hop
        before, f0_before = self._before
        self._before = np.concatenate([before, units], 1)[:, -AROUND:], np.concatenate([f0_before, f0])[-count:]
        return units, f0

    def _surroundings(self, start: int, stop: int, f0: IntArray, fields: Fields) -> Surroundings:
        hop = self._spec.unit_hop
        before, f0_before = self._before
        after, f0_after = before[:, :0], f0[:0]
        if stop in self._analysed:
            candidates, f0_after = self._analysed[stop]
            after = nearest(candidates)[:, :AROUND]
            f0_after = f0_after[: -(-after.shape[1] * hop // self._spec.f0_hop)]
        frames = before.shape[1] + -(-(stop - start) // hop) + after.shape[1]
        first = start - before.shape[1] * hop
        waveform = at_reference_level(self.samples.window(first, first + frames * hop), fields.level)[:, : frames * hop]
        return Surroundings(waveform, before, after, np.concatenate([f0_before, f0, f0_after]), fields)

    def _forget(self, f0: F0Track) -> None:
        """Drop what no later packet will look at."""
        done = min(self._coded, f0.end)
        around = 0 if self._unit_search is None else AROUND * self._spec.unit_hop
        self.samples.forget(done - max(self.packets.context, CONTEXT, around))
        f0.forget(done - self.packets.f0_context)
