"""The F0 quantizer of published checkpoints: its input, its receptive field, its strides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unitcodec.pitch.published import PublishedVQVAE, in_hertz, refine


def test_between_two_voiced_values_stands_their_mean() -> None:
    f0 = np.array([0, 100, 110, 0, 0, 200, 0], np.float32)
    assert refine(f0).tolist() == [0, 0, 100, 105, 110, 110, 0, 0, 0, 0, 200, 200, 0, 0]
    assert refine(f0[:3]).tolist() == [0, 0, 100, 105, 110, 110]
    assert refine(f0[:0]).tolist() == []


def test_statistics_of_log_f0_become_those_of_f0() -> None:
    rng = np.random.default_rng(0)
    hertz = np.exp(math.log(180) + 0.25 * rng.standard_normal(200000))
    mean, deviation = in_hertz(math.log(180), 0.25)
    assert mean == pytest.approx(hertz.mean(), rel=0.003)
    assert deviation == pytest.approx(hertz.std(), rel=0.01)


def test_channels_are_normalised_where_voiced() -> None:
    f0 = np.array([0, 100, 150, 0], np.float32)
    mean, deviation = in_hertz(math.log(120), 0.2)
    channels = PublishedVQVAE().channels(f0, math.log(120), 0.2)
    assert (channels.shape, channels.dtype) == ((1, 8), np.float32)
    expected = [0, 0, (100 - mean) / deviation, (125 - mean) / deviation, *[(150 - mean) / deviation] * 2, 0, 0]
    assert np.allclose(channels[0], expected)
    assert PublishedVQVAE(normalise=False).channels(f0, math.log(120), 0.2)[0].tolist() == [0, 0, 100, 125, 150, 150, 0, 0]


@pytest.mark.parametrize(
    ("strides", "dilations", "context"), [((2, 2, 2, 2), (1, 3, 9, 27), 616), ((4, 4), (1, 2), 48), ((16,), (1,), 24)]
)
def test_context_is_as_stated(strides: tuple[int, ...], dilations: tuple[int, ...], context: int) -> None:
    torch.manual_seed(0)
    model = PublishedVQVAE(width=16, code_channels=8, strides=strides, dilations=dilations).double()
    assert model.context == context
    codes = 2 * context // 8 + 5
    middle = codes // 2
    track = torch.randn(1, 1, 16 * codes, dtype=torch.float64, requires_grad=True)
    latent = model.latent(track)
    assert latent.shape == (1, 8, codes)
    (gradient,) = torch.autograd.grad(latent[..., middle].square().sum(), track)
    touched = gradient[0, 0].nonzero()[:, 0] - 16 * middle
    # In values of 100 Hz: an odd one of 200 Hz is made of two.
    low, high = int(touched[0]) // 2, -(-int(touched[-1]) // 2) - 7
    assert -context <= low <= -context + 8
    assert context - 8 <= high <= context


def test_a_window_gives_the_codes_of_the_whole() -> None:
    torch.manual_seed(0)
    model = PublishedVQVAE(width=8, code_channels=4, dilations=(1, 3)).double()
    model.quantizer.codebook.mul_(0.05)
    rng = np.random.default_rng(0)
    f0 = np.repeat(rng.uniform(80, 300, 200) * (rng.random(200) > 0.3), 5)[:1000].astype(np.float32)

    def codes(part: np.ndarray) -> np.ndarray:
        track = torch.from_numpy(model.channels(part, math.log(150), 0.3)).double()[None]
        return model.encode(track)[0, 0].numpy()

    whole, context = codes(f0), model.context
    assert len(set(whole.tolist())) > 3
    for start, stop in ((400, 560), (0, 240), (720, 1000)):
        left = max(0, start - context)
        window = codes(f0[left : stop + context])
        assert np.array_equal(window[(start - left) // 8 :][: (stop - start) // 8], whole[start // 8 : stop // 8])


@pytest.mark.parametrize("strides", [(2, 2, 2), (3, 5), (1, 16), (16, 2), ()])
def test_strides_that_do_not_make_the_rate(strides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a product of 16"):
        PublishedVQVAE(strides=strides)


def test_reconstructions_are_as_long_as_what_was_coded() -> None:
    model = PublishedVQVAE(width=8, reverse=True, scale=0.5)
    assert model.reconstruct(torch.zeros(2, 1, 3, dtype=torch.long)).shape == (2, 1, 48)
