"""The recipes in the package train: every stage of them, with their networks, a few steps on a few seconds of speech."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

import unitcodec
import unitcodec.training
from unitcodec.training import run
from unitcodec.training.settings import Settings, read_settings

FOLDER = Path(unitcodec.training.__file__).parent
BRIEF: dict[str, dict[str, Any]] = {
    "pitch": {"steps": 1, "batch": 2, "seconds": 1.28},
    "content": {"steps": 2, "batch": 2, "seconds": 1.28},
    "vocoder": {"steps": 1, "batch": 1, "seconds": 0.64, "adversarial_from": 0.0},
    "joint": {"steps": 1, "batch": 1, "seconds": 0.64, "adversarial_from": 0.0},
    "encoder": {"steps": 1, "batch": 1, "seconds": 1.28},
    "entropy": {"hidden": 8, "embedding": 4, "epochs": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whisper", "large"])
def test_a_recipe_makes_a_model_in_one_go(name: str, manifest: Path, speech: Path, tmp_path: Path) -> None:
    recipe: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    config = tmp_path / "config.json"
    config.write_text(json.dumps({stage: {**recipe.get(stage, {}), **BRIEF.get(stage, {})} for stage in {*recipe, *BRIEF}}))
    run("all", manifest, tmp_path / "out", config)
    codec = unitcodec.load(tmp_path / "out" / "model", device="cpu")
    waveform, rate = soundfile.read(speech, dtype="float32", frames=48000)
    codes = codec.encode(waveform, rate)
    assert codes.units.max() < recipe["content"]["levels"][0]
    assert len(codec.decode(codes)) == len(waveform)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_recipe_names_settings_that_there_are(path: Path) -> None:
    assert read_settings(path) != Settings()
