"""Packed linear layers give what plain ones give, and their gradients."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unitcodec.layers import ConvNeXtBlock
from unitcodec.packed import PackedLinear, can_pack, gelu, pack

pytestmark = pytest.mark.skipif(not can_pack(), reason="this build of PyTorch has no oneDNN")


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 24, 7, generator=torch.Generator().manual_seed(1)).transpose(1, 2)


@pytest.mark.parametrize("bias", [True, False])
def test_of_any_shape_and_layout(x: Tensor, bias: bool) -> None:
    layer = nn.Linear(24, 40, bias=bias).requires_grad_(False)
    packed = PackedLinear(layer)
    for given in (x, x[0], x[0, 0], x[:, ::2], x.contiguous()):
        torch.testing.assert_close(packed(given), layer(given), rtol=0, atol=2e-6)
        for approximate in ("none", "tanh"):
            expected = F.gelu(layer(given), approximate=approximate)
            torch.testing.assert_close(gelu(packed, given, approximate), expected, rtol=0, atol=2e-6)  # type: ignore[arg-type]


def test_networks_are_packed_in_place_and_pass_slopes_on(x: Tensor) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(ConvNeXtBlock(24), nn.Sequential(ConvNeXtBlock(24))).requires_grad_(False).eval()
    packed = copy.deepcopy(plain)
    pack(packed)
    assert sum(isinstance(module, PackedLinear) for module in packed.modules()) == 4
    assert list(packed.state_dict()) == list(plain.state_dict())
    given = x.transpose(1, 2).contiguous()
    torch.testing.assert_close(packed(given), plain(given), rtol=0, atol=1e-5)
    slopes = []
    for networks in (plain, packed):
        start = given.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(networks(start).square().sum(), start)
        slopes.append(slope)
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-5)


def test_only_float32_is_packed() -> None:
    networks = nn.Sequential(nn.Linear(3, 3)).double()
    pack(networks)
    assert type(networks[0]) is nn.Linear
