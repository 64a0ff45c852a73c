"""Model folders: what is saved is what is loaded, and what does not fit is refused in one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    monkeypatch.setattr(models, "packaged_folders", lambda: [narrow_folder.parent])
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
        (_unscaled, "int8 with a scale"),
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
        ({"generators": {}}, "no option is called 'generators'"),
        ({"generator": {"kind": "spectral", "matching": -1}}, "matching is -1"),
        ({"generator": {"kind": "spectral", "matching": 1000}}, "generator reaches"),
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


def test_a_configuration_without_a_name(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "name"}))
    _refused(folder, "config.json: name is missing")


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


# --- folders that are hostile


Tensors = dict[str, tuple[str, list[int], bytes]]


def _tensor_file(tensors: Tensors, metadata: dict[str, str] | None = None, header: bytes | None = None) -> bytes:
    """A safetensors file of tensors (type, shape, bytes), or with a header of one's own."""
    about: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (kind, shape, values) in tensors.items():
        about[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    header = json.dumps(about).encode() if header is None else header
    return len(header).to_bytes(8, "little") + header + data


def _sparse(path: Path, header: bytes, size: int) -> None:
    """A file that has such a size and takes no room."""
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(size)


def _entry(kind: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


HEADERS = {
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "lists": b'{"a":[' + b"[]," * 300000 + b"[]]}",
    "digits": b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,0]}}',
    "many": json.dumps({str(n): _entry("I8", [0], 0, 0) for n in range(12000)}).encode(),
    "many axes": json.dumps({"a": _entry("I8", [1] * 200000, 0, 1)}).encode(),
    "product": json.dumps({"a": _entry("F32", [2**39] * 8, 0, 2**39)}).encode(),
    "nothing of much": json.dumps({"a": _entry("F32", [0, 2**39], 0, 0)}).encode(),
    "negative": json.dumps({"a": _entry("F32", [-1, -4], 0, 16)}).encode(),
    "overlapping": json.dumps({str(n): _entry("I8", [100], 0, 100) for n in range(1000)}).encode(),
    "true": b'{"a":{"dtype":"I8","shape":[true],"data_offsets":[0,1]}}',
    "long name": json.dumps({"a" * 10**6: _entry("I8", [2], 0, 1)}).encode(),
    "of a list": b"[" * 1000 + b"]" * 1000,
    "spaces": b"{" + b" " * (2**20 - 2) + b"}",
}


def test_weights_cost_no_more_than_their_file(
    narrow_folder: Path, tmp_path: Path, cheaply: Callable[..., dict[str, str]]
) -> None:
    original = safetensors.torch.load_file(narrow_folder / "model.safetensors")
    name = "content.stem.weight"
    changed: dict[str, Callable[[Path], object]] = {
        f"header {title}": lambda path, header=header: path.write_bytes(_tensor_file({}, header=header) + bytes(100))  # type: ignore[misc]
        for title, header in HEADERS.items()
    }
    for title, value in (("nan", float("nan")), ("infinite", float("inf")), ("negative infinity", float("-inf"))):
        for part in (name, "generator.norm.bias"):
            weights = {each: tensor.clone() for each, tensor in original.items()}
            weights[part].view(-1)[-1] = value
            changed[f"{title} {part}"] = lambda path, weights=weights: safetensors.torch.save_file(weights, path)  # type: ignore[misc]
    scales = {
        each: torch.full_like(tensor, float("nan")) if each.endswith("int8") else tensor for each, tensor in original.items()
    }
    great = json.dumps({name: _entry("F32", [2**27], 0, 2**29)}).encode()
    changed |= {
        "nan scales": lambda path: safetensors.torch.save_file(scales, path),
        "a great tensor": lambda path: _sparse(path, great, 8 + len(great) + 2**29),
        "a file of a terabyte": lambda path: _sparse(path, great, 2**40),
        "a header of a terabyte": lambda path: path.write_bytes((2**40).to_bytes(8, "little") + b"{"),
        "an empty file": lambda path: path.write_bytes(b""),
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "zeros without end": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a message of the kernel": lambda path: path.symlink_to("/proc/kmsg"),
        "memory": lambda path: path.symlink_to("/proc/self/mem"),
    }
    paths = []
    for title, write in changed.items():
        for file in ("model.safetensors", "entropy.safetensors"):
            paths.append(Path(shutil.copytree(narrow_folder, tmp_path / f"{title} as {file}")))
            (paths[-1] / file).unlink()
            write(paths[-1] / file)
    said = cheaply("unitcodec.model", "load", narrow_folder, paths)
    for path, word in said.items():
        assert word.startswith(f"ModelError: {path}/{path.rpartition(' as ')[2]}: "), word
        assert "NaN or infinite" in word or not any(each in path for each in ("nan", "infini")) or "entropy" in path, word


def test_configurations_cost_nothing(narrow_folder: Path, tmp_path: Path, cheaply: Callable[..., dict[str, str]]) -> None:
    spectral, most = {"kind": "spectral", "channels": 16, "blocks": 3}, 32768
    changes: list[dict[str, object]] = [
        {"generator": {"kind": "spectral", "blocks": 10**5}},
        {"generator": {"kind": "spectral", "blocks": most}},
        {"generator": {"kind": "spectral", "channels": most, "kernel": most - 1}},
        {
            "generator": {
                "kind": "hifigan",
                "initial_channels": most,
                "resblock_kernels": [3] * 64,
                "resblock_dilations": [[1] * 64] * 64,
            }
        },
        {"generator": {"kind": "hifigan", "upsample_rates": [320] + [1] * 63, "initial_channels": 2**14}},
        {"generator": {"kind": "hifigan", "istft": most, "upsample_rates": [1]}},
        {"generator": {"kind": "hifigan", "excitation": True, "source": {"blocks": most}}},
        {"generator": {"kind": "code", "units": [most] * 64, "f0": most, "speaker": most, "embedding": most}, "decoder": {}},
        {"generator": {"kind": "code", "units": [most], "durations": {"hidden": most, "kernel": most - 1}}, "decoder": {}},
        {"decoder": {"rows": 4, "blocks": [10**7, 2]}},
        {"decoder": {"rows": 4, "blocks": [most, most]}},
        {"decoder": {"rows": 4, "memory": [most, most, most]}},
        {"decoder": {"rows": most, "speaker": most, "channels": [most, most]}},
        {"content": {"levels": [10] * 10**6}},
        {"content": {"levels": [10] * 10**4}},
        {"content": {"levels": [most] * 64}},
        {"content": {"kind": "whisper", "layers": most}},
        {"content": {"kind": "whisper", "layers": most, "taken": [1] * 64, "width": most}},
        {"content": {"kind": "vqvae", "rows": most, "codes": most, "embedding": most}},
        {"content": {"kind": "hubert", "layers": most, "channels": most}},
        {"content": {"kind": "cpc", "layers": 60, "channels": most, "reach": most, "heads": most}},
        {"content": {"kind": "pretrained", "checkpoint": "../x", "layer": most, "codes": most, "dimensions": most}},
        {"content": {"kind": "units", "stride": 4, "vocabulary": [most] * 64}},
        {"pitch": {"codes": most, "channels": most, "code_channels": most, "blocks": most}},
        {"pitch": {"kind": "published", "dilations": [most] * 64, "width": most}},
        {"speaker": {"fields": most, "levels": most, "blocks": most}},
        {"speaker": {"kind": "table", "size": most}},
        {"generator": {**spectral, "x" * 60000: 1}},
        {"name": "x" * 60000},
    ]
    paths = []
    for number, change in enumerate(changes):
        paths.append(Path(shutil.copytree(narrow_folder, tmp_path / str(number))))
        config = json.loads((paths[-1] / "config.json").read_text())
        (paths[-1] / "config.json").write_text(json.dumps({**config, **change}))
    said = cheaply("unitcodec.model", "load", narrow_folder, paths)
    for path, word in said.items():
        assert word.startswith(f"ModelError: {path}"), word
        assert f"{path}/config.json" in word or "config.json" in word, word


def test_no_folder_of_models_stops_a_search(
    narrow_folder: Path, tmp_path: Path, command: Callable[..., Any], speech: Path
) -> None:
    for number in range(6):
        (tmp_path / f"a{number}").mkdir()
    os.mkfifo(tmp_path / "a0" / "entropy.safetensors")
    (tmp_path / "a1" / "entropy.safetensors").mkdir()
    (tmp_path / "a2" / "entropy.safetensors").symlink_to("/dev/zero")
    (tmp_path / "a3" / "entropy.safetensors").symlink_to("entropy.safetensors")
    os.mkfifo(tmp_path / "a4" / "config.json")
    shutil.copy(narrow_folder / "entropy.safetensors", tmp_path / "a4")
    _sparse(tmp_path / "a5" / "entropy.safetensors", b"{" + b" " * 2**20 + b"}", 2**40)
    stream = tmp_path / "talk.uc"
    assert command("encode", "-q", "--model", str(narrow_folder), str(speech), str(stream)).returncode == 0
    shutil.copytree(narrow_folder, tmp_path / "b")
    search = {"UNITCODEC_MODELS": str(tmp_path)}
    assert command("info", str(stream), env=search).returncode == 0
    assert command("decode", "-q", str(stream), str(tmp_path / "talk.wav"), env=search).returncode == 0
    for number in range(6):
        done = command("decode", "--model", str(tmp_path / f"a{number}"), str(stream), str(tmp_path / "again.wav"))
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert str(tmp_path / f"a{number}").encode() in done.stderr
