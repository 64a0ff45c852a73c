"""Channels become one: their mean, except where they cancel each other; the same however they were cut."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitcodec.audio.mixing import Mixer, peak_of, scale_down
from unitcodec.errors import AudioWarning

RATE = 16000


def noise(seconds: float, seed: int, level: float = 0.1) -> np.ndarray:
    """(T,) float32"""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], 1).astype(np.float32)


def mixed(frames: np.ndarray, cuts: list[int] | None = None, **options: float) -> np.ndarray:
    mixer = Mixer(frames.shape[1], RATE, "talk.wav", **options)
    parts = [mixer.push(part) for part in np.split(frames, cuts or [])]
    return np.concatenate([*parts, mixer.finish()])


def level(samples: np.ndarray) -> float:
    """dB re full scale"""
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean() + 1e-20))


@pytest.mark.parametrize("second", [1.0, 0.7, 0.0, -0.3], ids=str)
def test_ordinary_channels_become_their_mean(second: float) -> None:
    left = noise(2, 1)
    frames = stereo(left, second * left + noise(2, 2, 0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(mixed(frames), (frames[:, 0] + frames[:, 1]) / np.float32(2))


@pytest.mark.parametrize("channels", [3, 7, 300])
def test_one_speaker_among_silent_channels_is_nothing_to_remark(channels: int) -> None:
    frames = np.zeros((RATE, channels), np.float32)
    frames[:, 1] = noise(1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(mixed(frames), frames[:, 1] / channels, rtol=1e-6)


def test_opposite_channels_give_the_louder_one() -> None:
    voice = noise(3, 4)
    with pytest.warns(AudioWarning, match=r"talk\.wav: the channels cancel each other when mixed, first at 0\.0 s; .* channel 2"):
        np.testing.assert_array_equal(mixed(stereo(-0.9 * voice, voice)), voice)


def test_a_voice_that_is_opposite_for_a_while_is_kept() -> None:
    voice = noise(6, 5)
    sign = np.ones_like(voice)
    sign[2 * RATE : 4 * RATE] = -1
    with pytest.warns(AudioWarning, match=r"first at 2\.0 s"):
        mono = mixed(stereo(voice, sign * voice))
    for second in range(6):
        heard = slice(second * RATE, (second + 1) * RATE)
        assert level(mono[heard]) == pytest.approx(level(voice[heard]), abs=0.1)
    fade = RATE // 100
    np.testing.assert_array_equal(mono[2 * RATE + fade : 4 * RATE], voice[2 * RATE + fade : 4 * RATE])
    np.testing.assert_array_equal(mono[4 * RATE + fade :], voice[4 * RATE + fade :])


def test_hum_that_cancels_in_pauses_stays_cancelled() -> None:
    hum = 0.003 * np.sin(2 * np.pi * 50 * np.arange(4 * RATE) / RATE)
    voice = noise(4, 6)
    voice[RATE : 2 * RATE] = 0  # a pause
    mono = mixed(stereo(voice + hum, voice - hum))
    assert level(mono[RATE : 2 * RATE]) < -100


@given(cuts=st.lists(st.integers(0, 3 * RATE), max_size=6))
def test_blocks_do_not_show(cuts: list[int]) -> None:
    voice = noise(3, 7)
    sign = np.repeat([1.0, -1.0, 1.0, -1.0, -1.0, 1.0], RATE // 2)
    frames = stereo(voice, sign * voice)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(mixed(frames, sorted(cuts)), mixed(frames))
        np.testing.assert_array_equal(mixed(np.asfortranarray(frames)), mixed(frames))


def test_a_few_samples_at_the_end_decide_nothing() -> None:
    voice = noise(1.001, 8)
    frames = stereo(voice, voice)
    frames[RATE:, 1] *= -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(mixed(frames)[RATE:], np.zeros(16, np.float32))


@pytest.mark.parametrize("peak", [0.0, 0.5, 1.9, float("inf"), float("nan")])
def test_what_is_not_far_above_full_scale_is_left_alone(peak: float) -> None:
    assert scale_down(peak, "x") == 1


def test_far_above_full_scale_is_brought_down() -> None:
    voice = noise(1, 9, 8000)
    with pytest.warns(AudioWarning, match=r"talk\.wav: its samples reach 3\.\d+e\+04 times full scale"):
        scale = scale_down(peak_of(voice), "talk.wav")
    mono = mixed(voice[:, None], scale=scale)
    assert peak_of(mono) == pytest.approx(0.5)
    np.testing.assert_allclose(mono, voice * scale, rtol=1e-6)
