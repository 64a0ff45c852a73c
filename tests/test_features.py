"""Log-mel and level: frame grid, scale, codes of the level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unitcodec import features
from unitcodec.features import active_level, block_power, frame_count, level_code, level_gain, log_mel, mel_filters, stands_out


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 319, 320, 321, 639, 641, 1600, 16001])
def test_a_frame_for_every_ten_milliseconds_begun(samples: int) -> None:
    mel = log_mel(torch.randn(2, samples))
    assert mel.shape == (2, 80, -(-samples // 160)) == (2, 80, frame_count(samples))
    assert torch.isfinite(mel).all()


def test_frames_are_centred_on_their_sample() -> None:
    click = torch.zeros(1, 16000, dtype=torch.float64)
    click[0, 160 * 40] = 1.0
    energy = torch.exp(log_mel(click)[0]).sum(0)
    assert int(energy.argmax()) == 40
    assert torch.allclose(energy[38:40], energy[41:43].flip(0))
    # The window is 40 ms: nothing is seen two frames away.
    assert torch.allclose(log_mel(click)[0, :, :39], torch.tensor(features.FLOOR, dtype=torch.float64).log())


def test_what_lies_outside_the_waveform_counts_as_zero() -> None:
    wave = torch.randn(1, 4000, dtype=torch.float64)
    padded = torch.nn.functional.pad(wave, (1600, 1600))
    assert torch.allclose(log_mel(wave), log_mel(padded)[..., 10 : 10 + 25])


def test_silence_lies_on_the_floor_and_gain_shifts_the_rest() -> None:
    assert torch.allclose(log_mel(torch.zeros(1, 1600)), torch.tensor(features.FLOOR).log())
    noise = torch.randn(1, 16000, dtype=torch.float64) * 0.1
    louder = log_mel(noise * 10) - log_mel(noise)
    assert louder.mean().item() == pytest.approx(np.log(10), abs=0.02)
    assert torch.allclose(features.denormalise(features.normalise(louder)), louder)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    centres = (mel_filters() * np.arange(513)).sum(1) / mel_filters().sum(1) * 15.625
    for hz in (200.0, 1000.0, 3500.0):
        tone = torch.sin(torch.arange(8000, dtype=torch.float64) * (2 * np.pi * hz / 16000))[None]
        band = int(log_mel(tone)[0, :, 25].argmax())
        assert abs(centres[band] - hz) < 0.08 * hz


def test_filters_have_unit_area_and_leave_no_gap() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 513)
    assert (filters.sum(1) > 0).all()
    assert (filters[:, 1:-1].sum(0) > 0).all()
    # Narrow ones fall between the bins of the Fourier transform, so only the wide ones come near the integral.
    assert np.allclose(filters[40:].sum(1) * 15.625, 1.0, atol=0.02)


def test_the_first_caller_may_be_in_inference_mode() -> None:
    features._constants.cache_clear()
    with torch.inference_mode():
        log_mel(torch.zeros(1, 1600))
    wave = torch.randn(1, 1600, requires_grad=True)
    log_mel(wave).sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_the_gradient_in_silence_is_finite() -> None:
    wave = torch.zeros(1, 1600, requires_grad=True)
    log_mel(wave).sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


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
        assert reached == pytest.approx(features.REFERENCE_LEVEL, abs=0.751)
    assert [level_code(level) for level in (-500.0, 60.0)] == [0, 63]
