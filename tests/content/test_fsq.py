"""The content encoder: shapes, receptive field, look-ahead."""

from __future__ import annotations

import pytest
import torch

from unitcodec.content.fsq import ContentEncoder
from unitcodec.features import log_mel
from unitcodec.frames import HOP, WINDOW


def _reach(gradient: torch.Tensor) -> tuple[int, int]:
    touched = gradient[0].reshape(-1, gradient.shape[-1]).abs().sum(0).nonzero()[:, 0]
    return int(touched[0]), int(touched[-1])


@pytest.mark.parametrize("blocks", [(2, 4), (1, 1), (3, 2)])
def test_context_is_as_stated(blocks: tuple[int, int]) -> None:
    torch.manual_seed(0)
    encoder = ContentEncoder(channels=(8, 8), blocks=blocks).double()
    mel = torch.randn(1, 80, 4 * 41, dtype=torch.float64, requires_grad=True)
    latent = encoder.latent(mel)
    assert latent.shape == (1, 4, 41)
    (gradient,) = torch.autograd.grad(latent[..., 20].sum(), mel)
    low, high = _reach(gradient)
    assert encoder.context % 4 == 0
    assert 80 - encoder.context <= low <= 80 - encoder.context + 3
    assert 83 + encoder.context - 3 <= high <= 83 + encoder.context


def test_default_sizes_look_half_a_second_ahead_at_most() -> None:
    torch.manual_seed(0)
    encoder = ContentEncoder().double()
    wave = torch.randn(1, 160 * 4 * 41, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder.latent(log_mel(wave))[..., 20].sum(), wave)
    low, high = _reach(gradient[:, None])
    begin, end = 20 * 640, 21 * 640
    assert high - end < 8000
    assert begin - low < 8000
    # What a packet's window holds around the packet itself suffices.
    assert max(begin - low, high - end + 1) <= encoder.context * HOP + WINDOW // 2 <= 7680


def test_units_and_values() -> None:
    torch.manual_seed(0)
    encoder = ContentEncoder(levels=(8, 5, 3), channels=(8, 8)).eval()
    assert encoder.vocabulary == (8, 5, 3)
    assert encoder.stride == 4
    mel = torch.randn(2, 80, 80)
    units = encoder.encode(mel)
    assert units.shape == (2, 3, 20)
    values = encoder.values(units)
    assert torch.allclose(values, encoder.quantizer(encoder.latent(mel))[0], atol=1e-5)
    assert values.abs().max() <= 1


def test_codes_are_the_same_with_and_without_gradients() -> None:
    torch.manual_seed(0)
    encoder = ContentEncoder(channels=(8, 8)).double()
    mel = torch.randn(1, 80, 400, dtype=torch.float64)
    with torch.inference_mode():
        fast = encoder.latent(mel)
    assert torch.allclose(fast, encoder.latent(mel), rtol=0, atol=1e-12)
