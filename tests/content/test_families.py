"""What every family of content encoders promises: receptive field, units, distances, values, and that cuts do not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unitcodec.content import ContentFamily, hear, make_content
from unitcodec.content.fsq import ContentEncoder

FAMILIES: dict[str, dict[str, Any]] = {
    "fsq with a ladder": {"levels": (8, 8), "ladder": (8, 5), "channels": (16, 24), "blocks": (1, 1)},
    "fsq": {"levels": (5, 4), "channels": (8, 8)},
    "fsq slow": {"levels": (5, 4), "channels": (8, 8), "stride": 8},
    "vqvae": {"codes": 11, "stride": 2, "channels": (8, 12), "embedding": 6},
    "vqvae slow": {"codes": 11, "rows": 2, "stride": 4, "channels": (8, 12), "embedding": 6},
    "hubert": {"codes": 9, "channels": 16, "heads": 2, "layers": 3, "reach": 4, "embedding": 6},
    "hubert layer 2": {"codes": 9, "channels": 16, "heads": 2, "layers": 3, "layer": 2, "reach": 4, "embedding": 6},
    "hubert waveform": {"codes": 9, "front_end": "waveform", "channels": 16, "heads": 2, "layers": 2, "reach": 3, "embedding": 6},
    "cpc": {"codes": 9, "channels": 16, "heads": 2, "layers": 2, "reach": 5, "embedding": 6},
    "cpc waveform": {"codes": 9, "front_end": "waveform", "channels": 16, "heads": 2, "layers": 2, "reach": 5, "embedding": 6},
}


def _made(name: str, wave: torch.Tensor) -> Any:
    """A family's encoder in float64 with random weights and a codebook that its own features lie near."""
    torch.manual_seed(0)
    content: Any = make_content(name.split()[0], **FAMILIES[name]).double().eval()  # type: ignore[attr-defined]
    with torch.no_grad():
        features = content.latent(hear(content, wave))
        if hasattr(content, "codebook"):
            content.codebook.centroids.copy_(features[0].T[:: features.shape[2] // 9][:9])
        elif hasattr(content.quantizer, "rows"):
            for layer in content.quantizer.rows:
                layer.codebook.copy_(features[0].T[:: features.shape[2] // 11][:11])
                features = features - layer.decode(layer.encode(features), torch.float64)
        else:
            centre, spread = features.mean((0, 2)), features.std((0, 2))
            content.head[-1].weight.div_(spread[:, None, None])
            content.head[-1].bias.sub_(centre).div_(spread)
    return content


@pytest.fixture(scope="module")
def wave() -> torch.Tensor:
    """3.2 s of noise that comes and goes."""
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.3, 64), 800)
    return torch.from_numpy(rng.standard_normal(51200) * loud)[None]


@pytest.mark.parametrize("name", FAMILIES)
def test_units_are_the_nearest_codes(name: str, wave: torch.Tensor) -> None:
    content: ContentFamily = _made(name, wave)
    heard = hear(content, wave)
    units = content.encode(heard)
    frames = 320 // content.stride
    assert units.shape == (1, len(content.vocabulary), frames)
    assert units.dtype == torch.int64
    if isinstance(content, ContentEncoder):
        assert torch.equal(units, content.ladder_codes(content.latent(heard))[:, 0])
        assert all(0 <= int(row.min()) <= int(row.max()) < size for row, size in zip(units[0], content.vocabulary, strict=True))
    else:
        distances = content.distances(heard)
        assert [row.shape for row in distances] == [(1, frames, size) for size in content.vocabulary]
        assert torch.equal(units[0], torch.stack([row[0].argmin(1) for row in distances]))
    # Of what is left over by a codebook of the very features little can be told apart.
    first = 1 if FAMILIES[name].get("ladder") else 0
    assert len(units[0, first].unique()) >= 3


@pytest.mark.parametrize("name", FAMILIES)
def test_values_are_what_quantize_gives(name: str, wave: torch.Tensor) -> None:
    content = _made(name, wave).float()
    values, units, loss = content.quantize(hear(content, wave.float()))
    assert values.shape == (1, content.channels, units.shape[2])
    assert torch.allclose(values, content.values(units), atol=1e-5)
    assert loss.ndim == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_context_is_as_stated(name: str, wave: torch.Tensor) -> None:
    content = _made(name, wave)
    heard = hear(content, wave).requires_grad_()
    frame = 160 // content.stride
    (gradient,) = torch.autograd.grad(content.latent(heard)[..., frame].sum(), heard)
    scale = 160 if content.hears == "waveform" else 1
    touched = gradient.reshape(-1, gradient.shape[-1]).abs().sum(0).nonzero()[:, 0]
    assert int(touched[0]) >= (frame * content.stride - content.context) * scale
    assert int(touched[-1]) < ((frame + 1) * content.stride + content.context) * scale


@pytest.mark.parametrize("name", FAMILIES)
def test_a_window_gives_the_units_of_the_whole(name: str, wave: torch.Tensor) -> None:
    content = _made(name, wave)
    whole = content.encode(hear(content, wave))
    # Around unit frames from 1.6 s on: the context, half a spectrum's window, whole F0 codes.
    around = -(-(content.context * 160 + 320) // 1280) * 1280
    window = wave[:, 25600 - around : 25600 + 5120 + around]
    first = around // (160 * content.stride)
    part = content.encode(hear(content, window))[..., first : first + 5120 // (160 * content.stride)]
    start = 160 // content.stride
    assert torch.equal(part, whole[..., start : start + part.shape[2]])


def test_cpc_does_not_look_ahead(wave: torch.Tensor) -> None:
    content = _made("cpc", wave)
    mel = hear(content, wave)
    changed = mel.clone()
    changed[..., 100:] += 1
    before, after = content.latent(mel), content.latent(changed)
    assert torch.equal(before[..., :50], after[..., :50])
    assert not torch.equal(before[..., 50:], after[..., 50:])


def test_units_of_a_frozen_family_pass_no_gradient(wave: torch.Tensor) -> None:
    content = _made("hubert", wave).float()
    values, _, _ = content.quantize(hear(content, wave.float()))
    values.sum().backward()
    assert [name for name, parameter in content.named_parameters() if parameter.grad is not None] == ["codebook.embedding"]


def test_a_vqvae_learns_through_its_units(wave: torch.Tensor) -> None:
    """Straight-through: the encoder's output gets the very gradient that the values get, and the commitment's."""
    content = _made("vqvae", wave).float().train()
    latent = content.latent(hear(content, wave.float())).detach().requires_grad_()
    values, _, loss = content.quantizer(latent)
    values.retain_grad()
    weight = torch.randn_like(values)
    (values * weight).sum().backward(retain_graph=True)
    assert torch.equal(latent.grad, weight)
    latent.grad = None
    loss.backward()
    assert latent.grad.abs().sum() > 0


def test_families_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown content encoder 'phonemes': one of"):
        make_content("phonemes")
    with pytest.raises(ValueError, match="unknown front end 'ears'"):
        make_content("hubert", front_end="ears")
    with pytest.raises(ValueError, match="layer 7 of 5"):
        make_content("hubert", layer=7)
    with pytest.raises(ValueError, match="stride 3"):
        make_content("vqvae", stride=3)
