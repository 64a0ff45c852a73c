"""Losses: their values on cases that can be done by hand, and where their gradients go."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unitcodec.vocoder.discriminators import Verdict
from unitcodec.vocoder.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    mel_loss,
    stft_loss,
)


def _verdicts(score: float, feature: float) -> list[Verdict]:
    """Two sub-discriminators with two feature maps each, of different sizes."""
    return [(torch.full((2, n), score), [torch.full((2, 3, n), feature), torch.full((2, n), feature)]) for n in (4, 7)]


def test_adversarial_terms() -> None:
    assert float(adversarial_loss(_verdicts(1.0, 0))) == 0
    assert float(adversarial_loss(_verdicts(0.5, 0))) == pytest.approx(2 * 0.25)
    assert float(discriminator_loss(_verdicts(1.0, 0), _verdicts(0.0, 0))) == 0
    assert float(discriminator_loss(_verdicts(0.5, 0), _verdicts(0.5, 0))) == pytest.approx(2 * 0.5)


def test_feature_matching_averages_a_map_and_sums_maps() -> None:
    assert float(feature_matching_loss(_verdicts(0, 1.0), _verdicts(0, 1.25))) == pytest.approx(4 * 0.25)


def test_feature_matching_gives_no_gradient_to_the_target() -> None:
    real, fake = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    feature_matching_loss([(real, [real])], [(fake, [fake])]).backward()
    assert real.grad is None
    assert fake.grad is not None


def test_the_generators_loss_is_hifigans_equation() -> None:
    mel = mel_loss(torch.zeros(2, 80, 5), torch.full((2, 80, 5), 0.1))
    weights = {"adversarial": 1.0, "feature_matching": 2.0, "mel": 45.0, "stft": 2.5, "another": 7.0}
    total, terms = generator_loss(_verdicts(1, 1.0), _verdicts(0.5, 1.25), {"mel": mel}, weights)
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(
        {"adversarial": 0.5, "feature_matching": 1.0, "mel": 0.1}
    )
    assert float(total) == pytest.approx(0.5 + 2 * 1.0 + 45 * 0.1)
    total, _ = generator_loss(_verdicts(1, 1.0), _verdicts(0.5, 1.25), {"mel": mel, "stft": torch.tensor(0.4)}, weights)
    assert float(total) == pytest.approx(0.5 + 2 * 1.0 + 45 * 0.1 + 2.5 * 0.4)
    total, _ = generator_loss([], [], {"mel": mel}, weights)
    assert float(total) == pytest.approx(45 * 0.1)
    with pytest.raises(KeyError):
        generator_loss([], [], {"loudness": mel}, weights)


def test_verdicts_of_different_discriminators_are_refused() -> None:
    for loss in (discriminator_loss, feature_matching_loss):
        with pytest.raises(ValueError, match="shorter"):
            loss(_verdicts(0, 0), _verdicts(0, 0)[:1])


def test_half_precision_verdicts_give_float32_losses() -> None:
    half = [(score.bfloat16(), [m.bfloat16() for m in maps]) for score, maps in _verdicts(0.5, 1.0)]
    total, terms = generator_loss(half, half, {}, {"adversarial": 1.0, "feature_matching": 2.0})
    assert total.dtype == torch.float32
    assert all(term.dtype == torch.float32 for term in terms.values())


def test_mel_loss() -> None:
    assert float(mel_loss(torch.zeros(2, 80, 3), torch.full((2, 80, 3), -0.5))) == pytest.approx(0.5)


def _noise() -> Tensor:
    return torch.randn(2, 1, 4000, generator=torch.Generator().manual_seed(0))


def test_stft_loss_of_a_scaled_signal() -> None:
    # Half the amplitude: convergence 1/2 and a log magnitude off by log 2, at every resolution.
    noise = _noise()
    assert float(stft_loss(noise, noise)) == 0
    expected = 0.5 + torch.log(torch.tensor(2.0)).item()
    assert float(stft_loss(noise, noise / 2)) == pytest.approx(expected, rel=1e-3)
    assert float(stft_loss(noise.squeeze(1), noise.squeeze(1) / 2, [(256, 64, 256)])) == pytest.approx(expected, rel=1e-3)


def test_stft_loss_does_not_mind_the_sign() -> None:
    assert float(stft_loss(_noise(), -_noise())) == pytest.approx(0, abs=1e-6)


def test_a_silent_waveform_in_the_batch_does_not_drown_the_others() -> None:
    gains = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    assert float(stft_loss(_noise() * gains, _noise() * (gains + 0.01))) < 5


def test_stft_loss_is_float32_under_autocast() -> None:
    noise = _noise()
    with torch.autocast("cpu", torch.bfloat16):
        inside = stft_loss(noise, noise / 2)
    assert inside.dtype == torch.float32
    assert float(inside) == float(stft_loss(noise, noise / 2))


@pytest.mark.parametrize(("real_gain", "fake_gain"), [(0.0, 0.0), (0.0, 0.1), (0.1, 0.0)])
def test_stft_loss_in_silence_stays_finite(real_gain: float, fake_gain: float) -> None:
    fake = (fake_gain * _noise()).requires_grad_()
    loss = stft_loss(real_gain * _noise(), fake)
    loss.backward()
    assert loss.isfinite()
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
