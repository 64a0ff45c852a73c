"""F0 errors between two recordings of the same length: VDE, GPE and FFE.

VDE and FFE follow Chu and Alwan 2009, *Reducing F0 frame error of F0 tracking algorithms under noisy conditions with
an unvoiced/voiced classification frontend*; GPE follows Rabiner et al. 1976 with its usual 20 %. The tracker on both
sides is swift-f0 at its own frames of 256 samples (62.5 Hz), a frame being voiced from a confidence of 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.waveform import FloatArray

PACKAGES = ("swift_f0",)

F0_MIN, F0_MAX = 55.0, 500.0
"""Hz; the search range."""

GROSS = 0.2
"""A pitch off by more than this share of the reference pitch is a gross error."""


@dataclass(frozen=True)
class PitchErrors:
    """Frame counts of one utterance; add them up over utterances before dividing."""

    frames: int
    both_voiced: int
    voicing_errors: int
    gross_errors: int

    def __add__(self, other: PitchErrors) -> PitchErrors:
        return PitchErrors(
            self.frames + other.frames,
            self.both_voiced + other.both_voiced,
            self.voicing_errors + other.voicing_errors,
            self.gross_errors + other.gross_errors,
        )

    @property
    def vde(self) -> float:
        """Voicing decision error: frames voiced on one side only, over all frames."""
        return self.voicing_errors / max(1, self.frames)

    @property
    def gpe(self) -> float:
        """Gross pitch error: pitch off by more than 20 %, over the frames voiced on both sides."""
        return self.gross_errors / max(1, self.both_voiced)

    @property
    def ffe(self) -> float:
        """F0 frame error: either of the two errors, over all frames."""
        return self.errors / max(1, self.frames)

    @property
    def errors(self) -> int:
        """Frames with either error; no frame has both."""
        return self.voicing_errors + self.gross_errors


@lru_cache(maxsize=1)
def _tracker() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def track(waveform: FloatArray) -> FloatArray:
    """F0 in Hz ``(T // 256,)``, 0 where unvoiced."""
    # The tracker's analysis window is 2048 samples; shorter input is padded.
    result = _tracker().detect(np.pad(waveform, (0, max(0, 2048 - len(waveform)))), 16000, fmin=F0_MIN, fmax=F0_MAX)
    return np.where(result.confidence >= 0.5, result.pitch_hz, 0.0).astype(np.float32)


def compare(reference: FloatArray, decoded: FloatArray) -> PitchErrors:
    """Errors of one F0 track (Hz, 0 unvoiced) against another; frames that one of them lacks count as unvoiced there."""
    frames = max(len(reference), len(decoded))
    wanted = np.pad(reference, (0, frames - len(reference)))
    given = np.pad(decoded, (0, frames - len(decoded)))
    both = (wanted > 0) & (given > 0)
    gross = both & (np.abs(given - wanted) > GROSS * wanted)
    return PitchErrors(frames, int(both.sum()), int(((wanted > 0) != (given > 0)).sum()), int(gross.sum()))
