"""The periodic activation: its formula, and what the filters around it are for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unitcodec.vocoder.snake import AntiAliasedSnake, snake


def _tone(frequency: float, samples: int = 2400) -> Tensor:
    """(1, 1, samples) of a sine, ``frequency`` in cycles a sample."""
    return torch.sin(2 * math.pi * frequency * torch.arange(samples))[None, None]


def _level(x: Tensor, frequency: float) -> float:
    """Amplitude of a component of x (1, 1, T), its ends left aside."""
    middle = x[0, 0, 200:2200]
    window = torch.hann_window(len(middle))
    turning = torch.exp(-2j * math.pi * frequency * torch.arange(len(middle)))
    return float(2 * (middle * window * turning).sum().abs() / window.sum())


def test_the_formula() -> None:
    x, log_alpha = torch.linspace(-3, 3, 61, dtype=torch.float64).expand(2, 3, 61), torch.tensor([-1.0, 0.0, 1.5])
    for channel, alpha in enumerate(log_alpha.double().exp()):
        expected = x[:, channel] + (1 - torch.cos(2 * alpha * x[:, channel])) / (2 * alpha)
        torch.testing.assert_close(snake(x, log_alpha.double())[:, channel], expected)
    # With next to no alpha it is the identity, and it never decreases.
    torch.testing.assert_close(snake(x, torch.full((3,), -20.0, dtype=torch.float64)), x, rtol=0, atol=1e-7)
    assert (snake(x, log_alpha).diff(dim=2) > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("frequency", [0.3, 0.35, 0.4])
def test_a_tone_near_nyquist_aliases_less(frequency: float) -> None:
    # The second harmonic lies above the Nyquist frequency and folds back to 1 - 2 f.
    activation, tone = AntiAliasedSnake(1), _tone(frequency)
    plain = _level(snake(tone, activation.log_alpha), 1 - 2 * frequency)
    filtered = _level(activation(tone), 1 - 2 * frequency)
    assert plain > 0.3
    assert filtered < 0.4 * plain


@torch.no_grad()
def test_far_below_nyquist_it_is_the_plain_activation() -> None:
    activation, tone = AntiAliasedSnake(1), _tone(0.03)
    middle = (..., slice(10, -10))
    torch.testing.assert_close(activation(tone)[middle], snake(tone, activation.log_alpha)[middle], rtol=0, atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 2, 11, 64])
def test_lengths_and_symmetry_in_time(samples: int) -> None:
    activation, x = AntiAliasedSnake(3), torch.randn(2, 3, samples)
    assert activation(x).shape == x.shape
    torch.testing.assert_close(activation(x.flip(2)), activation(x).flip(2))


@torch.no_grad()
def test_a_sample_depends_on_its_surroundings_alone() -> None:
    activation, x = AntiAliasedSnake(1), torch.randn(1, 1, 64)
    changed = x.clone()
    changed[..., 32] += 1
    touched = (activation(changed) - activation(x))[0, 0].nonzero().flatten() - 32
    assert (int(touched.min()), int(touched.max())) == (-activation.REACH, activation.REACH)


def test_autocast_leaves_the_sine_its_precision() -> None:
    activation, x = AntiAliasedSnake(4), 20 * torch.randn(1, 4, 50).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        result = activation(x)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, activation(x.float()).bfloat16())
    result.float().square().mean().backward()
    assert activation.log_alpha.grad is not None
    assert (activation.log_alpha.grad != 0).all()
