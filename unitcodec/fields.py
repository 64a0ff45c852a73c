"""The fields that a stream sends once: statistics of F0, level, voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitstream.arrays import IntArray


@dataclass(frozen=True)
class Fields:
    """What is sent once a stream, in the order of ``SpeechCodes.speaker``."""

    mean: int
    deviation: int
    level: int
    voice: tuple[int, ...]

    def codes(self) -> IntArray:
        return np.array([self.mean, self.deviation, self.level, *self.voice], np.int32)

    @staticmethod
    def from_codes(codes: IntArray) -> Fields:
        mean, deviation, level, *voice = codes.tolist()
        return Fields(mean, deviation, level, tuple(voice))
