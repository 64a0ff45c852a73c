"""The opening of a stream: the stretch that level, F0 statistics and speaker code are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitstream.entropy.spec import SAMPLE_RATE

from ..arrays import FloatArray
from ..fields import Fields
from ..frames import REFERENCE_LEVEL, active_level, block_power, level_code, level_gain, stands_out
from ..pitch.track import statistics
from ..pitch.tracker import Tracker

OPENING_SECONDS = 60
"""The longest opening."""

ACTIVE_SECONDS = 8
"""Active signal that ends an opening."""

QUIET = -55.0
"""Blocks above this level (dB re full scale) count as active."""

ACTIVE_RANGE = 36.0
"""In a stream that proves to be speech, blocks count that come so near (dB) to its loudest ones instead."""

VOICED_SECONDS = 2
"""The proof: so much that is voiced and stands out. Hiss, hum and rustling before a speaker begins are none."""

FAINT = -36.0
"""dB re full scale. What is no louder has to prove that it is speech: it may be the room before somebody speaks."""

SILENCE = -60.0
"""Below this level a stream that does not prove to be speech holds none to judge the level by: it may yet come."""

BLOCKS = 50
"""A second; see :func:`unitcodec.frames.block_power`."""


@dataclass(frozen=True)
class Opening:
    """Samples [0, ``end``) of a stream; ``level`` code of what is active in them; ``speech``: whether they hold any.

    Those before ``begin`` are the room before somebody speaks, and say nothing of level and voice.
    """

    end: int
    level: int
    speech: bool
    begin: int = 0

    @property
    def may_go_on(self) -> bool:
        """Whether more samples may follow; a stream with a shorter opening has ended."""
        return self.end >= ACTIVE_SECONDS * SAMPLE_RATE


class OpeningSearch:
    """Looks for the end of the opening: where it holds 8 s of active signal or is a minute long, or where the stream ends."""

    def __init__(self, track: Tracker) -> None:
        self._track = track
        self._voiced = np.zeros(0, bool)  # of the blocks whose F0 was asked for
        self._speech = False  # proven
        self._seconds = 0  # looked at
        self._room = 0  # blocks at its beginning that are too faint for speech

    @property
    def _room_end(self) -> int:
        """In samples."""
        return self._room * SAMPLE_RATE // BLOCKS

    def look(self, samples: FloatArray, complete: bool) -> Opening | None:
        """All samples (n,) of the stream so far -> its opening; None as long as it is not all there.

        Each whole second is looked at once. ``complete``: no more samples will come.
        """
        while (end := (self._seconds + 1) * SAMPLE_RATE) <= len(samples):
            self._seconds += 1
            if self._is_enough(samples[:end]) or self._seconds == OPENING_SECONDS:
                return self._found(samples[:end])
        return self._found(samples) if complete else None

    def _is_enough(self, samples: FloatArray) -> bool:
        """Whether there is enough active signal now that one more second is there."""
        power = block_power(samples)
        quiet = 10 ** (QUIET / 10), np.quantile(power, 0.95) * 10 ** (-ACTIVE_RANGE / 10)
        enough, of_speech = (bool(np.count_nonzero(power[self._room :] > each) >= ACTIVE_SECONDS * BLOCKS) for each in quiet)
        if enough and active_level(samples[self._room_end :]) <= FAINT and not self._is_proven(samples):
            self._room = len(power)
            return False
        # F0 takes time, and seldom matters: most speech is as long active by either measure.
        return enough if enough == of_speech else self._is_proven(samples) == of_speech

    def _is_proven(self, samples: FloatArray) -> bool:
        """Whether at the end of any whole second there was the proof that the stream holds speech."""
        while not self._speech and (end := len(self._voiced) // BLOCKS * SAMPLE_RATE + SAMPLE_RATE) <= len(samples):
            known = samples[:end]
            f0 = self._track(known[-SAMPLE_RATE:] * np.float32(level_gain(level_code(active_level(known)))))
            self._voiced = np.concatenate([self._voiced, (f0 > 0).reshape(BLOCKS, 2).any(1)])
            self._speech = bool(np.count_nonzero(stands_out(block_power(known)) & self._voiced) >= VOICED_SECONDS * BLOCKS)
        return self._speech

    def _found(self, samples: FloatArray) -> Opening:
        # Unless hardly anything follows it, the room does not count.
        begin = self._room_end if len(samples) - self._room_end >= SAMPLE_RATE else 0
        level = active_level(samples[begin:])
        speech = level > SILENCE
        if not speech:
            # A short stream needs no proof: nothing comes that a wrong level would harm.
            whole = self._seconds == OPENING_SECONDS
            speech = self._is_proven(samples) if whole else bool(stands_out(block_power(samples)).mean() >= 0.05)
        elif self._seconds == OPENING_SECONDS and not self._is_proven(samples):
            # What comes may be speech, and much louder.
            level = max(level, FAINT)
        return Opening(len(samples), level_code(level if speech else REFERENCE_LEVEL), speech, begin)


def fields_of(voice: tuple[int, ...], f0: FloatArray, level: int) -> Fields:
    """What a stream says once.

    Args:
        voice: the code of who speaks.
        f0: (m,), F0 of the speech in Hz, 0 where unvoiced.
        level: its level code.
    """
    return Fields(*statistics(f0), level, voice)
