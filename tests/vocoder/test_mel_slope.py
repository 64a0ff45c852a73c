"""The slope by hand is that of autograd, whatever the decoder's shape and type."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unitcodec.packed import pack
from unitcodec.vocoder.mel_decoder import MelDecoder
from unitcodec.vocoder.mel_slope import MelSlope


@pytest.mark.parametrize(
    ("stride", "memory", "dtype"),
    [(4, (2, 5, 2), torch.float64), (2, (0, 0, 0), torch.float64), (8, (1, 3, 0), torch.float64), (4, (1, 6, 2), torch.float32)],
)
def test_it_is_that_of_autograd(stride: int, memory: tuple[int, int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(stride)
    decoder = MelDecoder(3, 6, channels=(24, 16), blocks=(2, 2), stride=stride, memory=memory).to(dtype)
    for parameter in decoder.parameters():
        # As it begins, the memory is not there.
        nn.init.normal_(parameter, std=0.3)
    decoder.requires_grad_(False)
    if dtype == torch.float32:
        pack(decoder)
    values, features = torch.randn(1, 3, 6, dtype=dtype), torch.randn(1, 3, 6 * stride, dtype=dtype)
    mel, vector = torch.randn(1, 80, 6 * stride, dtype=dtype), torch.randn(1, 6, dtype=dtype, requires_grad=True)
    expected = F.smooth_l1_loss(decoder(values, features, vector), mel, beta=0.5)
    (slope,) = torch.autograd.grad(expected, vector)
    error, found = MelSlope(decoder)(values, features, mel, vector.detach(), 0.5)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(error, expected.detach(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found, slope, rtol=10 * tolerance, atol=tolerance * float(slope.abs().max()))
