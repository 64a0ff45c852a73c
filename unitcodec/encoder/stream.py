"""Waveform -> codes, piece by piece: the encoder's side as a state that blocks of samples are pushed into.

Offline and streaming use share this one path, so how a stream was cut cannot show in its codes. Every packet (2.56 s) is
analysed in a window of its own, always in the same shapes and as in float64: threads, batches and BLAS move results by about
1e-15, far less than what separates a value from the next decision. Units are decided in float32 where that is as certain.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio.mixing import peak_of
from ..audio.recording import as_block
from ..content import ContentFamily
from ..content.decision import Candidates, Decision
from ..errors import AudioError, AudioWarning, UnitcodecWarning, warn
from ..features import (
    HOP,
    REFERENCE_LEVEL,
    WINDOW,
    active_level,
    block_power,
    level_code,
    level_gain,
    log_mel,
    normalise,
    stands_out,
)
from ..fields import Fields, IntArray
from ..model import Model, Networks
from ..pitch import tracker as trackers
from ..pitch.vqvae import STRIDE, mean_and_deviation, statistics
from .rate import RateLimit, RateTarget, nearest
from .voice import SEGMENT, Excerpt, find_voice

CODE_SAMPLES = HOP * STRIDE
"""Samples an F0 code: the grid that every analysis window lies on."""

OPENING_SECONDS = 60
ACTIVE_SECONDS = 8
QUIET = -55.0
"""Blocks above this level (dB re full scale) count as active."""
ACTIVE_RANGE = 36.0
"""In a stream that proves to be speech, those that come so near (dB) to its loudest ones instead."""
VOICED_SECONDS = 2
"""The proof: so much that is voiced and stands out. Hiss, hum and rustling before a speaker begins are none."""

SEARCHED_PACKETS = 3
"""At most; the loudest ones of the opening, by which the voice is chosen where a model asks for it."""

LOUDEST = 4.0
"""Peak, full scale being 1, that no mixing or resampling gives to samples that were within it."""

SILENCE = -60.0
"""Below this level a stream that does not prove to be speech holds none to judge the level by: it may yet come."""

FloatArray = NDArray[np.float32]


class Analysis:
    """The encoder of one stream: ``push`` blocks of 16 kHz samples, then ``finish``; both return the packets that are ready.

    A packet is (units (rows, n) int32, f0 (m,) int32). ``fields`` is known once the first packet is out, or after
    ``finish``. Speaker, level and F0 statistics are taken from the opening: the stretch from the start that holds 8 s of
    active signal, or a minute, whichever is shorter. Memory is bounded by that minute.
    """

    def __init__(self, model: Model, networks: Networks, bitrate: float | None = None, fast: Networks | None = None):
        """``networks`` are the model's own in float64, on the device of choice, ``fast`` the same in float32, which may stand in
        for them; ``bitrate``: see :meth:`.Codec.encode`."""
        self.model, self.networks, self.fast = model, networks, fast
        spec = model.entropy.spec
        self.packet, self.unit_hop = spec.packet_samples, spec.unit_hop
        self.track = trackers.TRACKERS[model.config.tracker]
        self.device = next(networks.parameters()).device
        limited = model.config.limit_rate
        self.rate: RateLimit | RateTarget | None = RateLimit(model.entropy) if limited else None
        if bitrate is not None:
            self.rate = RateTarget(model.entropy, bitrate, limited)
        self.decision = Decision(networks.content, None if fast is None else fast.content)
        self.context = surroundings(networks.content)
        self.f0_context = _whole_codes(networks.pitch.context * HOP)
        self.fields: Fields | None = None
        self.num_samples = 0
        self._buffer: FloatArray = np.zeros(0, np.float32)
        self._start = 0  # absolute position of the buffer's first sample
        self._f0: FloatArray = np.zeros(0, np.float32)
        self._f0_start = 0  # absolute frame of the first value kept
        self._tracked = 0  # packets whose F0 is known
        self._coded = 0  # packets returned
        self._opening_end: int | None = None
        self._voiced = np.zeros(0, bool)  # of the opening's blocks (20 ms)
        self._proven = False  # that the opening is speech
        self._speech = False  # whether the opening holds any
        self._level = 0
        self._early: dict[int, tuple[Candidates, IntArray]] = {}  # of packets that the search for a voice saw
        self._examined = 0  # seconds of the opening looked at
        self._too_loud = False
        self._finished = False

    def push(self, block: FloatArray) -> list[tuple[IntArray, IntArray]]:
        """Take (n,) float samples at 16 kHz. Raises AudioError for any others, RuntimeError after ``finish``.

        Warns, once, of samples far above full scale (AudioWarning): only a recording in one piece can be brought down.
        """
        if self._finished:
            raise RuntimeError("the stream is finished: begin another Analysis")
        block = as_block(block)
        if not self._too_loud and (peak := peak_of(block)) > LOUDEST:
            self._too_loud = True
            warn(f"a block's samples reach {peak:.4g} times full scale; those of int16 are to be divided by 32768", AudioWarning)
        self._buffer = np.concatenate([self._buffer, block])
        self.num_samples += len(block)
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
        if self._opening_end is None and not self._find_opening():
            return []
        self._track_packets()
        if self.fields is None and not self._describe_opening():
            return []
        ready = []
        while self._coded * self.packet < self.num_samples:
            end = (self._coded + 1) * self.packet
            if not self._finished and not self._known(end):
                break
            ready.append(self._code_packet(self._coded))
            self._coded += 1
            self._forget()
        return ready

    def _known(self, end: int) -> bool:
        """Whether everything is there that a packet up to sample ``end`` depends on."""
        return self.num_samples >= end + self.context and self._tracked * self.packet >= end + self.f0_context

    def _window(self, start: int, end: int) -> FloatArray:
        """Samples [start, end) as far as the stream has them."""
        return self._buffer[max(0, start - self._start) : max(0, end - self._start)]

    def _track_packets(self) -> None:
        while self._tracked * self.packet < self.num_samples:
            start, end = self._tracked * self.packet, (self._tracked + 1) * self.packet
            if not self._finished and self.num_samples < end + trackers.CONTEXT:
                break
            left = max(0, start - trackers.CONTEXT)
            f0 = self.track(self._window(left, end + trackers.CONTEXT) * np.float32(level_gain(self._level)))
            own = f0[(start - left) // HOP : (end - left) // HOP]
            self._f0 = np.concatenate([self._f0, own])
            self._tracked += 1

    def _find_opening(self) -> bool:
        """Look at whole seconds as they arrive; once the opening is complete, take its level."""
        while self._opening_end is None:
            end = (self._examined + 1) * 16000
            if self.num_samples < end:
                if not self._finished:
                    return False
                self._opening_end = self.num_samples
                break
            self._examined += 1
            opening = self._window(0, end)
            power = block_power(opening)
            if not self._proven:
                f0 = self.track(opening[-16000:] * np.float32(level_gain(level_code(active_level(opening)))))
                self._voiced = np.concatenate([self._voiced, (f0 > 0).reshape(50, 2).any(1)])
                self._proven = bool(np.count_nonzero(stands_out(power) & self._voiced) >= VOICED_SECONDS * 50)
            quiet = np.quantile(power, 0.95) * 10 ** (-ACTIVE_RANGE / 10) if self._proven else 10 ** (QUIET / 10)
            if np.count_nonzero(power > quiet) >= ACTIVE_SECONDS * 50 or self._examined == OPENING_SECONDS:
                self._opening_end = end
        opening = self._window(0, self._opening_end)
        level = active_level(opening)
        # A short stream needs no proof: nothing comes that a wrong level would harm.
        proven = self._proven if self._examined == OPENING_SECONDS else stands_out(block_power(opening)).mean() >= 0.05
        self._speech = level > SILENCE or bool(proven)
        self._level = level_code(level if self._speech else REFERENCE_LEVEL)
        return True

    def _describe_opening(self) -> bool:
        """Once the F0 of the opening is known, fill in the fields."""
        end = self._opening_end
        assert end is not None
        if not self._finished and self._tracked * self.packet < end:
            return False
        mean, deviation = statistics(self._f0[: -(-end // HOP)])
        with torch.inference_mode():
            mel = self._mel(self._window(0, end))
            voice = self.networks.speaker.encode(mel)[0]
        self.fields = Fields(mean, deviation, self._level, tuple(voice.tolist()))
        if self.model.config.voice_search and self._speech:
            self.fields = self._search_voice(mel, end)
        return True

    def _search_voice(self, mel: torch.Tensor, end: int) -> Fields:
        """The fields with the voice that suits the opening's loudest packets; ``mel`` (1, 80, n) up to sample ``end``."""
        assert self.fields is not None
        count = -(-end // self.packet)
        if end >= ACTIVE_SECONDS * 16000:
            # More may follow, or not, and that must not matter: only packets whose surroundings are known from the opening.
            count = (end - max(self.context, self.f0_context)) // self.packet
        packets = [(start, min(start + self.packet, end)) for start in range(0, count * self.packet, self.packet)]
        # All excerpts get as many steps: a short last one only where there is no other.
        packets = [(start, stop) for start, stop in packets if stop - start >= SEGMENT * HOP] or packets
        loudest = sorted(packets, key=lambda packet: -np.square(self._window(*packet), dtype=np.float64).sum())
        excerpts = []
        for start, stop in loudest[:SEARCHED_PACKETS]:
            index = start // self.packet
            self._early[index] = candidates, f0 = self._candidates(start, stop), self._code_f0(start, stop)
            units, f0_codes = (torch.from_numpy(codes).long().to(self.device) for codes in (nearest(candidates), f0))
            excerpts.append(Excerpt(units, f0_codes, mel[0, :, start // HOP : stop // HOP]))
        return find_voice(self.networks, self.fast, self.fields, excerpts, self.model.config.voice_search)

    def _waveform(self, window: FloatArray) -> torch.Tensor:
        """(n,) -> (1, 1280 m), the window at the reference level."""
        padded = np.pad(window, (0, -len(window) % CODE_SAMPLES)).astype(np.float64) * level_gain(self._level)
        return torch.from_numpy(padded)[None].to(self.device)

    def _mel(self, window: FloatArray) -> torch.Tensor:
        """(n,) -> normalised log-mel (1, 80, m) of the window at the reference level, m a multiple of 8."""
        return normalise(log_mel(self._waveform(window)))

    def _code_packet(self, index: int) -> tuple[IntArray, IntArray]:
        start = index * self.packet
        end = min(start + self.packet, self.num_samples)
        known = self._early.pop(index, None)
        candidates, f0 = known or (self._candidates(start, end), self._code_f0(start, end))
        return (nearest(candidates) if self.rate is None else self.rate.apply(candidates, f0)), f0

    def _candidates(self, start: int, end: int) -> Candidates:
        """What may be sent of a packet's samples [start, end)."""
        left = max(0, start - self.context)
        window = self._window(left, start + self.packet + self.context)
        first = (start - left) // self.unit_hop
        own = slice(first, first + -(-(end - start) // self.unit_hop))
        return self.decision.candidates(self._waveform(window), own)

    def _code_f0(self, start: int, end: int) -> IntArray:
        """F0 codes of a packet's samples [start, end)."""
        assert self.fields is not None
        left, right = max(0, start - self.f0_context), start + self.packet + self.f0_context
        f0 = self._f0[left // HOP - self._f0_start : right // HOP - self._f0_start]
        f0 = np.pad(f0, (0, -len(f0) % STRIDE))
        channels = self.networks.pitch.channels(f0, *mean_and_deviation(self.fields.mean, self.fields.deviation))
        with torch.inference_mode():
            codes = self.networks.pitch.encode(torch.from_numpy(channels.astype(np.float64))[None].to(self.device))[0, 0]
        first = (start - left) // CODE_SAMPLES
        return codes[first : first + -(-(end - start) // CODE_SAMPLES)].cpu().numpy().astype(np.int32)

    def _forget(self) -> None:
        """Drop what no later packet will look at."""
        done = min(self._coded, self._tracked) * self.packet
        keep = max(self._start, done - max(self.context, trackers.CONTEXT))
        self._buffer, self._start = self._buffer[keep - self._start :], keep
        keep_f0 = max(self._f0_start, (done - self.f0_context) // HOP)
        self._f0, self._f0_start = self._f0[keep_f0 - self._f0_start :], keep_f0


def surroundings(content: ContentFamily) -> int:
    """Samples before and after a packet in its window: the encoder's context and half a spectrum's window, in whole F0 codes."""
    return _whole_codes(content.context * HOP + WINDOW // 2)


def _whole_codes(samples: int) -> int:
    return -(-samples // CODE_SAMPLES) * CODE_SAMPLES
