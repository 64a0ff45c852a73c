"""Masked prediction: the loss, its gradient in closed form, the masks, and that it learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import unitcodec
from unitcodec.errors import UnitcodecError
from unitcodec.training import run
from unitcodec.training.hubert import MaskedPrediction, codeword_loss, per_crop, span_mask


def test_gradient_of_the_context_is_the_mean_codeword_less_its_own() -> None:
    """For inner-product scores dL/dc_t = sum over v of p(v | c_t) v, less the codeword of the label."""
    torch.manual_seed(0)
    contexts = torch.randn(2, 7, 5, dtype=torch.float64, requires_grad=True)
    codewords = torch.randn(11, 5, dtype=torch.float64)
    labels = torch.randint(11, (2, 7))
    codeword_loss(contexts @ codewords.T, labels).sum().backward()
    mean = torch.softmax(contexts.detach() @ codewords.T, -1) @ codewords
    assert torch.allclose(contexts.grad, mean - codewords[labels], atol=1e-12)


def test_gradient_of_a_codeword_pulls_it_to_the_frames_it_labels_and_away_from_the_others() -> None:
    """dL/dv = sum over frames of (p(v | c_t) - [t is labelled v]) c_t."""
    torch.manual_seed(0)
    contexts = torch.randn(1, 40, 5, dtype=torch.float64)
    codewords = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(6, (1, 40))
    codeword_loss(contexts @ codewords.T, labels).sum().backward()
    weight = torch.softmax(contexts @ codewords.detach().T, -1)[0]
    pull = torch.nn.functional.one_hot(labels[0], 6) - weight
    assert torch.allclose(-codewords.grad, pull.T @ contexts[0], atol=1e-12)
    for code in range(6):
        own = labels[0] == code
        assert (pull[own, code] > 0).all()
        assert (pull[~own, code] < 0).all()


def test_gradient_of_the_score_that_training_uses() -> None:
    """Of cosines over a temperature: the same pull toward unit codewords, across the context's own direction only."""
    torch.manual_seed(0)
    head = MaskedPrediction(5, 11, dimensions=5)
    torch.nn.init.eye_(head.project.weight)
    torch.nn.init.zeros_(head.project.bias)
    contexts = torch.randn(2, 7, 5, requires_grad=True)
    labels = torch.randint(11, (2, 7))
    head(contexts, labels).sum().backward()
    length = contexts.detach().norm(dim=-1, keepdim=True)
    unit, words = contexts.detach() / length, torch.nn.functional.normalize(head.codewords.detach(), dim=-1)
    pull = torch.softmax(unit @ words.T / 0.1, -1) @ words - words[labels]
    across = pull - (pull * unit).sum(-1, keepdim=True) * unit
    assert torch.allclose(contexts.grad, across / (0.1 * length), rtol=1e-3, atol=1e-4)


def test_frames_without_a_label_cost_nothing() -> None:
    head = MaskedPrediction(8, 5)
    states = torch.randn(2, 9, 8)
    labels = torch.randint(5, (2, 9))
    labels[:, 6:] = -1
    losses = head(states, labels)
    assert (losses[:, 6:] == 0).all()
    assert (losses[:, :6] > 0).all()


def test_the_mask_hides_what_it_covers() -> None:
    head = MaskedPrediction(8, 5)
    frames, mask = torch.randn(2, 8, 9), torch.zeros(2, 9, dtype=torch.bool)
    mask[0, 2:5] = True
    hidden = head.hide(frames, mask)
    assert torch.equal(hidden[0, :, 2:5], head.mask[:, None].expand(-1, 3))
    assert torch.equal(hidden[1], frames[1])


def test_spans() -> None:
    masks = [span_mask(np.random.default_rng(seed), 250, 0.065, 10) for seed in range(50)]
    covered = np.mean([mask.mean() for mask in masks])
    # A frame is free if no span began in the ten places from which one would cover it.
    assert abs(covered - (1 - 0.935**10)) < 0.05
    assert all(mask.any() and len(mask) == 250 for mask in masks)
    lone = span_mask(np.random.default_rng(0), 100, 0.0, 10)
    assert 1 <= lone.sum() <= 10


def test_the_mean_over_crops_weighs_them_alike() -> None:
    losses = torch.tensor([[1.0, 3.0, 100.0], [5.0, 100.0, 100.0]])
    chosen = torch.tensor([[True, True, False], [True, False, False]])
    assert per_crop(losses, chosen) == 3.5
    assert per_crop(losses, torch.zeros(2, 3, dtype=torch.bool)) == 0


SMALL = {
    "pitch": {"codes": 10, "steps": 2, "batch": 2, "seconds": 1.28},
    "content": {"steps": 2, "batch": 2, "seconds": 1.28, "codes": 12},
    "vocoder": {"steps": 2, "batch": 2, "seconds": 0.64},
    "joint": {"steps": 2, "batch": 2, "seconds": 0.64},
    "entropy": {"hidden": 8, "embedding": 4, "epochs": 1},
    "hubert": {
        "encoder": {"channels": 16, "heads": 2, "layers": 2, "reach": 4},
        "layer": 1,
        "targets": [8, 10],
        "steps": 30,
        "batch": 4,
        "seconds": 1.28,
        "bfloat16": False,
        "rate": 0.01,
    },
    "cpc": {
        "encoder": {"channels": 16, "heads": 2, "layers": 1, "reach": 4},
        "steps": 30,
        "batch": 4,
        "seconds": 1.28,
        "bfloat16": False,
        "rate": 0.01,
    },
    "vqvae": {"encoder": {"stride": 2, "channels": [8, 16], "embedding": 8}},
}


@pytest.mark.parametrize("family", ["vqvae", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hubert", "cpc"))])
def test_one_command_trains_a_family_into_a_model(
    family: str, manifest: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unitcodec.training.loop.WARM_UP", 5)
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    run("all", manifest, tmp_path / "run", tmp_path / "config.json", family=family)
    codec = unitcodec.load(tmp_path / "run" / "model", device="cpu")
    assert codec.model.networks.content.vocabulary == (12,)
    assert codec.model.entropy.spec.packet_samples == 40960
    import soundfile

    wave, _ = soundfile.read(speech, dtype="float32", frames=50001)
    codes = codec.encode(wave, 16000)
    assert codes.units.shape == (1, 157)
    assert codec.decode(codes).shape == wave.shape
    if family != "vqvae":
        logs = sorted((tmp_path / "run" / "content").glob("*/log.csv"))
        assert len(logs) == (2 if family == "hubert" else 1)
        # A second call finds everything done.
        content = tmp_path / "run" / "content"
        before = {path: path.stat().st_mtime_ns for path in content.rglob("*") if path.name != "options.json"}
        run("content", manifest, tmp_path / "run", tmp_path / "config.json", family=family)
        assert before == {path: path.stat().st_mtime_ns for path in before}
        # Another codebook needs another decoder, but no other network below it.
        other = {**SMALL, "content": {**SMALL["content"], "codes": 7}}
        (tmp_path / "config.json").write_text(json.dumps(other))
        with pytest.raises(UnitcodecError, match="a content encoder with other settings"):
            run("content", manifest, tmp_path / "run", tmp_path / "config.json", family=family)
        assert json.loads((content / "options.json").read_text())["codes"] == 12
        (content / "state.pt").unlink()
        run("content", manifest, tmp_path / "run", tmp_path / "config.json", family=family)
        assert json.loads((content / "options.json").read_text())["codes"] == 7
        assert [log.stat().st_mtime_ns for log in logs] == [before[log] for log in logs]


@pytest.mark.parametrize("published", [False, True])
def test_a_decoder_is_trained_for_a_public_encoder(
    published: bool, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (the extra ssl)")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    convolutions = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    transformers.HubertModel(transformers.HubertConfig(**sizes, **convolutions)).save_pretrained(tmp_path / "checkpoint")
    encoder = {"checkpoint": str(tmp_path / "checkpoint"), "layer": 1, "dimensions": 16, "normalize": False}
    centroids = np.random.default_rng(0).standard_normal((12, 16)).astype(np.float32)
    np.save(tmp_path / "km.npy", centroids)
    pretrained = {"encoder": encoder, "centroids": str(tmp_path / "km.npy") if published else None}
    settings = {**SMALL, "pretrained": pretrained, "export": {"joint": False}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    for stage in ("pitch", "content", "vocoder", "entropy", "export"):
        run(stage, manifest, tmp_path / "run", tmp_path / "config.json", family="pretrained")
    content = unitcodec.load(tmp_path / "run" / "model", device="cpu").model.networks.content
    assert content.vocabulary == (12,)
    if published:
        assert np.allclose(content.codebook.centroids.numpy(), centroids, atol=1e-3)
        np.save(tmp_path / "km.npy", centroids[:5])
        with pytest.raises(UnitcodecError, match="centroids of 5 x 16; the settings say 12 x 16"):
            run("content", manifest, tmp_path / "run", tmp_path / "config.json", resume=False, family="pretrained")
