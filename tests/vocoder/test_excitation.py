"""Pulse train, noise and the overlapping frames they are filtered in."""

from __future__ import annotations

import math

import pytest
import torch

from unitcodec.vocoder.excitation import overlap_add, overlap_frames, phase, pulse_train, sample_f0, voiced_pulses, white_noise


@pytest.mark.parametrize("hz", [50.0, 50.01, 123.4, 250.0, 599.9])
def test_pulse_train_is_the_sum_of_its_harmonics(hz: float) -> None:
    f0 = torch.full((1, 4000), hz, dtype=torch.float64)
    cycles = phase(f0, torch.tensor([0.3]))
    weights = {k: min(1.0, 8 * (8000 / hz - k)) for k in range(1, int(8000 / hz) + 1)}
    explicit = sum(weight * torch.cos(2 * math.pi * k * cycles) for k, weight in weights.items()) * math.sqrt(hz / 4000)
    assert torch.allclose(pulse_train(f0, cycles).double(), explicit, atol=1e-5)


@pytest.mark.parametrize("harmonics", [14, 80, 158])
def test_the_last_bit_of_f0_does_not_show(harmonics: int) -> None:
    cycles = torch.linspace(0, 1, 1000, dtype=torch.float64)[None]
    with_it, without = (pulse_train(torch.full_like(cycles, 8000 / harmonics * by), cycles) for by in (1 - 1e-7, 1 + 1e-7))
    assert (with_it - without).abs().max() < 1e-4


def test_pulse_train_at_and_around_the_pulse() -> None:
    cycles = torch.tensor([[0.0, 1.0, 1e-7, 1e-6, 1e-5, 3.1831e-6, 1 - 1e-6, 0.5]], dtype=torch.float64)
    f0 = torch.full_like(cycles, 100.0)
    explicit = sum(torch.cos(2 * math.pi * k * cycles) for k in range(1, 80)) * math.sqrt(1 / 40)
    assert torch.allclose(pulse_train(f0, cycles).double(), explicit, atol=1e-5)


def test_power_is_the_same_at_every_f0() -> None:
    for hz in (55.0, 110.0, 220.0, 440.0):
        f0 = torch.full((1, 16000), hz)
        assert pulse_train(f0, phase(f0)).square().mean().item() == pytest.approx(1.0, rel=0.05)


def test_phase_carries_over() -> None:
    f0 = torch.rand(2, 1000) * 300 + 60
    whole = phase(f0)
    first = phase(f0[:, :400])
    second = phase(f0[:, 400:], first[:, -1])
    difference = torch.cat([first, second], 1) - whole
    assert (difference - difference.round()).abs().max() < 1e-9
    assert whole.dtype == torch.float64


def test_f0_between_frames_is_a_line() -> None:
    f0 = torch.tensor([[100.0, 200.0, 150.0]])
    samples = sample_f0(f0, hop=4)
    assert samples.tolist() == [[100, 125, 150, 175, 200, 187.5, 175, 162.5, 150, 150, 150, 150]]


def test_pulses_fade_where_voicing_ends() -> None:
    hz = torch.full((1, 6 * 160), 100.0)
    cycles = phase(hz)
    pulses = voiced_pulses(hz, cycles, torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]))
    assert torch.equal(pulses[:, 320:480], pulse_train(hz, cycles)[:, 320:480])
    assert not pulses[:, :161].any()
    assert not pulses[:, 640:].any()
    ramp = torch.arange(160) / 160
    assert torch.allclose(pulses[:, 160:320], pulse_train(hz, cycles)[:, 160:320] * ramp, atol=1e-6)


def test_noise_depends_on_the_position_alone() -> None:
    whole = white_noise(0, 100000)
    for start, samples in [(0, 1), (1, 99999), (54321, 1000)]:
        assert torch.equal(white_noise(start, samples), whole[start : start + samples])
    assert torch.equal(white_noise(2**47, 100)[50:], white_noise(2**47 + 50, 50))


def test_noise_is_white_with_unit_variance() -> None:
    for start in (0, 10**9):
        noise = white_noise(start, 200000).double()
        assert abs(noise.mean().item()) < 0.01
        assert noise.var().item() == pytest.approx(1.0, abs=0.01)
        for lag in (1, 2, 160, 640):
            assert abs((noise[lag:] * noise[:-lag]).mean().item()) < 0.01
        # No part of the spectrum stands out.
        power = torch.fft.rfft(noise.reshape(-1, 1000)).abs().square().mean(0)[1:-1] / 1000
        assert power.min() > 0.6
        assert power.max() < 1.5


@pytest.mark.parametrize("frames", [1, 2, 3, 25])
def test_frames_added_up_again_are_the_signal(frames: int) -> None:
    window = torch.hann_window(640, dtype=torch.float64)
    signal = torch.randn(2, 160 * frames, dtype=torch.float64)
    spectra = overlap_frames(signal, 640, 160, window)
    assert spectra.shape == (2, 321, frames)
    again = overlap_add(spectra, 640, 160, window)
    assert again.shape == signal.shape
    # Three frames reach over the end and one over the beginning that do not exist.
    inner = slice(160, 160 * frames - 320)
    assert torch.allclose(again[:, inner], signal[:, inner])
    assert (again.abs() <= signal.abs() + 1e-12).all()
