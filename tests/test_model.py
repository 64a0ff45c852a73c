"""Model folders: what is saved is what is loaded, and what does not fit is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch

import unitcodec
from bitstream import EntropyModel, EntropySpec, Stream, find_entropy_model, fit_tables
from unitcodec import model as models
from unitcodec.errors import ModelError

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture
def folder(narrow_folder: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(narrow_folder, tmp_path / "copy"))


def _refused(folder: Path, pattern: str) -> None:
    with pytest.raises(ModelError, match=pattern) as caught:
        models.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_saved_model_gives_the_same_codes_and_the_same_speech(
    narrow: Codec, narrow_folder: Path, tmp_path: Path, speech: Path
) -> None:
    loaded = models.load(narrow_folder)
    models.save(tmp_path / "again", loaded.config, loaded.networks, loaded.entropy)
    for name in ("config.json", "model.safetensors", "entropy.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (narrow_folder / name).read_bytes()
    again = unitcodec.load(tmp_path / "again", device="cpu")
    wave, _ = soundfile.read(speech, dtype="float32", stop=48000)
    codes = narrow.encode(wave, 16000)
    assert again.encode(wave, 16000) == codes
    assert np.array_equal(again.decode(codes), narrow.decode(codes))


def test_networks_that_were_stored_once_are_stored_as_they_are() -> None:
    torch.manual_seed(0)
    config = models.ModelConfig("small", generator={"kind": "hifigan", "initial_channels": 32})
    networks = models.Networks(config)
    with torch.no_grad():
        # Rows of every size, some of them next to nothing.
        for weight in networks.parameters():
            weight.mul_(10 ** torch.empty(len(weight), *[1] * (weight.ndim - 1)).uniform_(-8, 1))
    first = models.stored(networks)
    assert {value.dtype for value in first.values()} == {torch.float16, torch.int8}
    for name, value in networks.state_dict().items():
        if name in first and first[name].dtype == torch.int8:
            scale = first[name + models.SCALE].float().reshape((-1,) + (1,) * (value.ndim - 1))
            # Half a step, and a step is a 127th of the peak or the least float16 that keeps its precision.
            assert ((first[name].float() * scale - value).abs() <= scale * 0.5001).all()
            assert (scale.flatten() <= (value.flatten(1).abs().amax(1) / 127 * 1.001).clamp(min=2.0**-14)).all()
    models.restore(networks, first)
    second = models.stored(networks)
    assert models.digest(first) == models.digest(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_loaded_networks_are_ready_for_use(narrow_folder: Path) -> None:
    networks = models.load(narrow_folder).networks
    assert not any(module.training for module in networks.modules())
    assert not any(weight.requires_grad for weight in networks.parameters())
    assert {weight.dtype for weight in networks.parameters()} == {torch.float32}


def test_models_are_found_by_name_and_by_path(narrow_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "PACKAGED", narrow_folder.parent)
    monkeypatch.chdir(tmp_path)
    assert models.find("narrow") == models.find(narrow_folder) == narrow_folder
    assert models.find(str(narrow_folder)) == narrow_folder
    for name in ("absent", "", "../narrow", "./narrow", tmp_path):
        with pytest.raises(ModelError, match=r"packaged models \(narrow\)"):
            models.find(name)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "entropy.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "rubbish", "cut"])
def test_files_missing_or_damaged(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "rubbish": b"\x93rubbish" * 100, "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(ModelError) as caught:
        models.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def _tampered(weights: dict[str, torch.Tensor]) -> None:
    weights["content.head.2.weight"][0, 0, 0] += 0.25


def _shortened(weights: dict[str, torch.Tensor]) -> None:
    weights["content.head.2.weight"] = weights["content.head.2.weight"][:, 1:].contiguous()


def _incomplete(weights: dict[str, torch.Tensor]) -> None:
    del weights["content.head.2.weight"]


def _crowded(weights: dict[str, torch.Tensor]) -> None:
    weights["content.tail"] = torch.zeros(1)


def _unscaled(weights: dict[str, torch.Tensor]) -> None:
    del weights["generator.head.weight.scale_int8"]


def _other_type(weights: dict[str, torch.Tensor]) -> None:
    weights["content.head.2.weight"] = weights["content.head.2.weight"].bfloat16()


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (_tampered, "other weights"),
        (_shortened, "has the shape"),
        (_incomplete, "weights missing"),
        (_crowded, "not known"),
        (_unscaled, "scale_int8"),
        (_other_type, "BF16"),
    ],
)
def test_weights_that_are_not_the_models(folder: Path, change: Callable[[dict[str, torch.Tensor]], None], pattern: str) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    _refused(folder, pattern)


def test_an_entropy_model_of_other_weights(folder: Path) -> None:
    spec = EntropyModel.load(folder / "entropy.safetensors").spec
    fit_tables([], replace(spec, weights="ab")).save(folder / "entropy.safetensors")
    _refused(folder, "other weights")


def test_an_entropy_model_of_other_streams(folder: Path) -> None:
    # An F0 code that the codebook lacks would be decoded to an index out of range.
    spec = EntropyModel.load(folder / "entropy.safetensors").spec
    rows = tuple(Stream(row.alphabet) for row in spec.rows)
    wrong = EntropySpec(rows=rows, f0=Stream(13), speaker=spec.speaker, weights=spec.weights)
    fit_tables([], wrong).save(folder / "entropy.safetensors")
    _refused(folder, "streams that do not fit")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"format": 2}, "model format 2"),
        ({"hidden": 1}, "hidden"),
        ({"content": {"hidden": 1}}, "hidden"),
        ({"content": 3}, "content is 3"),
        ({"content": {"blocks": [2]}}, "not a usable model"),
        ({"content": {"levels": "8888"}}, "levels is '8888'"),
        ({"content": {"channels": [-1, 8]}}, "channels is"),
        ({"pitch": {"codes": 10**15}}, "codes is 1000000000000000; it must be a whole number from 1 to 32768"),
        ({"generator": {"kind": "os.system"}}, "unknown generator 'os.system'"),
        ({"generator": {"kind": []}}, "kind is"),
        ({"tracker": []}, "tracker is"),
        ({"name": "two\nlines"}, "name is 'two"),
        ({"name": 7}, "name is 7"),
        ({"gain_db": float("nan")}, "gain_db is nan"),
        ({"limit_rate": 1}, "limit_rate is 1"),
        ({"bitrate": True}, "bitrate is True"),
        ({"pitch": {"codes": True}}, "codes is True"),
        ({"pitch": {"codes": 12.0}}, "codes is 12.0"),
        ({"pitch": {"codes": None}}, "codes is None"),
        ({"pitch": {"\x1b[2J": 1}}, "no option can be called"),
        ({"speaker": {"fields": 10**9}}, "fields is"),
        ({"content": {"levels": [4] * 65}}, "levels is"),
        ({"generator": {"kind": "spectral", "blocks": 10**5}}, "blocks is"),
        ({"generator": {"kind": "spectral", "blocks": 32768}}, "much larger than the weights"),
        ({"generator": {"kind": "spectral", "channels": 32768, "kernel": 5}}, "config.json asks for"),
        ({"generator": {"kind": "hifigan", "source": {"source": {"source": {}}}}}, "less nested"),
        ({"decoder": {"rows": 4, "channels": [24, 16], "speaker": 0}}, "config.json asks for"),
        ({"content": {"kind": "whisper", "context": 32768}}, "content reaches 32768 frames"),
        ({"content": {"kind": "pretrained", "checkpoint": "x", "layer": 1, "context": 2000}}, "content reaches 2000 frames"),
        ({"pitch": {"kind": "published", "dilations": [1, 32768]}}, "pitch reaches"),
        ({"generator": {"kind": "hifigan", "resblock_dilations": [[1, 3, 32767]] * 3}}, "generator reaches"),
        ({"tracker": "os.system"}, "unknown F0 tracker 'os.system'"),
        ({"voice_search": -1}, "voice_search is -1"),
        ({"voice_search": 10**9}, "voice_search is 1000000000"),
        ({"voice_search": "12"}, "voice_search is '12'"),
        ({"bitrate": "324"}, "bitrate is '324'"),
    ],
)
def test_configurations_that_are_not_ours(folder: Path, change: dict[str, object], pattern: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    _refused(folder, pattern)


def test_a_voice_is_searched_with_a_mel_decoder_or_not_at_all(narrow_folder: Path, tmp_path: Path) -> None:
    config = models.ModelConfig(
        name="coded",
        content={"levels": [4, 3], "channels": (16, 24)},
        pitch={"codes": 12, "channels": 16, "code_channels": 4},
        speaker={"kind": "table", "size": 5},
        generator={"kind": "code", "units": [4, 3], "f0": 12, "speaker": 5, "embedding": 8, "initial_channels": 32},
        voice_search=3,
    )
    networks = models.Networks(config)
    weights = models.digest(models.stored(networks))
    spec = EntropySpec(rows=(Stream(4), Stream(3)), f0=Stream(12), speaker=(64, 8, 64, 5), weights=weights)
    models.save(tmp_path, config, networks, fit_tables([], spec))
    _refused(tmp_path, "needs a mel decoder")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"config"', "[" * 60000, "{" * 60000, '{"a":' + "9" * 60000 + "}", "x", "{"])
def test_configurations_that_are_no_object(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    _refused(folder, "not a JSON object|not JSON, or cut short")
    (folder / "config.json").write_text(text + " " * 2**16)
    _refused(folder, "65536 is the limit")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "nonsense", ""])
def test_devices_that_are_not_there(narrow_folder: Path, device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelError, match="cannot be used") as caught:
        unitcodec.load(narrow_folder, device=device)
    assert "\n" not in str(caught.value)


def test_the_packaged_model(default_model: Path) -> None:
    """Loads, holds no more than it should, and looks no further ahead than is promised."""
    loaded = models.load("default")
    assert models.find("default") == default_model
    names = {path.name for path in default_model.iterdir()}
    assert {"config.json", "model.safetensors", "entropy.safetensors"} <= names
    assert sum(path.stat().st_size for path in default_model.parent.rglob("*") if path.is_file()) < 40_000_000
    # 20 ms of a unit frame's 40 lie after its middle, 20 ms of the spectrum's window after the last frame seen.
    assert loaded.networks.content.context * 160 + 320 + 320 <= 16000
    stored = models.stored(loaded.networks)
    assert models.digest(stored) == loaded.entropy.spec.weights


def test_streams_of_the_model_of_version_0_1_0_are_still_read(default_model: Path) -> None:
    entropy = EntropyModel.load(default_model.parent / "default-0.1.0" / "entropy.safetensors")
    assert entropy.fingerprint == "71920210"
    assert find_entropy_model("71920210").spec == entropy.spec
