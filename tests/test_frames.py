"""Mel filters and level: unit area, what counts as speech, codes of the level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.frames import REFERENCE_LEVEL, active_level, block_power, level_code, level_gain, mel_filters, stands_out


def test_filters_have_unit_area_and_leave_no_gap() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 513)
    assert (filters.sum(1) > 0).all()
    assert (filters[:, 1:-1].sum(0) > 0).all()
    # Narrow ones fall between the bins of the Fourier transform, so only the wide ones come near the integral.
    assert np.allclose(filters[40:].sum(1) * 15.625, 1.0, atol=0.02)


def test_level_counts_speech_and_not_pauses() -> None:
    rng = np.random.default_rng(0)
    speech = (0.1 * rng.standard_normal(32000)).astype(np.float32)
    pauses = np.concatenate([speech[:16000], np.zeros(48000, np.float32), speech[16000:]])
    assert active_level(speech) == pytest.approx(-20, abs=0.1)
    assert active_level(pauses) == pytest.approx(-20, abs=0.2)


def test_speech_stands_out_however_quiet(speech: Path) -> None:
    said, _ = soundfile.read(speech, dtype="float32", frames=64000)
    out = stands_out(block_power(said))
    assert 0.3 < out.mean() < 0.9
    assert np.array_equal(stands_out(block_power(said * 10 ** (-10 / 20))), out)
    assert stands_out(block_power(said * 10 ** (-50 / 20))).mean() > 0.3
    noise = np.random.default_rng(0).standard_normal(64000)
    bursts = np.rint(noise).clip(-1, 1) * (np.arange(64000) % 32000 < 8000)
    for steady in (noise, 1e-4 * noise, 0 * noise, bursts / 32768):
        assert not stands_out(block_power(steady)).any()


@pytest.mark.parametrize("samples", [1, 319, 320, 5000])
def test_silence_has_no_level(samples: int) -> None:
    assert active_level(np.zeros(samples, np.float32)) == float("-inf")
    assert active_level(np.full(samples, 0.5, np.float32)) > -40
    assert level_code(float("-inf")) == 0


def test_level_codes_bring_every_level_to_the_reference() -> None:
    for level in np.linspace(-94.5, 0.7, 300):
        reached = level + 20 * np.log10(level_gain(level_code(level)))
        assert reached == pytest.approx(REFERENCE_LEVEL, abs=0.751)
    assert [level_code(level) for level in (-500.0, 60.0)] == [0, 63]
