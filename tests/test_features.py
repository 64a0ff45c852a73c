"""Log-mel: frame grid, scale, gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec import features
from unitcodec.features import log_mel
from unitcodec.frames import FLOOR, denormalise, frame_count, mel_filters, normalise


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
    assert torch.allclose(log_mel(click)[0, :, :39], torch.tensor(FLOOR, dtype=torch.float64).log())


def test_what_lies_outside_the_waveform_counts_as_zero() -> None:
    wave = torch.randn(1, 4000, dtype=torch.float64)
    padded = torch.nn.functional.pad(wave, (1600, 1600))
    assert torch.allclose(log_mel(wave), log_mel(padded)[..., 10 : 10 + 25])


def test_silence_lies_on_the_floor_and_gain_shifts_the_rest() -> None:
    assert torch.allclose(log_mel(torch.zeros(1, 1600)), torch.tensor(FLOOR).log())
    noise = torch.randn(1, 16000, dtype=torch.float64) * 0.1
    louder = log_mel(noise * 10) - log_mel(noise)
    assert louder.mean().item() == pytest.approx(np.log(10), abs=0.02)
    assert torch.allclose(denormalise(normalise(louder)), louder)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    centres = (mel_filters() * np.arange(513)).sum(1) / mel_filters().sum(1) * 15.625
    for hz in (200.0, 1000.0, 3500.0):
        tone = torch.sin(torch.arange(8000, dtype=torch.float64) * (2 * np.pi * hz / 16000))[None]
        band = int(log_mel(tone)[0, :, 25].argmax())
        assert abs(centres[band] - hz) < 0.08 * hz


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
