"""The stage in which the content encoder learns from the sound of its units, with the default model's networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unitcodec.errors import UnitcodecError
from unitcodec.training import run
from unitcodec.training.corpus import prepare
from unitcodec.training.encoder import EncoderTraining
from unitcodec.training.settings import read_settings
from unitcodec.training.stages import Folder
from unitcodec.training.teacher import read_whisper
from unitcodec.training.warm_start import begin
from unitcodec.vocoder import make_generator

RECIPE = {
    "pitch": {"codes": 40},
    "content": {"family": "whisper", "levels": [12] * 4, "ladder": list(range(12, 1, -1))},
    "vocoder": {"generator": {"kind": "spectral", "matching": 2}},
    "speaker": {"levels": 8},
    "decoder": {"memory": [2, 12, 4]},
    "encoder": {"steps": 2, "batch": 1, "seconds": 1.28},
    "export": {"joint": False},
    "whisper": {"checkpoint": "default"},
}


@pytest.fixture
def training(manifest: Path, tmp_path: Path) -> EncoderTraining:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(RECIPE | {"encoder": {"steps": 12, "batch": 2, "seconds": 1.28, "bfloat16": False}}))
    settings = read_settings(recipe)
    begin("default", tmp_path, settings)
    folder = Folder(prepare(manifest, tmp_path / "corpus"), tmp_path, settings, 0, "cpu", None)
    generator = make_generator(**settings.vocoder.generator)
    generator.load_state_dict(folder.spoken()["model"])
    teacher = read_whisper("default")
    return EncoderTraining(folder.corpus, folder.pitch(), folder.autoencoder(), generator, teacher, settings.encoder)


def test_units_learn_from_their_sound(training: EncoderTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve steps on one batch: the recogniser hears more of the recording in it."""
    parts = (training.model.decoder, training.model.speaker, training.generator, training.model.scalar.whisper)
    before = [value.clone() for part in parts for value in part.state_dict().values()]
    optimizer = torch.optim.Adam(training.learned, 3e-4)
    batch = training.batches.batch(2, 0)
    monkeypatch.setattr(training.batches, "batch", lambda size, step: batch)
    lost = []
    for step in range(12):
        torch.manual_seed(0)  # of the excitation
        loss, told = training.loss(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lost.append(float(torch.as_tensor(told["feature_loss"]).detach()))
    assert lost[-1] < 0.95 * lost[0]
    after = [value for part in parts for value in part.state_dict().values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_stage_keeps_all_but_the_content_encoder(manifest: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(RECIPE))
    run("encoder", manifest, tmp_path / "run", recipe, warm_start="default")
    state = torch.load(tmp_path / "run" / "encoder" / "state.pt", weights_only=True)
    begun = torch.load(tmp_path / "run" / "content" / "warm_start.pt", weights_only=True)["model"]
    assert state["step"] == 2
    moved = [name for name, value in state["content"].items() if not torch.equal(value, begun[f"content.{name}"])]
    assert moved
    assert not any(name.startswith("whisper.") for name in moved)
    header = (tmp_path / "run" / "encoder" / "log.csv").read_text().splitlines()[0].split(",")
    assert {"mel", "feature_loss", "rate", "test_mel", "test_feature_loss", "coarse_feature_loss", "test_bits"} <= set(header)


def test_the_mel_decoder_may_learn_too(manifest: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    encoder = {**RECIPE["encoder"], "decoder": True, "conversion": 0.1}
    recipe.write_text(json.dumps({**RECIPE, "encoder": encoder, "whisper": {**RECIPE["whisper"], "teachers": ["default"] * 2}}))
    run("encoder", manifest, tmp_path / "run", recipe, warm_start="default")
    state = torch.load(tmp_path / "run" / "encoder" / "state.pt", weights_only=True)
    folder = Folder(prepare(manifest, tmp_path / "run" / "corpus"), tmp_path / "run", read_settings(recipe), 0, "cpu", None)
    begun, taught = folder.autoencoder(), folder.taught()
    assert not torch.equal(begun.decoder.head.weight, taught.decoder.head.weight)
    assert all(torch.equal(value, state["decoder"][name]) for name, value in taught.decoder.state_dict().items())
    assert all(torch.equal(one, two) for one, two in zip(begun.speaker.parameters(), taught.speaker.parameters(), strict=True))
    header = (tmp_path / "run" / "encoder" / "log.csv").read_text().splitlines()[0].split(",")
    assert {"conversion", "test_conversion"} <= set(header)
    # What learned together is not taken apart.
    other = tmp_path / "other.json"
    other.write_text(json.dumps(RECIPE))
    with pytest.raises(UnitcodecError, match=r"of another encoder\.decoder"):
        replace(folder, settings=read_settings(other)).taught()


def test_a_stage_that_is_not_asked_for(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnitcodecError, match=r"encoder\.steps is 0"):
        run("encoder", manifest, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"content": {"family": "hubert"}}, r"encoder\.steps: only for scalar codes"), ({"whisper": {}}, r"whisper\.checkpoint")],
)
def test_what_it_lacks_is_told_before_the_other_stages(
    changes: dict[str, dict[str, str]], message: str, manifest: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({**RECIPE, **changes}))
    with pytest.raises(UnitcodecError, match=message):
        run("all", manifest, tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()
