"""What the losses that take the whole autoencoder see and teach."""

from __future__ import annotations

import pytest
import torch

from unitcodec.pitch.vqvae import PitchVQVAE
from unitcodec.training.autoencoder import Autoencoder, conversion_loss, decoded_pitch


def _batch(voices: torch.Tensor) -> dict[str, torch.Tensor]:
    track = torch.stack([torch.sin(torch.arange(64) / 9), torch.ones(64)]).expand(len(voices), 2, 64)
    waveform = voices[:, None] * torch.sin(torch.arange(160 * 64) * 0.01 * voices[:, None])
    return {"track": track, "mean": 4.6 + 0.2 * voices, "deviation": 0.2 * voices, "clean": waveform, "other": waveform}


@pytest.fixture
def model() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder({"levels": [5, 5]})


def test_decoded_pitch_is_that_of_the_batch() -> None:
    torch.manual_seed(0)
    features, hz = decoded_pitch(PitchVQVAE(codes=8).eval(), _batch(torch.tensor([0.5, 1.0])))
    assert features.shape == (2, 3, 64)
    assert hz.shape == (2, 64)
    assert ((hz >= 50) & (hz <= 600)).all()
    log_f0 = features[:, 1] * torch.tensor([[0.1], [0.2]]) + torch.tensor([[4.7], [4.8]])
    torch.testing.assert_close(log_f0, torch.log(hz))


def test_a_conversion_to_the_same_voice_is_a_decoding(model: Autoencoder) -> None:
    batch, pitch = _batch(torch.tensor([1.0, 1.0])), PitchVQVAE(codes=8).eval()
    values, _, _ = model.coded(batch["clean"])
    mel = model.decoded(values, batch["other"], decoded_pitch(pitch, batch)[0])
    bound = model.speaker.quantizer.bound
    expected = bound(model.speaker.latent(mel)[..., None]) - bound(model.voice(batch["other"])[..., None])
    assert conversion_loss(model, pitch, values, batch).item() == pytest.approx(expected.abs().mean().item(), rel=1e-5)


def test_whoever_recognises_voices_does_not_learn_from_conversions(model: Autoencoder) -> None:
    batch, pitch = _batch(torch.tensor([0.4, 1.0, 0.7])), PitchVQVAE(codes=8).eval()
    values, _, _ = model.coded(batch["clean"])
    conversion_loss(model, pitch, values, batch).backward()
    learning = {name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None and value.grad.any()}
    assert learning == {"content", "decoder"}
    assert all(value.requires_grad for value in model.parameters())
    model.speaker.requires_grad_(False)
    values, _, _ = model.coded(batch["clean"])
    conversion_loss(model, pitch, values, batch).backward()
    assert not any(value.requires_grad for value in model.speaker.parameters())


def test_units_are_held_steady_where_the_ear_is_disturbed(model: Autoencoder) -> None:
    batch = _batch(torch.tensor([0.4, 1.0]))
    batch["heard"] = batch["clean"].clone()
    latent = model.latent(batch["heard"])
    assert model.unsteadiness(latent, batch) == 0
    batch["heard"][1] += 0.1 * torch.randn(batch["heard"].shape[1])
    latent = model.latent(batch["heard"])
    found = model.unsteadiness(latent, batch)
    bound = model.content.quantizer.bound
    expected = (bound(latent[1]) - bound(model.latent(batch["clean"])[1])).square().mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    assert found > 0
    found.backward()
    assert any(value.grad is not None and value.grad.any() for value in model.content.parameters())
