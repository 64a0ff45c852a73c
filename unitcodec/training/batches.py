"""Random crops of a corpus, speakers drawn evenly enough, with modest augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from ..errors import UnitcodecError
from ..frames import HOP, REFERENCE_LEVEL, active_level, level_code, level_gain
from ..pitch.track import mean_and_deviation, statistics, track_channels
from . import parallel
from .augmentation import Augmentation, another_voice, coloured_noise, equalized, random_filter, small_room, vocal_tract
from .corpus import Corpus, Utterance

SHORTEST = 16000
"""Utterances of no more samples are not trained on."""


CLEAN = 20.0
"""dB between speech and background from which on a recording is a decoder's target."""

TRIES = 20
"""Utterances that are drawn anew for one that is clean; a corpus may have none."""


@dataclass(frozen=True)
class Crop:
    clean: np.ndarray
    """(T,) float32, level-normalised: what shall come out."""
    heard: np.ndarray
    """(T,) float32: the same with another microphone, noise or a room now and then: what goes in."""
    track: np.ndarray
    """(2, T / 160): normalised log-F0 and voicing."""
    mean: float
    deviation: float
    other: np.ndarray
    """(T_s,) float32: another stretch of the same utterance, for the speaker encoder."""
    vtlp: float
    """How many times as high formants shall seem to the content encoder; 1 most times."""
    clean_target: float
    """1 where the recording is clean enough for a decoder to learn from, else 0."""
    nested: float
    """How coarse the codes shall be, from 0 (as fine as they are) to 1 (the coarsest of :func:`unitcodec.steps.coarser`)."""


@dataclass(frozen=True)
class Stretch:
    utterance: Utterance
    first: int
    """Frame (20 ms) of the utterance at which it begins."""
    waveform: np.ndarray
    """(T,) float32, level-normalised, with another microphone, noise or a room now and then; zeros after the utterance's end."""
    seed: int
    """For whatever else is random about it."""


class Batches:
    """Crops of ``seconds`` from ``corpus``, those of a step the same ones however many processes share them.

    Speakers are drawn with probability proportional to the square root of their hours, or to another power of them: evenly
    enough that the many speakers with one utterance count, without repeating those utterances hundreds of times.
    """

    def __init__(
        self,
        corpus: Corpus,
        seconds: float,
        augmentation: Augmentation,
        seed: int,
        held_out: set[str] | None = None,
        utterances: Sequence[Utterance] | None = None,
    ):
        """``held_out``: speakers that are never drawn; ``utterances``: of the corpus, all that are drawn; None: any."""
        self.corpus, self.samples, self.augmentation = corpus, round(seconds * 16000 / 1280) * 1280, augmentation
        self.seed, self.rng = seed, np.random.default_rng(seed)
        groups: dict[str, list[Utterance]] = {}
        for utterance in corpus.utterances if utterances is None else utterances:
            if utterance.samples > SHORTEST and utterance.speaker not in (held_out or set()):
                groups.setdefault(utterance.speaker, []).append(utterance)
        if not groups:
            raise UnitcodecError(f"{corpus.folder}: no utterance of more than a second to train on")
        self.groups = list(groups.values())
        hours = np.power([float(sum(u.samples for u in group)) for group in self.groups], augmentation.hours_power)
        self.weights = hours / hours.sum()
        self._levels: dict[int, tuple[float, int, int, float]] = {}

    def _facts(self, utterance: Utterance) -> tuple[float, int, int, float]:
        """Gain to the reference level, the codes of the F0 statistics, 1 if clean: computed once an utterance."""
        if utterance.start not in self._levels:
            waveform = self.corpus.waveform(utterance).astype(np.float32) / 32768
            gain = level_gain(level_code(active_level(waveform)))
            clean = float(speech_to_noise(waveform) >= CLEAN)
            self._levels[utterance.start] = (gain, *statistics(np.asarray(self.corpus.pitch(utterance))), clean)
        return self._levels[utterance.start]

    def _stretch(self, utterance: Utterance, samples: int) -> tuple[int, np.ndarray, np.ndarray]:
        """A random stretch of whole F0 frames, zero-padded if the utterance is shorter."""
        frames = samples // HOP
        start = int(self.rng.integers(0, max(1, utterance.frames - frames)))
        audio = self.corpus.waveform(utterance)[start * HOP : start * HOP + samples].astype(np.float32) / 32768
        f0 = np.asarray(self.corpus.pitch(utterance)[start : start + frames])
        return start, np.pad(audio, (0, samples - len(audio))), np.pad(f0, (0, frames - len(f0)))

    def _utterance(self) -> Utterance:
        group = self.groups[self.rng.choice(len(self.groups), p=self.weights)]
        lengths = np.array([u.samples for u in group], float)
        return group[self.rng.choice(len(group), p=lengths / lengths.sum())]

    def crop(self) -> Crop:
        rng, a = self.rng, self.augmentation
        utterance = self._utterance()
        for _ in range(TRIES if a.clean else 0):
            if self._facts(utterance)[3]:
                break
            utterance = self._utterance()
        gain, mean_code, deviation_code, clean_target = self._facts(utterance)
        gain *= 10 ** (rng.uniform(-a.gain_db, a.gain_db) / 20)
        mean, deviation = mean_and_deviation(mean_code, deviation_code)
        speed = 1 + rng.uniform(-a.speed_range, a.speed_range) if rng.random() < a.speed else 1.0
        length = self.samples if speed == 1.0 else int(np.ceil(self.samples * speed / HOP)) * HOP + HOP
        _, clean, f0 = self._stretch(utterance, length)
        _, other, _ = self._stretch(utterance, 3 * 16000)
        if speed != 1.0:
            # Played `speed` times as fast: pitch and formants move together, a speaker that the corpus does not have.
            clean = soxr.resample(clean, speed * 16000, 16000, "LQ")[: self.samples].astype(np.float32)
            clean = np.pad(clean, (0, self.samples - len(clean)))
            other = soxr.resample(other, speed * 16000, 16000, "LQ").astype(np.float32)[: int(2.6 * 16000)]
            position = np.minimum(np.rint(np.arange(self.samples // HOP) * speed).astype(int), len(f0) - 1)
            f0 = f0[position] * np.float32(speed)
            mean += np.log(speed)
        clean, other = clean * np.float32(gain), other * np.float32(gain)
        if a.voice and rng.random() < a.voice:
            clean, other = another_voice(rng, clean, other, tract=a.tract_range, colour_db=a.colour_db)
        heard = clean
        if a.heard_tract and rng.random() < a.heard_tract:
            heard = vocal_tract(heard, float(np.exp(rng.uniform(-a.vtlp_range, a.vtlp_range)))).astype(np.float32)
        heard, track = self._heard(heard), track_channels(f0, mean, deviation)
        vtlp = self._vtlp()
        nested = float(rng.random()) if a.nested and rng.random() < a.nested else 0.0
        return Crop(clean, heard, track, mean, deviation, other[: int(2.6 * 16000)], vtlp, clean_target, nested)

    def _vtlp(self) -> float:
        rng, a = self.rng, self.augmentation
        return float(np.exp(rng.uniform(-a.vtlp_range, a.vtlp_range))) if a.vtlp and rng.random() < a.vtlp else 1.0

    def _heard(self, clean: np.ndarray) -> np.ndarray:
        rng, a = self.rng, self.augmentation
        heard = clean
        if a.equalizer and rng.random() < a.equalizer:
            heard = equalized(heard, random_filter(rng, a.equalizer_db)).astype(np.float32)
        if rng.random() < a.room:
            heard = small_room(rng, heard).astype(np.float32)
        if rng.random() < a.noise:
            level = 10 ** ((REFERENCE_LEVEL - rng.uniform(*a.snr_range)) / 20)
            voices = a.babble and rng.random() < a.babble
            noise = self._babble(len(heard)) if voices else coloured_noise(rng, len(heard))
            heard = heard + (noise * level).astype(np.float32)
        return heard

    def _babble(self, samples: int) -> np.ndarray:
        """A few other people who speak at once, (samples,), unit RMS."""
        total = np.zeros(samples)
        for _ in range(self.rng.integers(1, 7)):
            utterance = self._utterance()
            _, voice, _ = self._stretch(utterance, -(-samples // HOP) * HOP)
            total += self._facts(utterance)[0] * 10 ** (self.rng.uniform(-6, 6) / 20) * voice[:samples]
        return total / (np.sqrt(np.mean(total**2)) + 1e-9)

    def stretch(self) -> Stretch:
        """A stretch as it was said, speed unchanged, for targets that belong to the corpus' own frames."""
        utterance = self._utterance()
        gain = self._facts(utterance)[0] * 10 ** (self.rng.uniform(-self.augmentation.gain_db, self.augmentation.gain_db) / 20)
        frames = self.samples // HOP
        # On even frames (20 ms), where units begin.
        first = 2 * int(self.rng.integers(0, max(1, (utterance.frames - frames) // 2)))
        audio = self.corpus.waveform(utterance)[first * HOP : first * HOP + self.samples].astype(np.float32) / 32768
        waveform = np.pad(audio, (0, self.samples - len(audio))) * np.float32(gain)
        return Stretch(utterance, first // 2, self._heard(waveform), int(self.rng.integers(2**31)))

    def stretches(self, size: int, step: int) -> list[Stretch]:
        """This process's ``size`` stretches of a step."""
        return [self.stretch() for _ in self._drawn(size, step)]

    def utterances(self, size: int, step: int) -> list[tuple[Utterance, np.ndarray, float]]:
        """This process's ``size`` whole utterances of a step, waveforms (T_i,) as they are heard, and by how much their formants
        shall seem higher.
        """
        drawn = []
        for _ in self._drawn(size, step):
            utterance = self._utterance()
            waveform = self.corpus.waveform(utterance).astype(np.float32) / 32768
            heard = self._heard(waveform * np.float32(self._facts(utterance)[0]))
            drawn.append((utterance, heard, self._vtlp()))
        return drawn

    def batch(self, size: int, step: int = 0) -> dict[str, np.ndarray]:
        """This process's ``size`` crops of a step: clean, heard (B, T); track (B, 2, T / 160); other (B, T_s); mean, deviation,
        vtlp, clean_target, nested (B,).
        """
        crops = [self.crop() for _ in self._drawn(size, step)]
        return {name: np.stack([getattr(crop, name) for crop in crops]).astype(np.float32) for name in Crop.__dataclass_fields__}

    def _drawn(self, size: int, step: int) -> Iterator[int]:
        """Numbers of the crops, each with randomness of its own: who draws it, and what was drawn before, does not matter."""
        for index in parallel.share(size):
            self.rng = np.random.default_rng((self.seed, step, index))
            yield index


def speech_to_noise(waveform: np.ndarray) -> float:
    """By how much the active speech in (T,) is louder than its quietest moments (5th percentile of 20 ms blocks), dB."""
    power = np.square(waveform[: len(waveform) // 320 * 320].reshape(-1, 320), dtype=np.float64).mean(1)
    quiet = float(np.quantile(power, 0.05)) if len(power) else 0.0
    return active_level(waveform) - 10.0 * float(np.log10(max(quiet, 1e-12)))


def held_out_speakers(corpus: Corpus, count: int = 8) -> set[str]:
    """Speakers for validation, never trained on: the last ``count`` of those with one utterance.

    In a corpus without such speakers the one in twenty that say least, at least one; never more than half of all, so none
    where there is one speaker.
    """
    number: dict[str, int] = {}
    length: dict[str, int] = {}
    for utterance in corpus.utterances:
        if utterance.samples > SHORTEST:
            number[utterance.speaker] = number.get(utterance.speaker, 0) + 1
            length[utterance.speaker] = length.get(utterance.speaker, 0) + utterance.samples
    single = sorted(speaker for speaker, n in number.items() if n == 1)[-count:]
    least = sorted(number, key=lambda speaker: (length[speaker], speaker))[: min(count, max(1, len(number) // 20))]
    return set((single or least)[: len(number) // 2])


def validation_batches(corpus: Corpus, seconds: float, held_out: set[str]) -> Batches:
    """The same crops every time, as they are, of the speakers held out; of all speakers where there are none."""
    others = {utterance.speaker for utterance in corpus.utterances} - held_out if held_out else set()
    return Batches(corpus, seconds, Augmentation(0, 0, 0, 0, 0), 1, others)
