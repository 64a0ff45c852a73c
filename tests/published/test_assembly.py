"""Imported networks: stored as they are, refused where the content encoder is another's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from published_reference import UNITS, Vocoder

from unitcodec import model as models
from unitcodec.errors import ModelError
from unitcodec.frames import active_level
from unitcodec.model import Networks
from unitcodec.published import entropy
from unitcodec.published.assembly import assemble, measure_gain
from unitcodec.published.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def folder(intact: Vocoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first as a model folder."""
    config, networks = assemble("imported", read_checkpoint(intact.folder))
    weights = models.digest(models.stored(networks, config.precision))
    fitted = entropy.fit(entropy.describe(networks, weights, False), [], entropy.flat_code(networks))
    folder = tmp_path_factory.mktemp("models") / "imported"
    models.save(folder, config, networks, fitted)
    return folder


def test_a_folder_keeps_every_bit(intact: Vocoder, folder: Path, tmp_path: Path) -> None:
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}
    loaded = models.load(folder)
    state = loaded.networks.state_dict()
    for name, value in read_checkpoint(intact.folder).weights.items():
        assert torch.equal(state[name], value)
    models.save(tmp_path / "again", loaded.config, loaded.networks, loaded.entropy)
    for name in ("config.json", "model.safetensors", "entropy.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_only_a_vocoder_with_f0_needs_a_tracker(intact: Vocoder, plain: Vocoder) -> None:
    assert assemble("a", read_checkpoint(intact.folder), tracker="yaapt")[0].tracker == "yaapt"
    assert assemble("a", read_checkpoint(plain.folder), tracker="yaapt")[0].tracker == "none"


def test_a_content_encoder_of_other_units(intact: Vocoder) -> None:
    with pytest.raises(ModelError, match=r"gives 7 units at 100 Hz; the vocoder speaks 12 units at 50 Hz"):
        assemble("a", read_checkpoint(intact.folder), {"kind": "units", "stride": 1, "vocabulary": [7]})


def test_the_vocoders_level_becomes_the_reference_level(networks: Networks) -> None:
    rng = np.random.default_rng(0)
    utterances = [(rng.integers(UNITS, size=(1, 400)), rng.integers(6, size=100)) for _ in range(5)]
    gain = measure_gain(networks, utterances)
    assert -20 < gain < 20
    units, f0 = utterances[0]
    voice = networks.speaker.decode(torch.tensor([[0]]))
    wave = networks.generator(torch.from_numpy(units)[None], torch.from_numpy(f0)[None], voice)[0, 0].numpy()
    assert active_level(wave) + gain == pytest.approx(-24.0, abs=2.0)


@pytest.mark.parametrize(
    ("part", "options", "pattern"),
    [
        ("generator", {"f0": 7}, "config.json asks for"),
        ("generator", {"units": [13]}, "config.json asks for"),
        ("generator", {"upsample_rates": [5, 4, 4, 2, 4]}, "streams that do not fit"),
        ("generator", {"frames_per_f0": 2}, "streams that do not fit"),
        ("generator", {"kind": "spectral"}, "not a usable model"),
        ("generator", {"durations": {"hidden": 4}}, "weights missing"),
        ("generator", {"durations": 4}, "not a usable model"),
        ("pitch", {"kind": "none"}, "not a usable model"),
        ("pitch", {"kind": "vqvae"}, "not a usable model"),
        ("pitch", {"kind": "os.system"}, "unknown F0 encoder 'os.system'"),
        ("pitch", {"strides": [2, 2, 2]}, "a product of 16"),
        ("speaker", {"kind": "encoder"}, "not a usable model"),
        ("speaker", {"kind": "os.system"}, "unknown speaker encoder 'os.system'"),
        ("speaker", {"size": 6}, "streams that do not fit"),
        ("speaker", {"voice": 5}, "voice 5"),
        ("content", {"stride": 4}, "streams that do not fit"),
        ("content", {"stride": 3}, "stride 3"),
        ("content", {"vocabulary": [11]}, "streams that do not fit"),
        ("decoder", {"rows": 1}, "no mel decoder"),
    ],
)
def test_folders_whose_parts_do_not_fit(
    folder: Path, tmp_path: Path, part: str, options: dict[str, object], pattern: str
) -> None:
    copy = _with_config(folder, tmp_path, lambda config: config[part].update(options))
    with pytest.raises(ModelError, match=pattern) as caught:
        models.load(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


def test_folders_of_unknown_precision(folder: Path, tmp_path: Path) -> None:
    copy = _with_config(folder, tmp_path, lambda config: config.update(precision="float128"))
    with pytest.raises(ModelError, match="unknown precision 'float128'"):
        models.load(copy)


def _with_config(folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the folder with its configuration changed."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    change(config)
    (copy / "config.json").write_text(json.dumps(config))
    return copy
