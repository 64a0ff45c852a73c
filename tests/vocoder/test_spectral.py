"""The source-filter generator: lengths, receptive field, determinism."""

from __future__ import annotations

import pytest
import torch

from unitcodec.features import log_mel
from unitcodec.frames import normalise
from unitcodec.vocoder import WaveformGenerator, make_generator
from unitcodec.vocoder.excitation import phase, pulse_train, sample_f0, white_noise
from unitcodec.vocoder.excited import ExcitedGenerator
from unitcodec.vocoder.hifigan import MelGenerator
from unitcodec.vocoder.spectral import SpectralGenerator


@pytest.mark.parametrize("frames", [1, 2, 4, 33])
def test_length_is_exactly_frames_times_the_hop(frames: int) -> None:
    torch.manual_seed(0)
    generator = SpectralGenerator(channels=8, blocks=1)
    wave = generator(torch.randn(2, 80, frames), torch.randn(2, 3, frames), torch.rand(2, frames) * 300 + 60)
    assert wave.shape == (2, 160 * frames)
    assert torch.isfinite(wave).all()


@pytest.mark.parametrize(
    "generator",
    [
        SpectralGenerator(channels=8, blocks=1),
        SpectralGenerator(channels=8, blocks=3, kernel=7),
        SpectralGenerator(channels=8, blocks=1, matching=2),
        MelGenerator(initial_channels=32),
        ExcitedGenerator(32, source={"channels": 8, "blocks": 1}),
    ],
    ids=["spectral", "wide kernel", "matching", "hifigan", "excited"],
)
def test_context_is_as_stated(generator: WaveformGenerator) -> None:
    """Frames [a, b) of the output need the frames within ``context`` of them, and none beyond."""
    torch.manual_seed(0)
    generator.eval()
    n, a, b = 160, 70, 80
    mel, pitch, f0 = torch.randn(1, 80, n), torch.randn(1, 3, n), torch.rand(1, n) * 300 + 60
    hz = sample_f0(f0)
    pulses, noise = pulse_train(hz, phase(hz)), white_noise(0, 160 * n)[None]
    low, high = a - generator.context, b + generator.context
    assert low > 0
    assert high < n
    samples = slice(160 * low, 160 * high)
    own, excited = (mel[..., low:high], pitch[..., low:high]), (pulses[:, samples], noise[:, samples])
    with torch.inference_mode():
        if isinstance(generator, MelGenerator):
            whole, part = generator.generate(mel, pitch), generator.generate(*own)
        else:
            whole, part = generator.generate(mel, pitch, pulses, noise), generator.generate(*own, *excited)
    own_part = part[:, 160 * (a - low) : 160 * (b - low)]
    expected = whole[:, 160 * a : 160 * b]
    assert torch.allclose(own_part, expected, atol=1e-5 * float(expected.abs().max()))


def test_the_same_input_gives_the_same_waveform_and_training_a_random_start() -> None:
    torch.manual_seed(0)
    generator = SpectralGenerator(channels=8, blocks=1).eval()
    mel, pitch = torch.randn(1, 80, 20), torch.randn(1, 3, 20)
    pulses, noise = torch.randn(1, 3200), white_noise(0, 3200)[None]
    with torch.inference_mode():
        assert torch.equal(generator.generate(mel, pitch, pulses, noise), generator.generate(mel, pitch, pulses, noise))
        f0 = torch.full((1, 20), 120.0)
        assert not torch.equal(generator(mel, pitch, f0), generator(mel, pitch, f0))


def test_the_waveform_teaches_every_weight() -> None:
    torch.manual_seed(0)
    generator = SpectralGenerator(channels=8, blocks=1)
    generator(torch.randn(1, 80, 20), torch.randn(1, 3, 20), torch.full((1, 20), 120.0)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in generator.parameters())


def test_matching_brings_noise_to_the_log_mel_that_it_shall_have() -> None:
    torch.manual_seed(0)
    time = torch.arange(32000) / 16000
    speech = torch.sin(2 * torch.pi * 140 * time).round(decimals=1)[None] * 0.1 * torch.sin(2 * torch.pi * 3 * time).abs()
    mel = normalise(log_mel(speech))
    noise = 0.05 * torch.randn(1, 32000)

    def error(passes: int) -> float:
        waveform = SpectralGenerator(channels=8, blocks=1, matching=passes).matched(noise, mel)
        assert waveform.shape == noise.shape
        return float((normalise(log_mel(waveform)) - mel).abs().mean())

    errors = [error(passes) for passes in range(4)]
    assert errors[0] > 2 * errors[1] > 2.4 * errors[2] > 2.6 * errors[3]
    silence = SpectralGenerator(channels=8, blocks=1, matching=2).matched(torch.zeros(1, 32000), mel)
    assert torch.equal(silence, torch.zeros(1, 32000))


def test_generators_by_name() -> None:
    assert isinstance(make_generator(), SpectralGenerator)
    assert isinstance(make_generator("hifigan", initial_channels=32), MelGenerator)
    with pytest.raises(ValueError, match="unknown generator 'wavenet'"):
        make_generator("wavenet")
    with pytest.raises(TypeError):
        make_generator("spectral", initial_channels=32)
