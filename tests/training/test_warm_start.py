"""Runs that begin with a model's weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import unitcodec
from bitstream import fit_tables
from unitcodec.configuration import ModelConfig
from unitcodec.errors import ModelError, UnitcodecError
from unitcodec.model import Networks, digest, save, stored
from unitcodec.training import run
from unitcodec.training.entropy_stage import describe
from unitcodec.training.teacher import read_whisper

STEPS = {"content": {"steps": 1, "batch": 2, "seconds": 1.28, "rate": 1e-9}, "joint": {"steps": 1, "batch": 2, "seconds": 0.64}}


def _config(folder: Path, default_model: Path, **changes: object) -> Path:
    options = json.loads((default_model / "config.json").read_text())
    content = {**STEPS["content"], "family": "fsq", **options["content"]}
    if "kind" in content:
        content["family"] = content.pop("kind")
    decoder = {"memory": options["decoder"].get("memory", [0, 0, 0])}
    settings: dict[str, object] = {
        **STEPS,
        "content": content,
        "decoder": decoder,
        "whisper": {"checkpoint": "default"},
        "pitch": options["pitch"],
        **changes,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder / "settings.json"


def test_stages_go_on_from_a_model(default_model: Path, manifest: Path, tmp_path: Path) -> None:
    config, networks = _config(tmp_path, default_model), unitcodec.load("default", device="cpu").model.networks
    run("content", manifest, tmp_path, config, warm_start="default")
    trained = torch.load(tmp_path / "content" / "state.pt", weights_only=True)["model"]
    for part in ("content", "speaker", "decoder"):
        for name, weight in getattr(networks, part).state_dict().items():
            assert torch.allclose(trained[f"{part}.{name}"], weight, atol=1e-5)
    # The joint stage finds the pitch and vocoder stages' weights there, without the model being named again.
    run("joint", manifest, tmp_path, config)
    assert torch.load(tmp_path / "joint" / "state.pt", weights_only=True)["step"] == 1
    # Nor need the content stage have been run.
    run("joint", manifest, tmp_path / "joint alone", config, warm_start="default")
    assert not (tmp_path / "joint alone" / "content" / "state.pt").exists()
    # A stage with a state goes on from that.
    run("content", manifest, tmp_path, _config(tmp_path, default_model), warm_start="default")
    after = torch.load(tmp_path / "content" / "state.pt", weights_only=True)
    assert after["step"] == 1
    assert all(torch.equal(trained[name], weight) for name, weight in after["model"].items())


@pytest.fixture(scope="module")
def without_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the family fsq, with random weights in the widths that are trained here."""
    parts = {"content": {"levels": [6, 6]}, "pitch": {"codes": 20}, "decoder": {"rows": 2}, "generator": {"kind": "spectral"}}
    config = ModelConfig(name="plain", **parts)
    torch.manual_seed(0)
    networks = Networks(config).eval()
    spec = describe((6, 6), 4, 20, networks.speaker.alphabets, digest(stored(networks)))
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("plain") / "plain"
    save(folder, config, networks, fit_tables([(rng.integers(6, size=(2, 640)), rng.integers(20, size=320))], spec))
    return folder


def test_whisper_joins_a_model_that_was_trained_without(
    without_whisper: Path, manifest: Path, published_whisper: Path, tmp_path: Path
) -> None:
    content = {"family": "whisper", "feature_loss": 1.0, "heard_tract": 0.5, "levels": [6, 6]}
    config = _config(
        tmp_path,
        without_whisper,
        content={**STEPS["content"], **content},
        decoder={"memory": [1, 6, 2]},
        whisper={"checkpoint": str(published_whisper)},
    )
    run("content", manifest, tmp_path / "out", config, warm_start=without_whisper)
    trained = torch.load(tmp_path / "out" / "content" / "state.pt", weights_only=True)["model"]
    for name, weight in read_whisper(published_whisper).state_dict().items():
        assert torch.equal(trained[f"content.whisper.{name}"], weight)
    assert trained["decoder.memory.0.scale"].abs().max() < 1e-6
    assert "feature_loss" in (tmp_path / "out" / "content" / "log.csv").read_text().splitlines()[0]


def test_rows_of_units_are_added_unheard(without_whisper: Path, manifest: Path, tmp_path: Path) -> None:
    content = {"family": "fsq", "levels": [5, 5, 5], "ladder": [5, 3], "nested": 0.5}
    run(
        "content",
        manifest,
        tmp_path,
        _config(tmp_path, without_whisper, content=STEPS["content"] | content),
        warm_start=without_whisper,
    )
    trained = torch.load(tmp_path / "content" / "state.pt", weights_only=True)["model"]
    before = unitcodec.load(without_whisper, device="cpu").model.networks
    assert torch.allclose(trained["content.head.2.weight"][:2], before.content.head[2].weight, atol=1e-6)
    assert torch.allclose(trained["decoder.stem.weight"][:, :2], before.decoder.stem.weight, atol=1e-6)
    assert trained["content.head.2.weight"][2].abs().max() > 0.01
    assert trained["decoder.stem.weight"][:, 2].abs().max() < 1e-6
    with pytest.raises(UnitcodecError, match="its content is made with"):
        fewer = _config(tmp_path, without_whisper, content=STEPS["content"] | {"family": "fsq", "levels": [6]})
        run("content", manifest, tmp_path / "fewer", fewer, warm_start=without_whisper)


def test_the_f0_stage_keeps_its_codebook(default_model: Path, manifest: Path, tmp_path: Path) -> None:
    codes = unitcodec.load("default", device="cpu").model.networks.pitch.codes
    pitch = {"codes": codes, "steps": 1, "batch": 2, "seconds": 1.28, "rate": 1e-9}
    run("pitch", manifest, tmp_path, _config(tmp_path, default_model, pitch=pitch), warm_start="default")
    before = unitcodec.load("default", device="cpu").model.networks.pitch.quantizer.codebook
    after = torch.load(tmp_path / "pitch" / "state.pt", weights_only=True)["model"]["quantizer.codebook"]
    assert torch.linalg.norm(after - before) < 0.1 * torch.linalg.norm(before)


def test_finer_codes_and_another_f0_code_go_on_from_a_model(default_model: Path, manifest: Path, tmp_path: Path) -> None:
    pitch = {"codes": 9, "steps": 1, "batch": 2, "seconds": 1.28}
    config = _config(tmp_path, default_model, pitch=pitch)
    settings = json.loads(config.read_text())
    settings["speaker"] = {"levels": 7}
    settings["content"]["levels"] = [level + 1 for level in settings["content"]["levels"]]
    if ladder := settings["content"].get("ladder"):
        settings["content"]["ladder"] = [ladder[0] + 1, *ladder]
    config.write_text(json.dumps(settings))
    run("pitch", manifest, tmp_path, config, warm_start="default")
    run("content", manifest, tmp_path, config, warm_start="default")
    assert torch.load(tmp_path / "pitch" / "state.pt", weights_only=True)["model"]["quantizer.codebook"].shape[0] == 9
    trained = torch.load(tmp_path / "content" / "state.pt", weights_only=True)["model"]
    before = unitcodec.load("default", device="cpu").model.networks.content.state_dict()
    assert all(torch.allclose(trained[f"content.{name}"], weight, atol=1e-5) for name, weight in before.items())


def test_restarting_begins_with_the_model_again(default_model: Path, manifest: Path, tmp_path: Path) -> None:
    vocoder = {"steps": 1, "batch": 2, "seconds": 0.64}
    config = _config(tmp_path, default_model, vocoder=vocoder)
    run("vocoder", manifest, tmp_path, config, warm_start="default")
    first = (tmp_path / "vocoder" / "state.pt").stat().st_mtime_ns
    run("vocoder", manifest, tmp_path, config, resume=False, warm_start="default")
    assert (tmp_path / "vocoder" / "state.pt").stat().st_mtime_ns != first
    trained = torch.load(tmp_path / "vocoder" / "state.pt", weights_only=True)["model"]
    for name, weight in unitcodec.load("default", device="cpu").model.networks.generator.state_dict().items():
        assert torch.allclose(trained[name], weight, atol=2e-5)


def test_hifigan_with_an_excitation_begins_around_a_models_generator(default_model: Path, manifest: Path, tmp_path: Path) -> None:
    vocoder = {"steps": 1, "batch": 2, "seconds": 0.64, "generator": {"kind": "hifigan", "excitation": True}}
    run("vocoder", manifest, tmp_path, _config(tmp_path, default_model, vocoder=vocoder), warm_start="default")
    trained = torch.load(tmp_path / "vocoder" / "state.pt", weights_only=True)["model"]
    for name, weight in unitcodec.load("default", device="cpu").model.networks.generator.state_dict().items():
        assert torch.allclose(trained[f"source.{name}"], weight, atol=2e-5)
    vocoder["generator"] = {"kind": "hifigan", "excitation": True, "source": {"channels": 64}}
    with pytest.raises(UnitcodecError, match="its generator is made with"):
        run("vocoder", manifest, tmp_path / "other", _config(tmp_path, default_model, vocoder=vocoder), warm_start="default")


def test_a_model_of_other_widths(narrow_folder: Path, manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "narrow"
    shutil.copytree(narrow_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    generator = config["generator"]
    settings = {"content": {"levels": [7, 5, 4, 3]}, "pitch": {"codes": 12}, "vocoder": {"generator": generator}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(UnitcodecError, match="its content is made with"):
        run("content", manifest, tmp_path / "out", tmp_path / "settings.json", warm_start=folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": {"levels": [4, 4]}}, "its content is made with"),
        ({"vocoder": {"generator": {"kind": "hifigan"}}}, "its generator is made with"),
        ({"content": {"family": "fsq"}}, "--config unitcodec/training/whisper.json describes"),
        ({"decoder": {"memory": [0, 0, 0]}}, "its networks have other widths"),
        ({"content": {"family": "vqvae"}}, "of the family 'vqvae' cannot begin"),
    ],
)
def test_settings_that_describe_another_model(
    default_model: Path, manifest: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UnitcodecError, match=message):
        run("content", manifest, tmp_path / "out", _config(tmp_path, default_model, **changes), warm_start="default")
    assert not list((tmp_path / "out").rglob("*.pt"))


def test_a_model_that_is_not_there(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'absent'"):
        run("pitch", manifest, tmp_path / "out", warm_start="absent")
