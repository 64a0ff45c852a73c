"""Discriminators: what they return, what they cost, and that they learn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unitcodec.vocoder.discriminators import (
    MelDiscriminator,
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    PeriodDiscriminator,
    SpectrogramDiscriminator,
    split_verdicts,
)
from unitcodec.vocoder.losses import discriminator_loss

MAKERS: dict[str, tuple[Callable[[], nn.Module], int, tuple[int, ...]]] = {
    "period": (lambda: MultiPeriodDiscriminator(width=1 / 8), 5, (1, 2401)),
    "resolution": (lambda: MultiResolutionDiscriminator(channels=4), 3, (1, 2401)),
    "mel": (lambda: MelDiscriminator(channels=4), 1, (80, 41)),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=MAKERS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, int, Tensor]:
    make, count, shape = MAKERS[request.param]
    return make(), count, 0.1 * torch.randn(4, *shape)


def test_form_of_the_verdicts(case: tuple[nn.Module, int, Tensor]) -> None:
    module, count, x = case
    verdicts = module(x)
    assert len(verdicts) == count
    for score, maps in verdicts:
        assert score.shape[0] == 4
        assert score.ndim == 2
        assert score.isfinite().all()
        assert len(maps) >= 6
        assert all(m.shape[0] % 4 == 0 and m.isfinite().all() for m in maps)
        assert torch.equal(maps[-1].reshape(4, -1), score)


def test_one_stacked_pass_equals_two(case: tuple[nn.Module, int, Tensor]) -> None:
    module, _, x = case
    first, second = split_verdicts(module(x))
    for got, want in zip(first + second, module(x[:2]) + module(x[2:]), strict=True):
        torch.testing.assert_close(got[0], want[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got[1], want[1], rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter_and_the_signal_in_bfloat16(case: tuple[nn.Module, int, Tensor]) -> None:
    module, _, x = case
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        verdicts = module(x)
    real, fake = split_verdicts(verdicts)
    loss = discriminator_loss(real, fake)
    assert loss.dtype == torch.float32
    loss.backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
    dead = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_silence_gives_finite_gradients(case: tuple[nn.Module, int, Tensor]) -> None:
    module, _, x = case
    silence = torch.zeros_like(x, requires_grad=True)
    sum(score.sum() for score, _ in module(silence)).backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


def test_parameters_at_paper_size() -> None:
    assert sum(p.numel() for p in MultiPeriodDiscriminator().parameters()) / 1e6 == pytest.approx(41.1, abs=0.05)


def test_a_period_is_the_papers_folding_into_a_picture() -> None:
    module = PeriodDiscriminator(5, (4, 8))
    x = torch.randn(2, 1, 103)
    picture = F.pad(x, (0, 2), "reflect").view(2, 1, 21, 5)
    for i, conv in enumerate(module.stack.convs):
        assert isinstance(conv, nn.Conv1d)
        stride, padding = (conv.stride[0], 1), (int(conv.padding[0]), 0)
        picture = F.conv2d(picture, conv.weight.unsqueeze(-1), conv.bias, stride, padding)
        picture = picture if i == 2 else F.leaky_relu(picture, 0.1)
    score, _ = module(x)
    # Ours lists column after column, the picture row after row.
    torch.testing.assert_close(score.view(2, 5, -1).transpose(1, 2), picture.squeeze(1), rtol=1e-4, atol=1e-5)


def test_spectrogram_stays_in_float32_under_autocast() -> None:
    module, x = SpectrogramDiscriminator(256, 64), torch.randn(1, 1, 1600)
    with torch.autocast("cpu", torch.bfloat16):
        inside = module.spectrogram(x)
    assert inside.dtype == torch.float32
    assert inside.shape == (1, 1, 26, 129)
    assert torch.equal(inside, module.spectrogram(x))


def test_spectrogram_level_does_not_depend_on_its_size() -> None:
    noise = torch.randn(1, 1, 16000)
    levels = [float(SpectrogramDiscriminator(n, n // 4).spectrogram(noise).mean()) for n in (256, 512, 1024)]
    assert max(levels) / min(levels) < 1.05


def test_another_number_of_bands_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 64 bands, not 80"):
        MelDiscriminator(64)(torch.randn(2, 80, 20))


def test_mel_patch_is_as_documented() -> None:
    module, mel = MelDiscriminator(201, channels=4).double(), torch.randn(1, 201, 61, dtype=torch.float64, requires_grad=True)
    score = module(mel)[0][1][-1][0, 0]
    (gradient,) = torch.autograd.grad(score[score.shape[0] // 2, score.shape[1] // 2], mel)
    bands, frames = gradient[0].nonzero().unbind(1)
    assert (int(bands.max() - bands.min()) + 1, int(frames.max() - frames.min()) + 1) == (77, 21)


def test_each_learns_to_tell_tones_from_noise() -> None:
    time = torch.arange(2400) / 16000
    tones = torch.sin(2 * torch.pi * torch.tensor([[150.0], [310.0], [520.0], [1100.0]]) * time).unsqueeze(1) * 0.3
    both = torch.cat([tones, 0.3 * torch.randn(4, 1, 2400)])
    for module in (MultiPeriodDiscriminator(width=1 / 8), MultiResolutionDiscriminator(channels=4)):
        optimizer = torch.optim.Adam(module.parameters(), 2e-3)
        losses = []
        for _ in range(25):
            loss = discriminator_loss(*split_verdicts(module(both)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]
