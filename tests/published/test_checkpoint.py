"""Published checkpoints: the original's codes and samples, and nothing but one line from what is damaged or hostile."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_reference import F0_CODES, SPEAKERS, UNITS, Vocoder, fairseq, polyak

from unitcodec.errors import ModelError
from unitcodec.model import Networks
from unitcodec.published.assembly import assemble
from unitcodec.published.checkpoint import read_checkpoint


def _networks(path: Path, **options: Any) -> Networks:
    return assemble("test", read_checkpoint(path, **options))[1]


def _refused(path: Path, pattern: str, **options: Any) -> None:
    with pytest.raises(ModelError, match=pattern) as caught:
        read_checkpoint(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@torch.no_grad()
def test_the_published_golden_vectors(shared: Path) -> None:
    folder = shared / "golden" / "polyak"
    networks, expected = _networks(folder), np.load(folder / "expected.npz", allow_pickle=False)
    f0, codes = torch.from_numpy(expected["f0"]), torch.from_numpy(expected["f0_codes"])
    assert torch.equal(networks.pitch.encode(f0)[:, 0], codes)
    track = torch.from_numpy(expected["f0_reconstructed"])
    torch.testing.assert_close(networks.pitch.reconstruct(codes[:, None]), track, rtol=0, atol=1e-5)
    voice = networks.speaker.decode(torch.from_numpy(expected["spkr"]))
    wave = networks.generator(torch.from_numpy(expected["code"])[:, None], codes, voice)
    torch.testing.assert_close(wave, torch.from_numpy(expected["wave"]), rtol=0, atol=1e-5)


@torch.no_grad()
def test_units_f0_and_speakers(intact: Vocoder) -> None:
    full, networks = intact, _networks(intact.folder)
    code, speaker = torch.randint(UNITS, (2, 40)), torch.randint(SPEAKERS, (2,))
    f0 = torch.randn(2, 1, 160) * (torch.rand(2, 1, 160) > 0.3) * 2
    f0_codes = full.f0_codes(f0)
    assert len(f0_codes.unique()) > 2
    assert torch.equal(networks.pitch.encode(f0)[:, 0], f0_codes)
    assert torch.equal(networks.pitch.double().encode(f0.double())[:, 0], f0_codes)
    torch.testing.assert_close(networks.pitch.float().reconstruct(f0_codes[:, None]), full.reconstruct(f0_codes))
    wave = full.speak(code, f0_codes, speaker)
    assert wave.std() > 0.01
    ours = networks.generator(code[:, None], f0_codes, networks.speaker.decode(speaker[:, None]))
    torch.testing.assert_close(ours, wave, rtol=0, atol=1e-5)


@torch.no_grad()
def test_units_at_100_hz(tmp_path: Path) -> None:
    vocoder = polyak(tmp_path / "fast", (5, 4, 2, 2, 2))
    checkpoint = read_checkpoint(vocoder.folder)
    assert (checkpoint.stride, checkpoint.generator["frames_per_f0"]) == (1, 8)
    networks = _networks(vocoder.folder)
    code, f0_codes, speaker = torch.randint(UNITS, (1, 37)), torch.randint(F0_CODES, (1, 5)), torch.tensor([2])
    ours = networks.generator(code[:, None], f0_codes, networks.speaker.decode(speaker[:, None]))
    torch.testing.assert_close(ours, vocoder.speak(code, f0_codes, speaker), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("speakers", [False, True])
@pytest.mark.parametrize("durations", [False, True])
def test_units_alone(tmp_path: Path, durations: bool, speakers: bool) -> None:
    vocoder = fairseq(tmp_path, durations, speakers)
    networks = _networks(tmp_path)
    code, speaker = torch.randint(UNITS, (2, 30)), torch.randint(SPEAKERS, (2,)) if speakers else None
    voice = None if speaker is None else networks.speaker.decode(speaker[:, None])
    wave = vocoder.speak(code, None, speaker)
    torch.testing.assert_close(networks.generator(code[:, None], None, voice), wave, rtol=0, atol=1e-5)
    predicted = networks.generator.durations(code[:, None])
    if durations:
        assert torch.equal(predicted, vocoder.durations(code))
        assert len(predicted.unique()) > 2
    else:
        assert predicted is None


def test_what_the_parts_are(intact: Vocoder, plain: Vocoder) -> None:
    checkpoint = read_checkpoint(intact.folder, voice=3)
    assert set(checkpoint.files) == {"config.json", "g_00000000"}
    assert (checkpoint.stride, checkpoint.generator["units"], checkpoint.generator["f0"]) == (2, [UNITS], F0_CODES)
    assert checkpoint.speaker == {"kind": "table", "size": SPEAKERS, "voice": 3}
    checkpoint = read_checkpoint(plain.folder)
    assert (checkpoint.pitch, checkpoint.speaker) == ({"kind": "none"}, {"kind": "none"})


def test_weight_norm_in_all_its_forms(full: Vocoder) -> None:
    original, state = read_checkpoint(full.folder).weights, dict(full.state)
    for change in (_newer_weight_norm, _no_weight_norm):
        full.state = dict(state)
        change(full)
        full.save()
        for name, value in read_checkpoint(full.folder).weights.items():
            torch.testing.assert_close(value, original[name])


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("bare", [False, True])
def test_the_state_dict_of_whatever_saved_it(full: Vocoder, prefix: str, bare: bool) -> None:
    original = read_checkpoint(full.folder).weights
    state = {prefix + name: value for name, value in full.state.items()}
    torch.save(state if bare else {"generator": state}, full.folder / "g_00000000")
    weights = read_checkpoint(full.folder).weights
    assert weights.keys() == original.keys()
    assert all(torch.equal(value, original[name]) for name, value in weights.items())


def _newer_weight_norm(vocoder: Vocoder) -> None:
    names = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    renamed = {}
    for name, value in vocoder.state.items():
        stem, _, kind = name.rpartition(".")
        renamed[f"{stem}.{names.get(kind, kind)}"] = value
    vocoder.state = renamed


def _no_weight_norm(vocoder: Vocoder) -> None:
    for name in [name for name in vocoder.state if name.endswith(".weight_v")]:
        stem = name.removesuffix(".weight_v")
        vocoder.state[f"{stem}.weight"] = vocoder._weight(stem)
        del vocoder.state[f"{stem}.weight_v"], vocoder.state[f"{stem}.weight_g"]


def test_an_f0_quantizer_in_a_file_of_its_own(full: Vocoder, tmp_path: Path) -> None:
    original = read_checkpoint(full.folder).weights
    own = {name.removeprefix("quantizer."): full.state.pop(name) for name in list(full.state) if name.startswith("quantizer.")}
    full.save()
    _refused(full.folder, "holds no F0 quantizer; give its own file with --f0-quantizer")
    torch.save({"generator": own}, tmp_path / "own")
    # Beside the checkpoint, under the name that the configuration has for it, wherever that says it lies.
    torch.save({"generator": own}, full.folder / "g_f0_quantizer")
    for checkpoint in (read_checkpoint(full.folder), read_checkpoint(full.folder, tmp_path / "own")):
        assert checkpoint.weights.keys() == original.keys()
        assert all(torch.equal(value, original[name]) for name, value in checkpoint.weights.items())
        assert len(checkpoint.files) == 3


def test_an_f0_quantizer_too_many(full: Vocoder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not wanted"):
        read_checkpoint(full.folder, tmp_path / "own")


def test_the_newest_file_or_the_one_named(full: Vocoder) -> None:
    state = {name: value + 1 for name, value in full.state.items()}
    torch.save({"generator": state}, full.folder / "g_00010000")
    first = read_checkpoint(full.folder / "g_00000000").weights["generator.units.0.weight"]
    assert torch.equal(first, full.state["dict.weight"])
    assert torch.equal(read_checkpoint(full.folder).weights["generator.units.0.weight"], first + 1)


def test_a_single_file_of_another_name(full: Vocoder) -> None:
    (full.folder / "g_00000000").rename(full.folder / "model.pt")
    assert "model.pt" in read_checkpoint(full.folder).files
    (full.folder / "other.pt").write_bytes(b"")
    _refused(full.folder, "2 files of weights")
    (full.folder / "model.pt").unlink()
    (full.folder / "other.pt").unlink()
    _refused(full.folder, "no files of weights")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"sampling_rate": 22050}, "sampling_rate is 22050"),
        ({"resblock": "2"}, "resblock"),
        ({"f0_quantizer": None}, "nothing to send"),
        ({"f0_interp": True}, "f0_interp is set: .* not supported"),
        ({"embedder_params": {"a": 1}}, "embedder_params is set"),
        ({"upsample_rates": [5, 4, 4, 2]}, "make 160 samples a unit|code_hop_size"),
        ({"upsample_rates": [5, 4, 4, 2, 3]}, "480 samples"),
        ({"upsample_rates": [1] * 10**5}, "list of 1 .. 8"),
        ({"upsample_rates": "55"}, "list of 1 .. 8"),
        ({"upsample_kernel_sizes": [11, 8, 8, 4, 5]}, "upsampling kernel"),
        ({"upsample_initial_channel": 10**9}, "upsample_initial_channel is 1000000000"),
        ({"upsample_initial_channel": 8192}, r"asks for \(8192"),
        ({"upsample_initial_channel": True}, "must be an integer"),
        ({"num_embeddings": 30000}, r"'dict.weight' is \(12, 8\)"),
        ({"embedding_dim": 2**14}, "asks for"),
        ({"resblock_dilation_sizes": [[1, 3, 5], [1, 2]]}, "tells nothing of"),
        ({"resblock_dilation_sizes": [[1, 3, 5], [1, 2, 3, 4]]}, "is missing"),
        ({"multispkr": None}, "asks for"),
        ({"f0_quantizer": {"f0_vq_params": {"l_bins": 6}}}, "f0_encoder_params is missing"),
    ],
)
def test_configurations_that_do_not_fit(full: Vocoder, change: dict[str, Any], pattern: str) -> None:
    full.config |= change
    full.save()
    _refused(full.folder, pattern)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"depth": 10**6}, "depth is 1000000"),
        ({"depth": 16, "dilation_growth_rate": 16}, "a dilation of"),
        ({"strides_t": [3]}, "make no F0 code"),
        ({"downs_t": [60]}, "make no F0 code"),
        ({"downs_t": [[2, 2]], "strides_t": [[2, 2]]}, None),
        ({"levels": 2}, "more than one level"),
        ({"m_conv": float("inf")}, "must be a number"),
        ({"width": 2**14}, "asks for"),
        ({"output_emb_width": 4}, "emb_width 8"),
    ],
)
def test_f0_quantizers_that_do_not_fit(full: Vocoder, change: dict[str, Any], pattern: str | None) -> None:
    for half in ("f0_encoder_params", "f0_decoder_params"):
        full.config["f0_quantizer"][half] = {**full.config["f0_quantizer"][half], **change}
    full.save()
    if pattern is None:
        read_checkpoint(full.folder)
    else:
        _refused(full.folder, pattern)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100000, '{"a": '])
def test_configurations_that_are_none(full: Vocoder, text: str) -> None:
    (full.folder / "config.json").write_text(text)
    _refused(full.folder, "not JSON|not a JSON object")


def _expanded(state: dict[str, Any]) -> None:
    state["dict.weight"] = torch.zeros(1).expand(UNITS, 10**9)


def _infinite(state: dict[str, Any]) -> None:
    state["dict.weight"][0, 0] = float("inf")


def _integers(state: dict[str, Any]) -> None:
    state["dict.weight"] = torch.zeros(UNITS, 8, dtype=torch.long)


def _sparse(state: dict[str, Any]) -> None:
    state["dict.weight"] = torch.zeros(UNITS, 8).to_sparse()


def _on_no_device(state: dict[str, Any]) -> None:
    state["dict.weight"] = torch.zeros(UNITS, 8, device="meta")


def _no_tensor(state: dict[str, Any]) -> None:
    state["dict.weight"] = [1.0]


def _without_length(state: dict[str, Any]) -> None:
    del state["conv_pre.weight_g"]


def _too_many(state: dict[str, Any]) -> None:
    state["style.weight"] = torch.zeros(3, 8)


def _scalar(state: dict[str, Any]) -> None:
    state["spkr.weight"] = torch.tensor(1.0)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (_expanded, "larger than the file"),
        (_infinite, "not finite"),
        (_integers, "holds no weights, neither under 'generator' nor by themselves"),
        (_sparse, "no weights|not a file of weights"),
        (_on_no_device, "no weights|not a file of weights"),
        (_no_tensor, "holds no weights, neither"),
        (_without_length, "weight norm"),
        (_too_many, "tells nothing of: style.weight"),
        (_scalar, "asks for"),
    ],
)
def test_weights_that_are_not_what_they_should_be(full: Vocoder, change: Callable[[dict[str, Any]], None], pattern: str) -> None:
    change(full.state)
    full.save()
    _refused(full.folder, pattern)


class _Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("touched"),)  # type: ignore[return-value]


def test_files_that_would_run_something(full: Vocoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"generator": {**full.state, "x": _Hostile()}}, full.folder / "g_00000000")
    _refused(full.folder, "not a file of weights alone")
    (full.folder / "g_00000000").write_bytes(pickle.dumps(_Hostile()))
    _refused(full.folder, "not a file of weights alone")
    assert not Path("touched").exists()


def test_files_cut_short_or_compressed(full: Vocoder) -> None:
    path = full.folder / "g_00000000"
    data = path.read_bytes()
    for part in (b"", data[:100], data[: len(data) // 2], b"\x93rubbish" * 100):
        path.write_bytes(part)
        _refused(full.folder, "damaged")
    path.write_bytes(data)
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(full.folder / "small", "w", zipfile.ZIP_DEFLATED) as small:
        for each in stored.infolist():
            small.writestr(each.filename, stored.read(each))
    (full.folder / "small").replace(path)
    _refused(full.folder, "compressed")


def test_files_that_are_missing(full: Vocoder, tmp_path: Path) -> None:
    (full.folder / "config.json").unlink()
    _refused(full.folder, "No such file")
    _refused(tmp_path / "absent" / "g_00000000", "no such file")


def test_voices_that_are_not_there(intact: Vocoder, plain: Vocoder) -> None:
    _refused(intact.folder, f"no voice {SPEAKERS}; it has {SPEAKERS}", voice=SPEAKERS)
    _refused(intact.folder, "no voice -1", voice=-1)
    _refused(plain.folder, "no voice 1; it has one, 0", voice=1)
