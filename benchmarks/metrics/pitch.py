"""F0 errors between two recordings of the same length: VDE, GPE, FFE, log-F0 RMSE and correlation.

VDE and FFE follow Chu and Alwan 2009, *Reducing F0 frame error of F0 tracking algorithms under noisy conditions with
an unvoiced/voiced classification frontend*; GPE follows Rabiner et al. 1976 with its usual 20 %. RMSE and Pearson's
correlation are of the natural logarithm of F0 over the frames voiced on both sides (0.01 is 17 cents); the correlation is
within utterances: every utterance's mean is taken out first, or the speakers' different pitches alone would make it high.

Where another voice is wanted, F0 should be that voice's: there the decoded track is first scaled by the ratio of the two
median voiced F0s, so that GPE, FFE and RMSE compare the melody only.

The tracker on both sides is swift-f0 at its own frames of 256 samples (62.5 Hz), a frame being voiced from a confidence
of 0.5. As unitcodec's encoder uses swift-f0 too, YAAPT (Zahorian and Hu 2008, the tracker of Polyak et al. 2021) is
reported beside it, every 10 ms.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.waveform import FloatArray

PACKAGES = ("swift_f0",)
YAAPT_PACKAGES = ("amfm_decompy", "torch")

F0_MIN, F0_MAX = 55.0, 500.0
"""Hz; the search range."""

FRAMES: dict[str, Callable[[int], int]] = {
    "f0": lambda samples: max(samples, 2048) // 256,
    "f0_yaapt": lambda samples: -(-samples // 160),
}
"""By judge: samples at 16 kHz -> the frames that :func:`track` and :func:`yaapt` give."""

GROSS = 0.2
"""A pitch off by more than this share of the reference pitch is a gross error."""


@dataclass(frozen=True)
class PitchErrors:
    """Frame counts and sums of one utterance; add them up over utterances before dividing.

    ``squared`` sums the squared difference of log F0; ``spread_reference``, ``spread_decoded`` and ``spread_both`` the squared
    deviations of log F0 from the utterance's mean and their product, all over the frames voiced on both sides. Those ending
    in ``_scaled`` are of the decoded track at the reference's median.
    """

    frames: int = 0
    both_voiced: int = 0
    voicing_errors: int = 0
    gross_errors: int = 0
    gross_errors_scaled: int = 0
    squared: float = 0.0
    squared_scaled: float = 0.0
    spread_reference: float = 0.0
    spread_decoded: float = 0.0
    spread_both: float = 0.0

    def __add__(self, other: PitchErrors) -> PitchErrors:
        return PitchErrors(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

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

    def scaled(self) -> PitchErrors:
        """The errors that are left once the decoded track is scaled to the reference's median F0."""
        return replace(self, gross_errors=self.gross_errors_scaled, squared=self.squared_scaled)


@lru_cache(maxsize=1)
def _tracker() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def track(waveform: FloatArray) -> FloatArray:
    """F0 in Hz ``(max(T, 2048) // 256,)``, 0 where unvoiced."""
    # The tracker's analysis window is 2048 samples; shorter input is padded.
    result = _tracker().detect(np.pad(waveform, (0, max(0, 2048 - len(waveform)))), 16000, fmin=F0_MIN, fmax=F0_MAX)
    return np.where(result.confidence >= 0.5, result.pitch_hz, 0.0).astype(np.float32)


def yaapt(waveform: FloatArray) -> FloatArray:
    """F0 in Hz ``(ceil(T / 160),)`` by YAAPT, 0 where unvoiced."""
    from unitcodec.pitch import tracker

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # YAAPT divides by the energy of silence
        return np.nan_to_num(tracker.yaapt(waveform))


def compare(reference: FloatArray, decoded: FloatArray) -> PitchErrors:
    """Errors of one F0 track (Hz, 0 unvoiced) against another; frames that one of them lacks count as unvoiced there."""
    frames = max(len(reference), len(decoded))
    wanted = np.pad(reference, (0, frames - len(reference)))
    given = np.pad(decoded, (0, frames - len(decoded)))
    both = (wanted > 0) & (given > 0)
    # The median voiced F0 is the speaker's, the melody is what is left of it.
    ratio = np.median(wanted[wanted > 0]) / np.median(given[given > 0]) if both.any() else 1.0
    wanted_log, given_log = np.log(wanted[both], dtype=np.float64), np.log(given[both], dtype=np.float64)
    centred = [each - each.mean() if len(each) else each for each in (wanted_log, given_log)]
    return PitchErrors(
        frames,
        int(both.sum()),
        int(((wanted > 0) != (given > 0)).sum()),
        _gross(wanted[both], given[both]),
        _gross(wanted[both], given[both] * ratio),
        float(np.sum((given_log - wanted_log) ** 2)),
        float(np.sum((given_log + np.log(ratio) - wanted_log) ** 2)),
        float(np.sum(centred[0] ** 2)),
        float(np.sum(centred[1] ** 2)),
        float(np.sum(centred[0] * centred[1])),
    )


def _gross(wanted: FloatArray, given: FloatArray) -> int:
    return int((np.abs(given - wanted) > GROSS * wanted).sum())
