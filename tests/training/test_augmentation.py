"""What is done to crops: noise, rooms, microphones, voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.pitch.tracker import swift_f0
from unitcodec.training.augmentation import another_voice, coloured_noise, equalized, random_filter, small_room, vocal_tract


@pytest.fixture(scope="module")
def said(speech: Path) -> np.ndarray:
    wave: np.ndarray = soundfile.read(speech, dtype="float32", frames=64000)[0]
    return wave


def test_noise_and_rooms() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        noise = coloured_noise(rng, 16000)
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, rel=1e-6)
        click = np.zeros(16000)
        click[100] = 1
        heard = small_room(rng, click)
        assert heard.shape == click.shape
        assert not np.abs(heard[:100]).max() > 1e-9
        assert heard[100] == pytest.approx(1)
        assert 10 ** (-20.5 / 10) < np.sum(heard[101:] ** 2) < 10 ** (-4.5 / 10)


def _centroid(wave: np.ndarray) -> float:
    """Hz, of the power between 200 Hz and 4 kHz."""
    power, hertz = np.abs(np.fft.rfft(wave)) ** 2, np.fft.rfftfreq(len(wave), 1 / 16000)
    band = (hertz > 200) & (hertz < 4000)
    return float((power * hertz)[band].sum() / power[band].sum())


def test_a_vocal_tract_moves_formants_and_leaves_f0(said: np.ndarray) -> None:
    assert np.allclose(vocal_tract(said, 1.0), said, atol=1e-6)
    longer, shorter = (vocal_tract(said, factor) for factor in (0.88, 1.12))
    assert _centroid(longer) < 0.96 * _centroid(said)
    assert _centroid(shorter) > 1.04 * _centroid(said)
    before = swift_f0(said)
    for changed in (longer, shorter):
        assert changed.shape == said.shape
        after = swift_f0(changed.astype(np.float32))
        both = (before > 0) & (after > 0)
        assert both.sum() > 0.8 * (before > 0).sum()
        assert np.median(np.abs(np.log(after[both] / before[both]))) < 0.02


def test_another_voice_is_one_voice_as_loud_as_it_was(said: np.ndarray) -> None:
    one, two = another_voice(np.random.default_rng(0), said, said[:32000], tract=0.12, colour_db=3.0)
    assert (one.dtype, one.shape, two.shape) == (np.float32, said.shape, (32000,))
    before, after = np.sum(said**2) + np.sum(said[:32000] ** 2), np.sum(one**2) + np.sum(two**2)
    assert after == pytest.approx(before, rel=1e-3)
    # The same change to both: where they are the same speech, edges aside, they sound the same.
    assert np.abs(one - said)[2000:30000].max() > 0.02
    assert np.allclose(one[2000:30000], two[2000:30000], atol=0.02)


def test_silence_stays_silent() -> None:
    silent = another_voice(
        np.random.default_rng(0), np.zeros(20480, np.float32), np.zeros(9000, np.float32), tract=0.1, colour_db=3
    )
    assert not any(np.abs(part).max() > 1e-6 for part in silent)


def test_a_random_filter_is_smooth_and_as_strong_as_asked_for() -> None:
    impulse = np.zeros(16000)
    impulse[0] = 1
    gains = []
    for seed in range(20):
        response = equalized(impulse, random_filter(np.random.default_rng(seed), 5.0))
        gains.append(20 * np.log10(np.abs(np.fft.rfft(response))))
    assert 4 < np.std(gains) < 7
    assert np.abs(np.diff(gains)).max() < 1
