"""F0 codes: statistics, channels, receptive fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec.pitch.track import mean_and_deviation, statistics, track_channels
from unitcodec.pitch.vqvae import PitchVQVAE


@pytest.mark.parametrize(("mean", "deviation"), [(62.0, 0.07), (100.0, 0.2), (210.0, 0.15), (400.0, 0.4)])
def test_statistics_survive_their_codes(mean: float, deviation: float) -> None:
    rng = np.random.default_rng(0)
    voiced = np.exp(np.log(mean) + deviation * rng.standard_normal(20000))
    f0 = np.where(np.arange(40000) % 2, 0.0, np.repeat(voiced, 2)).astype(np.float32)
    log_mean, log_deviation = mean_and_deviation(*statistics(f0))
    # Half a step of each code, and the sampling error of the drawn track.
    assert log_mean == pytest.approx(np.log(mean), abs=0.0155 + 0.01)
    assert log_deviation == pytest.approx(deviation, abs=0.025 + 0.01)


def test_statistics_of_the_extremes() -> None:
    assert statistics(np.zeros(0, np.float32)) == statistics(np.zeros(100, np.float32)) == (32, 4)
    assert statistics(np.full(100, 55.0, np.float32)) == (0, 0)
    assert statistics(np.full(1, 500.0, np.float32)) == (63, 0)
    codes = [mean_and_deviation(m, d) for m in (0, 63) for d in (0, 7)]
    assert np.allclose(codes, [(np.log(m), d) for m in (60, 420) for d in (0.06, 0.41)])


def test_channels_of_a_track() -> None:
    f0 = np.array([0.0, 100.0, 200.0, 500.0, 55.0], np.float32)
    channels = track_channels(f0, float(np.log(100.0)), 0.2)
    assert channels.dtype == np.float32
    assert np.allclose(channels, [[0, 0, np.log(2) / 0.2, 4, np.log(0.55) / 0.2], [0, 1, 1, 1, 1]])
    assert np.array_equal(track_channels(f0[2:4], float(np.log(100.0)), 0.2), channels[:, 2:4])


def _reach(gradient: torch.Tensor) -> tuple[int, int]:
    """First and last place of axis 2 where a gradient (1, C, n) is not zero."""
    touched = gradient[0].abs().sum(0).nonzero()[:, 0]
    return int(touched[0]), int(touched[-1])


@pytest.mark.parametrize("blocks", [1, 2])
def test_encoder_context_is_as_stated(blocks: int) -> None:
    torch.manual_seed(0)
    model = PitchVQVAE(channels=8, code_channels=4, blocks=blocks).double()
    track = torch.randn(1, 2, 8 * 21, dtype=torch.float64, requires_grad=True)
    latent = model.latent(track)
    assert latent.shape == (1, 4, 21)
    (gradient,) = torch.autograd.grad(latent[..., 10].sum(), track)
    low, high = _reach(gradient)
    assert model.context % 8 == 0
    assert 80 - model.context <= low <= 80 - model.context + 7
    assert 87 + model.context - 7 <= high <= 87 + model.context


@pytest.mark.parametrize("blocks", [1, 2])
def test_decoder_context_is_as_stated(blocks: int) -> None:
    torch.manual_seed(0)
    model = PitchVQVAE(channels=8, code_channels=4, blocks=blocks).double()
    quantized = torch.randn(1, 4, 31, dtype=torch.float64, requires_grad=True)
    output = model.reconstruct(quantized)
    assert output.shape == (1, 2, 8 * 31)
    (gradient,) = torch.autograd.grad(output[..., 15 * 8 : 16 * 8].sum(), quantized)
    assert _reach(gradient) == (15 - model.decoder_context, 15 + model.decoder_context)


def test_codes_decode_to_what_training_saw() -> None:
    torch.manual_seed(0)
    model = PitchVQVAE(codes=7, channels=8, code_channels=4).eval()
    track = torch.randn(3, 2, 64)
    output, codes, loss = model(track)
    assert codes.shape == (3, 1, 8)
    assert int(codes.max()) < 7
    assert torch.equal(model.encode(track), codes)
    assert torch.allclose(model.decode(codes), output, atol=1e-5)
    assert loss >= 0
