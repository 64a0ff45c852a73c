"""Every stage on a few seconds of speech: from a manifest to a model folder that speaks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import unitcodec
from unitcodec import training
from unitcodec.errors import UnitcodecError
from unitcodec.training import STAGES, run
from unitcodec.vocoder.excited import ExcitedGenerator
from unitcodec.vocoder.hifigan import MelGenerator

SMALL: dict[str, dict[str, Any]] = {
    "pitch": {"codes": 10, "steps": 2, "batch": 2, "seconds": 1.28},
    "content": {"levels": [4, 4, 3], "steps": 2, "batch": 2, "seconds": 1.28},
    "vocoder": {"steps": 2, "batch": 2, "seconds": 0.64, "adversarial_from": 0.5},
    "joint": {"steps": 2, "batch": 2, "seconds": 0.64, "adversarial_from": 0.5},
    "entropy": {"hidden": 8, "embedding": 4, "epochs": 1},
}


def _config(folder: Path, **changes: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({name: {**SMALL.get(name, {}), **changes.get(name, {})} for name in {*SMALL, *changes}}))
    return path


@pytest.fixture(scope="module")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run through all stages."""
    out = tmp_path_factory.mktemp("run")
    run("all", manifest, out, _config(out), validation=manifest)
    return out


def _step(out: Path, stage: str) -> int:
    step: int = torch.load(out / stage / "state.pt", weights_only=True)["step"]
    return step


def _assert_speaks(folder: Path, speech: Path) -> unitcodec.Codec:
    codec = unitcodec.load(folder, device="cpu")
    assert 0 < codec.model.config.bitrate < 2000
    wave, _ = soundfile.read(speech, dtype="float32", frames=45001)
    decoded, _ = codec.decompress(codec.compress(wave, 16000))
    assert decoded.shape == wave.shape
    assert np.isfinite(decoded).all()
    assert decoded.any()
    return codec


def test_all_stages_make_a_model(trained: Path, speech: Path) -> None:
    assert [_step(trained, stage) for stage in STAGES if stage not in ("encoder", "entropy", "export")] == [2, 2, 2, 2]
    for stage in ("pitch", "content", "vocoder", "joint"):
        header, row = (trained / stage / "log.csv").read_text().splitlines()
        assert row.startswith("2,")
        assert header.startswith("step,")
    codec = _assert_speaks(trained / "model", speech)
    assert codec.model.networks.content.vocabulary == (4, 4, 3)
    assert codec.model.entropy.spec.f0.alphabet == 10


def test_the_exported_networks_are_the_trained_ones(trained: Path) -> None:
    networks = unitcodec.load(trained / "model", device="cpu").model.networks
    content = torch.load(trained / "content" / "state.pt", weights_only=True)["model"]
    joint = torch.load(trained / "joint" / "state.pt", weights_only=True)
    for mine, theirs in [
        (networks.content.stem.weight, content["content.stem.weight"]),
        (networks.speaker.head.weight, content["speaker.head.weight"]),
        (networks.decoder.head.weight, joint["decoder"]["head.weight"]),
        (networks.generator.stem.weight, joint["model"]["stem.weight"]),
    ]:
        assert torch.allclose(mine, theirs, atol=float(theirs.abs().max()) / 200)
    # The joint stage moved the decoder away from the autoencoder's.
    assert not torch.equal(joint["decoder"]["head.weight"], content["decoder.head.weight"])


def test_stages_resume_or_start_anew(trained: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    before = (out / "pitch" / "state.pt").read_bytes()
    run("pitch", manifest, out, _config(tmp_path))
    assert (out / "pitch" / "state.pt").read_bytes() == before
    run("pitch", manifest, out, _config(tmp_path, pitch={"steps": 4}))
    assert _step(out, "pitch") == 4
    run("pitch", manifest, out, _config(tmp_path, pitch={"steps": 1}), resume=False)
    assert _step(out, "pitch") == 1
    assert _step(out, "content") == 2
    # Codes of weights that are no longer there.
    run("content", manifest, out, _config(tmp_path, content={"steps": 1}), resume=False)
    for stage in ("entropy", "export"):
        with pytest.raises(UnitcodecError, match=r"codes\.safetensors: made by other weights .* with --restart"):
            run(stage, manifest, out, _config(tmp_path))
    run("entropy", manifest, out, _config(tmp_path), resume=False)


def test_the_hifigan_generator(trained: Path, manifest: Path, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch", "content"):
        shutil.copytree(trained / part, out / part)
    config = _config(tmp_path, vocoder={"generator": {"kind": "hifigan", "initial_channels": 32}})
    for stage in ("vocoder", "joint", "entropy", "export"):
        run(stage, manifest, out, config)
    codec = _assert_speaks(out / "model", speech)
    assert isinstance(codec.model.networks.generator, MelGenerator)


@pytest.mark.slow
def test_the_recipe_of_the_generator_with_an_excitation(trained: Path, manifest: Path, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch", "content"):
        shutil.copytree(trained / part, out / part)
    recipe = json.loads((Path(training.__file__).parent / "nsf.json").read_text())
    few = {"steps": 2, "batch": 2, "adversarial_from": 0.5}
    config = _config(tmp_path, **{stage: {**settings, **few} for stage, settings in recipe.items()})
    for stage in ("vocoder", "joint", "entropy", "export"):
        run(stage, manifest, out, config)
    for stage in ("vocoder", "joint"):
        header = (out / stage / "log.csv").read_text().splitlines()[0].split(",")
        assert {"mel", "discriminator", "adversarial", "feature_matching", "test_mel"} <= set(header)
    generator = _assert_speaks(out / "model", speech).model.networks.generator
    assert isinstance(generator, ExcitedGenerator)
    assert not [name for name in generator.state_dict() if "parametrizations" in name]


def test_a_stage_that_lacks_an_earlier_one(manifest: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "corpus", tmp_path / "corpus")
    for stage, missing in [("content", "pitch"), ("joint", "pitch"), ("export", "joint")]:
        with pytest.raises(UnitcodecError, match=f"run the stage '{missing}' first"):
            run(stage, manifest, tmp_path, _config(tmp_path))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ('{"pitch": {"speed": 3}}', "no such setting: pitch speed"),
        ('{"phoneme": {}}', "no such setting: phoneme"),
        ('{"content": {"warp": 0.5}}', r"content\.warp is called content\.vtlp now"),
        ('{"joint": {"judge_rate": 1e-3}}', r"joint\.judge_rate is called joint\.discriminator_rate now"),
        ('{"pitch": 3}', "no such setting: pitch"),
        ("[]", "not a JSON object"),
        ("{", "not a readable JSON file"),
        (None, "not a readable JSON file"),
    ],
)
def test_settings_that_do_not_exist(manifest: Path, tmp_path: Path, text: str | None, pattern: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UnitcodecError, match=pattern):
        run("pitch", manifest, tmp_path / "out", tmp_path / "config.json")
    assert not (tmp_path / "out").exists()


def test_a_stage_that_does_not_exist(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnitcodecError, match="unknown stage 'phoneme'"):
        run("phoneme", manifest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_codes_that_stay_where_they_are_learn_to_be_spelled(trained: Path, manifest: Path, tmp_path: Path) -> None:
    for part in ("corpus", "pitch"):
        shutil.copytree(trained / part, tmp_path / part)
    with pytest.raises(UnitcodecError, match=r"content\.ctc: only for scalar codes"):
        run("content", manifest, tmp_path, _config(tmp_path, content={"ctc": 0.1, "codes": 8}), family="vqvae")


@pytest.mark.slow
def test_content_trained_to_a_rate_with_whisper(
    trained: Path, manifest: Path, speech: Path, published_whisper: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch", "vocoder"):
        shutil.copytree(trained / part, out / part)
    options = {"whisper": {"checkpoint": str(published_whisper)}, "decoder": {"memory": [1, 4, 2]}}
    content = {"family": "whisper", "feature_loss": 0.5, "heard_tract": 0.5, "equalizer": 0.5, "steps": 4, "stride": 8}
    content |= {"bits": 60, "nested": 0.5, "steady": 0.1, "ctc": 0.1}
    run("content", manifest, out, _config(tmp_path, content=content, **options))
    header, row = (out / "content" / "log.csv").read_text().splitlines()
    logged = dict(zip(header.split(","), row.split(","), strict=True))
    assert {"rate", "weight", "feature_loss", "ctc"} <= set(logged)
    assert {"test_bits", "test_feature_loss", "coarse_l1", "coarse_feature_loss", "unsteadiness"} <= set(logged)
    assert float(logged["rate"]) > 60 / 12.5
    assert float(logged["weight"]) > 1e-3, "codes that cost too much are held back more"
    joint = {"steps": 2, "batch": 2, "seconds": 0.64, "adversarial_from": 1.0}
    config = _config(tmp_path, content={**content, "steps": 5}, joint=joint, **options)
    for stage in ("content", "joint", "entropy", "export"):
        run(stage, manifest, out, config)
    state = torch.load(out / "content" / "state.pt", weights_only=True)
    assert state["rate"]["weight"] > float(logged["weight"])
    codec = _assert_speaks(out / "model", speech)
    assert codec.model.entropy.spec.unit_hop == codec.model.entropy.spec.f0_hop == 1280


def test_content_that_learns_words(
    trained: Path, manifest: Path, published_whisper: Path, published_decoder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch"):
        shutil.copytree(trained / part, out / part)
    content = {"word_loss": 0.1, "word_crops": 1, "steps": 2}
    whisper = {"checkpoint": str(published_whisper), "decoder": str(published_decoder)}
    run("content", manifest, out, _config(tmp_path, content=content, whisper=whisper))
    header, row = (out / "content" / "log.csv").read_text().splitlines()
    logged = dict(zip(header.split(","), row.split(","), strict=True))
    assert 0 < float(logged["word_loss"]) < 20
    assert 0 < float(logged["test_word_loss"]) < 20


def test_decoders_that_are_held_to_the_voice_of_a_conversion(trained: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch", "vocoder"):
        shutil.copytree(trained / part, out / part)
    joint = {"vtlp": 0.5, "equalizer": 0.5, "conversion": 2.0, "steps": 2, "batch": 2, "seconds": 0.64, "adversarial_from": 1.0}
    config = _config(tmp_path, content={"conversion": 0.2}, joint=joint)
    for stage in ("content", "joint"):
        run(stage, manifest, out, config)
        header, row = (out / stage / "log.csv").read_text().splitlines()
        logged = dict(zip(header.split(","), row.split(","), strict=True))
        assert 0 < float(logged["conversion"]) < 3
        assert 0 < float(logged["test_conversion"]) < 3


def test_a_content_encoder_of_other_settings_is_not_gone_on_with(trained: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    # Weights of the same shapes, which would load.
    with pytest.raises(UnitcodecError, match="a content encoder with other settings"):
        run("content", manifest, out, _config(tmp_path, content={"levels": [5, 5, 5], "steps": 3}))
    assert json.loads((out / "content" / "options.json").read_text()) == {"levels": [4, 4, 3]}


def test_what_only_scalar_codes_can_be_trained_to(trained: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for part in ("corpus", "pitch"):
        shutil.copytree(trained / part, out / part)
    for setting in ({"bits": 100}, {"nested": 0.5}, {"steady": 0.1}, {"ctc": 0.1}):
        with pytest.raises(UnitcodecError, match=f"content.{next(iter(setting))}: only for scalar codes"):
            run("content", manifest, out, _config(tmp_path, content={"family": "vqvae", **setting}))
    with pytest.raises(UnitcodecError, match=r"whisper\.checkpoint: needs a folder with Whisper"):
        run("content", manifest, out, _config(tmp_path, content={"feature_loss": 1.0}))
