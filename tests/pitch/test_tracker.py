"""F0 tracking: right values at the right time, and no further sight than stated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.frames import HOP
from unitcodec.pitch.tracker import CONTEXT, TRACKERS, swift_f0, yaapt


def _harmonics(f0: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(f0) / 16000
    return (0.1 * sum(np.cos(k * phase) / k for k in range(1, 9))).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 2047, 2048, 2049, 16001])
def test_one_value_for_every_ten_milliseconds_begun(samples: int) -> None:
    f0 = swift_f0(np.random.default_rng(0).standard_normal(samples).astype(np.float32) * 0.1)
    assert f0.shape == (-(-samples // HOP),)
    assert f0.dtype == np.float32
    assert np.isfinite(f0).all()
    assert ((f0 == 0) | (f0 > 50)).all()


@pytest.mark.parametrize("samples", [0, 1, 160, 161, 16001])
def test_models_without_f0_track_none(samples: int) -> None:
    f0 = TRACKERS["none"](np.ones(samples, np.float32))
    assert (f0.shape, f0.dtype, f0.any()) == ((-(-samples // HOP),), np.float32, False)


def test_a_glide_is_followed_without_delay() -> None:
    true = np.geomspace(110, 280, 32000)
    tracked = swift_f0(_harmonics(true))[10:-10]
    expected = true[::HOP][10:-10]
    assert (tracked > 0).all()
    error = np.log(tracked / expected)
    assert np.abs(error).max() < 0.03
    # A value one frame late would be 0.5 % low throughout.
    assert abs(error.mean()) < 0.002


def test_silence_and_noise_are_unvoiced() -> None:
    assert not swift_f0(np.zeros(16000, np.float32)).any()
    noise = np.random.default_rng(0).standard_normal(32000).astype(np.float32) * 0.05
    assert (swift_f0(noise) > 0).mean() < 0.1


def test_a_value_depends_on_no_more_than_the_stated_context(speech: Path) -> None:
    wave, _ = soundfile.read(speech, dtype="float32")
    whole = swift_f0(wave)
    assert (whole > 0).mean() > 0.3
    start, end = 32000, 64000  # whole frames of the tracker, 256 samples
    part = swift_f0(wave[start - CONTEXT : end + CONTEXT])[CONTEXT // HOP : (CONTEXT + end - start) // HOP]
    assert np.array_equal(part, whole[start // HOP : end // HOP])


def test_yaapt_agrees_with_swift_f0_on_speech(speech: Path) -> None:
    pytest.importorskip("amfm_decompy", reason="AMFM_decompy, the extra 'yaapt', is not installed")
    waveform, _ = soundfile.read(speech, dtype="float32", frames=48000)
    ours, theirs = swift_f0(waveform), yaapt(waveform)
    assert len(ours) == len(theirs) == 300
    both = (ours > 0) & (theirs > 0)
    assert both.mean() > 0.5
    assert np.mean((ours > 0) != (theirs > 0)) < 0.15
    assert np.median(np.abs(np.log(ours[both] / theirs[both]))) < 0.03


def test_nobody_is_told_of_the_tracking(tmp_path: Path) -> None:
    """ONNX Runtime would keep an identifier and what it is about to send in these folders."""
    environment = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("ORT_")}
    environment |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    code = "import numpy; from unitcodec.pitch.tracker import swift_f0; swift_f0(numpy.ones(16000, numpy.float32))"
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
