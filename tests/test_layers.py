"""Attention within a window: what it computes, and that a frame sees as far as stated and no further."""

from __future__ import annotations

import pytest
import torch

from unitcodec.layers import LocalAttention


def _plainly(layer: LocalAttention, x: torch.Tensor) -> torch.Tensor:
    """The same with every frame against every frame and a mask."""
    frames, channels = x.shape[1:]
    query, key, value = layer.query_key_value(layer.norm(x)).chunk(3, -1)
    query, key, value = (part.unflatten(2, (layer.heads, -1)).transpose(1, 2) for part in (query, key, value))
    distance = torch.arange(frames) - torch.arange(frames)[:, None] + layer.before
    reached = (distance >= 0) & (distance <= layer.before + layer.after)
    bias = layer.bias[:, distance.clamp(0, layer.before + layer.after)]
    scores = query @ key.transpose(2, 3) * (channels // layer.heads) ** -0.5 + bias
    weight = torch.softmax(scores.masked_fill(~reached, float("-inf")), -1)
    x = x + layer.out((weight @ value).transpose(1, 2).flatten(2))
    return x + layer.down(torch.nn.functional.gelu(layer.up(layer.norm_2(x)), approximate="tanh"))


@pytest.mark.parametrize(("before", "after"), [(4, 4), (6, 0), (0, 3), (2, 5), (0, 0)])
@pytest.mark.parametrize("frames", [1, 4, 5, 23])
def test_it_is_attention_with_a_mask(before: int, after: int, frames: int) -> None:
    torch.manual_seed(0)
    layer = LocalAttention(12, 3, before, after).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, frames, 12, dtype=torch.float64)
    assert torch.allclose(layer(x), _plainly(layer, x), atol=1e-12)


@pytest.mark.parametrize(("before", "after"), [(4, 4), (6, 0), (0, 3)])
def test_a_frame_sees_as_far_as_stated(before: int, after: int) -> None:
    torch.manual_seed(0)
    layer = LocalAttention(8, 2, before, after).double()
    x = torch.randn(1, 31, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0, 15].sum(), x)
    touched = gradient[0].abs().sum(1).nonzero()[:, 0]
    assert (int(touched[0]), int(touched[-1])) == (15 - before, 15 + after)


def test_where_a_frame_stands_does_not_matter() -> None:
    torch.manual_seed(0)
    layer = LocalAttention(8, 2, 3, 3).double()
    x = torch.randn(1, 40, 8, dtype=torch.float64)
    whole = layer(x)
    for first in (1, 2, 5):
        assert torch.allclose(layer(x[:, first:])[:, 3:], whole[:, first + 3 :], atol=1e-12)


def test_channels_must_divide() -> None:
    with pytest.raises(ValueError, match="10 channels do not divide among 4 heads"):
        LocalAttention(10, 4, 2, 2)
