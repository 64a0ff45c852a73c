"""The judges' arithmetic on inputs whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import asr, bootstrap, loudness, pitch, speaker, text
from benchmarks.waveform import SAMPLE_RATE, read


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    """A voice-like tone: 20 harmonics falling 6 dB an octave, peak about 0.3."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = [np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 21) if hz * k < 7000]
    return (0.15 * sum(harmonics)).astype(np.float32)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [("", "", 0), ("ABC", "", 3), ("", "ABC", 3), ("KITTEN", "SITTING", 3), ("ABC", "ABC", 0), ("AB", "BA", 2)],
)
def test_edit_distance(reference: str, hypothesis: str, distance: int) -> None:
    assert text.edit_distance(reference, hypothesis) == distance


def test_normalise_keeps_letters_apostrophes_and_single_spaces() -> None:
    assert text.normalise("  It's  a <sil> dog-cart.\n") == "IT'S A SIL DOG CART"


def test_error_counts_are_of_the_normalised_reference() -> None:
    assert text.character_errors("the  cat", "THE CAR") == (1, 7)
    assert text.word_errors("the  cat sat", "THE CAR") == (2, 3)


def test_what_was_heard_before_does_not_change_the_words(speech: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="the recogniser, pocketsphinx, is not installed")
    if not speech.exists():
        pytest.skip(f"{speech} is not there")
    rng = np.random.default_rng(0)
    # In noise the recogniser is near many decisions.
    words = read(speech)[: 3 * SAMPLE_RATE]
    words = words + 0.3 * words.std() * rng.standard_normal(len(words)).astype(np.float32)
    first = asr.transcribe(words)
    for level in (0.001, 0.3):
        asr.transcribe((level * rng.standard_normal(SAMPLE_RATE)).astype(np.float32))
        assert asr.transcribe(words) == first
    assert first


def test_pitch_errors_count_each_frame_once() -> None:
    reference = np.array([0, 0, 100, 100, 100, 100], np.float32)
    decoded = np.array([0, 90, 0, 119, 121, 79], np.float32)
    errors = pitch.compare(reference, decoded)
    assert errors == pitch.PitchErrors(frames=6, both_voiced=3, voicing_errors=2, gross_errors=2)
    assert (errors.vde, errors.gpe, errors.ffe) == (2 / 6, 2 / 3, 4 / 6)
    assert (errors + errors).ffe == errors.ffe


def test_a_missing_pitch_frame_is_an_unvoiced_one() -> None:
    assert pitch.compare(np.full(4, 100, np.float32), np.full(3, 100, np.float32)).voicing_errors == 1


def test_pitch_of_tones() -> None:
    pytest.importorskip("swift_f0", reason="the F0 judge, swift-f0, is not installed")
    low, near, far = (pitch.track(tone(hz)) for hz in (120.0, 126.0, 180.0))
    assert np.median(low[low > 0]) == pytest.approx(120, rel=0.02)
    assert pitch.compare(low, low).ffe == 0
    assert pitch.compare(low, near).ffe < 0.1
    assert pitch.compare(low, far).gpe > 0.9
    silent = pitch.compare(low, pitch.track(np.zeros(SAMPLE_RATE, np.float32)))
    assert silent.both_voiced == 0
    assert silent.vde > 0.8


def test_loudness_follows_the_gain() -> None:
    pytest.importorskip("pyloudnorm", reason="the loudness judge, pyloudnorm, is not installed")
    voice = tone(150.0)
    assert loudness.loudness(0.5 * voice) - loudness.loudness(voice) == pytest.approx(-6.02, abs=0.01)
    assert loudness.loudness(np.zeros(SAMPLE_RATE, np.float32)) == loudness.FLOOR
    assert np.isfinite(loudness.loudness(voice[:100]))


def test_cosine() -> None:
    a, b = np.array([1, 0], np.float32), np.array([1, 1], np.float32)
    assert speaker.cosine(a, a) == 1
    assert speaker.cosine(a, b) == pytest.approx(0.5**0.5)
    assert speaker.cosine(a, 0 * a) == 0


def test_interval_holds_the_pooled_ratio_and_narrows_with_more_utterances() -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(50, 200, size=400)
    errors = rng.binomial(lengths, 0.3)
    few, many = (bootstrap.interval(errors[:n].tolist(), lengths[:n].tolist()) for n in (25, 400))
    assert few[0] < errors[:25].sum() / lengths[:25].sum() < few[1]
    assert many[0] < errors.sum() / lengths.sum() < many[1]
    # A quarter of the width in expectation: sixteen times as many utterances.
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_interval_of_a_mean_agrees_with_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(5.0, 2.0, size=500)
    low, high = bootstrap.interval(values.tolist())
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 500**0.5, rel=0.1)


def test_interval_is_repeatable_and_exact_where_nothing_varies() -> None:
    assert bootstrap.interval([1.0, 2.0, 4.0]) == bootstrap.interval([1.0, 2.0, 4.0])
    assert bootstrap.interval([2.0, 2.0], [4.0, 4.0]) == (0.5, 0.5)
