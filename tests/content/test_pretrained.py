"""Published encoders: the very features and units of transformers, windows that cuts do not change, and clear refusals."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

import unitcodec
from bitstream import EntropySpec, Stream, fit_tables
from unitcodec import model as models
from unitcodec.command import main
from unitcodec.content import make_content
from unitcodec.encoder.analyser import NetworkAnalyser
from unitcodec.encoder.stream import StreamEncoder
from unitcodec.errors import ModelError
from unitcodec.frames import level_gain
from unitcodec.training.entropy_stage import units_of

if TYPE_CHECKING:
    from unitcodec.codec import Codec

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="needs transformers: pip install 'unitcodec[ssl]'"
)
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
KINDS = ("Hubert", "Wav2Vec2", "WavLM")


def saved(folder: Path, kind: str = "Hubert", normalize: bool = True, **options: Any) -> Path:
    """A small random model, as ``save_pretrained`` leaves one."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **options})
    network = getattr(transformers, f"{kind}Model")(config)
    with torch.no_grad():
        # With weights as small as those that training begins with, layers would hardly differ, nor would positions.
        for name, weight in network.encoder.named_parameters():
            if weight.ndim > 1 and "conv" not in name:
                weight.normal_(std=0.3)
    network.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("checkpoint"), "WavLM")


@pytest.fixture(scope="module")
def wave() -> torch.Tensor:
    """Two times 0.6 s of noise that comes and goes, float64."""
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.3, (2, 12)), 800, 1)
    return torch.from_numpy(0.1 + rng.standard_normal((2, 9600)) * loud)


def made(folder: Path, layer: int, wave: torch.Tensor, **options: Any) -> Any:
    """The encoder with a codebook that its own features lie near."""
    content: Any = make_content("pretrained", checkpoint=str(folder), layer=layer, codes=7, dimensions=32, embedding=6, **options)
    content.codebook.centroids.copy_(content.latent(wave)[0].T[::4][:7])
    return content


def layer_outputs(folder: Path, kind: str, normalize: bool, wave: torch.Tensor) -> tuple[list[torch.Tensor], Any]:
    """What goes into the first layer and what comes out of each, (B, n, dimensions), with transformers' own answer."""
    import transformers

    network = getattr(transformers, f"{kind}Model").from_pretrained(folder, attn_implementation="eager").to(wave.dtype).eval()
    states: list[torch.Tensor] = []
    for layer in network.encoder.layers:
        layer.register_forward_hook(lambda _, given, result: states.append(result[0] if isinstance(result, tuple) else result))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize)
    rounded = np.stack([extractor(one, sampling_rate=16000)["input_values"][0] for one in wave.numpy()])
    heard = (wave - wave.mean(1, True)) / (wave.var(1, correction=0, keepdim=True) + 1e-7).sqrt() if normalize else wave
    assert np.allclose(rounded, heard, rtol=0, atol=1e-5)  # its own in float32
    with torch.no_grad():
        answer = network(torch.nn.functional.pad(heard, (0, 80)), output_hidden_states=True)
    return [answer.hidden_states[0], *states], answer


@needs_transformers
@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("kind", KINDS)
def test_features_and_units_are_those_of_transformers(
    tmp_path: Path, wave: torch.Tensor, kind: str, norm: str, stable: bool
) -> None:
    # Both ways of normalising are met with both norms and all kinds.
    normalize = (norm == "layer") == stable
    saved(tmp_path, kind, normalize, feat_extract_norm=norm, do_stable_layer_norm=stable)
    outputs, answer = layer_outputs(tmp_path, kind, normalize, wave)
    assert len(outputs) == 4
    for layer, expected in enumerate(outputs):
        content = made(tmp_path, layer, wave)
        features = content.latent(wave)
        assert features.shape == (2, 32, 30)
        assert features.dtype == torch.float64
        assert torch.allclose(features.transpose(1, 2), expected, rtol=0, atol=1e-9)
        if layer < 3:  # of the last, versions differ in whether the norm after it counts
            assert torch.allclose(features.transpose(1, 2), answer.hidden_states[layer], rtol=0, atol=1e-9)
        (distances,) = content.distances(wave)
        direct = torch.cdist(expected, content.codebook.centroids.double()).square()
        assert distances.shape == (2, 30, 7)
        assert torch.allclose(distances, direct, rtol=1e-4, atol=1e-4)
        units = content.encode(wave)
        assert torch.equal(units[:, 0], direct.argmin(2))
        assert len(units.unique()) >= 4
    assert all((outputs[layer] - outputs[layer + 1]).abs().mean() > 0.1 for layer in range(3))


@needs_transformers
@pytest.mark.parametrize("kind", KINDS)
def test_float64_is_computed_in_float64(tmp_path: Path, wave: torch.Tensor, kind: str) -> None:
    content = made(saved(tmp_path, kind), 2, wave)
    double, single = content.latent(wave), content.latent(wave.float())
    assert single.dtype == torch.float32
    assert 1e-12 < (double - single).abs().max() < 1e-2
    assert torch.equal(content.latent(wave), double)
    # What is heard one by one and together differs by the rounding of float64 at most.
    assert torch.allclose(content.latent(wave[1:]), double[1:], rtol=0, atol=1e-12)


@needs_transformers
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_of_what_is_given(checkpoint: Path, wave: torch.Tensor) -> None:
    content = made(checkpoint, 2, wave)
    expected = content.latent(wave)
    features = content.latent(wave.cuda())
    assert features.device.type == "cuda"
    assert torch.allclose(features.cpu(), expected, rtol=0, atol=1e-9)
    assert torch.equal(content.latent(wave), expected)


@needs_transformers
def test_every_two_steps_of_ten_milliseconds_are_a_frame(checkpoint: Path, wave: torch.Tensor) -> None:
    content = made(checkpoint, 1, wave)
    for frames in (1, 2, 3, 29):
        assert content.encode(wave[:, : 320 * frames]).shape == (2, 1, frames)


@needs_transformers
def test_the_shape_of_a_family(checkpoint: Path, wave: torch.Tensor) -> None:
    content = made(checkpoint, 1, wave, context=64)
    assert (content.hears, content.stride, content.vocabulary) == ("waveform", 2, (7,))
    assert (content.channels, content.context) == (6, 64)
    values, units, loss = content.quantize(wave)
    assert torch.equal(units, content.encode(wave.float()))
    assert values.shape == (2, 6, 30)
    assert torch.equal(values, content.values(units))
    values.sum().backward()
    assert [name for name, weight in content.named_parameters() if weight.grad is not None] == ["codebook.embedding"]
    assert float(loss) == 0


@needs_transformers
def test_the_checkpoint_stays_out_of_the_model(checkpoint: Path, wave: torch.Tensor) -> None:
    content = made(checkpoint, 2, wave)
    assert set(content.state_dict()) == {"codebook.centroids", "codebook.embedding"}
    content.train()
    assert not content.backbone._model.training
    again = copy.deepcopy(content).double()
    assert again.backbone._model is None
    assert torch.equal(again.encode(wave), content.encode(wave))


@needs_transformers
def test_what_is_read_during_inference_serves_training_too(checkpoint: Path, wave: torch.Tensor) -> None:
    content: Any = make_content("pretrained", checkpoint=str(checkpoint), layer=2, codes=7, dimensions=32)
    with torch.inference_mode():
        first = content.latent(wave)
    values, _, _ = content.quantize(wave)
    values.sum().backward()
    assert torch.equal(content.latent(wave), first)


@pytest.fixture(scope="module")
def folder(narrow_folder: Path, checkpoint: Path, speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose content encoder is the checkpoint."""
    config = models.load(narrow_folder).config
    options = {"checkpoint": str(checkpoint), "layer": 2, "codes": 7, "dimensions": 32, "embedding": 6, "context": 40}
    config = replace(
        config,
        name="ssl",
        content={"kind": "pretrained", **options},
        decoder={**config.decoder, "rows": 6, "stride": 2},
        limit_rate=False,
    )
    torch.manual_seed(0)
    networks = models.Networks(config).eval()
    wave = torch.from_numpy(soundfile.read(speech, dtype="float32", frames=64000)[0])[None]
    networks.content.codebook.centroids.copy_(networks.content.latent(wave)[0].T[::28][:7])
    spec = EntropySpec(
        rows=(Stream(7, ((0, 1),)),),
        f0=Stream(12),
        speaker=(64, 8, 64, *[4] * 32),
        unit_hop=320,
        packet_frames=128,
        weights=models.digest(models.stored(networks)),
    )
    folder = tmp_path_factory.mktemp("models") / "ssl"
    models.save(folder, config, networks, fit_tables([], spec))
    return folder


@pytest.fixture(scope="module")
def ssl(folder: Path) -> Codec:
    return unitcodec.load(folder, device="cpu")


@needs_transformers
def test_how_a_stream_is_cut_does_not_show(ssl: Codec, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unitcodec.encoder.opening.ACTIVE_SECONDS", 1)
    said, _ = soundfile.read(speech, dtype="float32")
    said = np.concatenate([said, said[::-1]])[:150003]
    whole = ssl.encode(said, 16000)
    assert whole.units.shape == (1, 469)
    assert len(np.unique(whole.units)) >= 5
    for seed in range(2):
        rng = np.random.default_rng(seed)
        cuts = sorted([*rng.integers(0, len(said), (4, 60)[seed]).tolist(), 40960, 40961])
        analysis = StreamEncoder(ssl.model, NetworkAnalyser(ssl._double))
        parts = [packet for block in np.split(said, cuts) for packet in analysis.push(block)]
        early = len(parts)
        parts += analysis.finish()
        assert early >= 2
        assert np.array_equal(np.concatenate([units for units, _ in parts], 1), whole.units)


@needs_transformers
def test_units_are_those_of_a_window_around_each_packet(ssl: Codec, speech: Path) -> None:
    """The packet with 40 frames of 10 ms, half a spectrum's window and whatever makes whole F0 codes on either side."""
    said, _ = soundfile.read(speech, dtype="float32", stop=100000)
    codes = ssl.encode(said, 16000)
    gain = level_gain(int(codes.speaker[2]))
    around = -(-(40 * 160 + 320) // 1280) * 1280
    window = torch.from_numpy(said[40960 - around : 2 * 40960 + around].astype(np.float64))[None] * gain
    window = torch.nn.functional.pad(window, (0, -window.shape[1] % 1280))
    content, own = ssl._double.content, slice(around // 320, around // 320 + 128)
    assert np.array_equal(codes.units[0, 128:256], content.encode(window)[0, 0, own].numpy())
    scaled = np.pad(said.astype(np.float64), (0, -len(said) % 1280)) * gain
    with torch.inference_mode():
        learned = units_of(content, torch.from_numpy(scaled)[None])
    assert np.array_equal(learned[:, : codes.units.shape[1]], codes.units), "an entropy model learns what streams hold"
    # Less of its surroundings would have been heard otherwise: windows have to be the same everywhere.
    less = content.latent(window[:, 1280:-1280])[..., own.start - 4 : own.stop - 4]
    assert (content.latent(window)[..., own] - less).abs().max() > 1e-3


@needs_transformers
def test_decoding_needs_neither_transformers_nor_the_checkpoint(
    ssl: Codec, folder: Path, speech: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "speech.uc").write_bytes(ssl.compress(soundfile.read(speech, dtype="float32", stop=48000)[0], 16000))
    config = json.loads((folder / "config.json").read_text())
    config["content"]["checkpoint"] = str(tmp_path / "gone")
    elsewhere = tmp_path / "model"
    elsewhere.mkdir()
    for name in ("model.safetensors", "entropy.safetensors"):
        (elsewhere / name).write_bytes((folder / name).read_bytes())
    (elsewhere / "config.json").write_text(json.dumps(config))
    script = (
        "import sys; sys.modules['transformers'] = None; import unitcodec\n"
        "codec = unitcodec.load(sys.argv[1], device='cpu')\n"
        "wave, rate = codec.decompress(open(sys.argv[2], 'rb').read()); assert len(wave) == 48000\n"
        "try: codec.encode(wave, 16000)\n"
        "except unitcodec.ModelError as error: print(error)\n"
    )
    run = [sys.executable, "-c", script, str(elsewhere), str(tmp_path / "speech.uc")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout == f"checkpoint '{tmp_path / 'gone'}' needs transformers: pip install 'unitcodec[ssl]'\n"


@needs_transformers
def test_a_checkpoint_that_is_not_there_ends_the_run(
    folder: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = Path(shutil.copytree(folder, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    config["content"]["checkpoint"] = str(tmp_path / "gone")
    (elsewhere / "config.json").write_text(json.dumps(config))
    for command in (["units"], ["encode", "-o", str(tmp_path / "out")]):
        assert main([*command, str(speech), str(speech.parent / "x.wav"), "--model", str(elsewhere), "--device", "cpu"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith(f"unitcodec: checkpoint '{tmp_path / 'gone'}' cannot be loaded from a folder of this name")
    assert not list(tmp_path.rglob("*.uc"))


def refused(pattern: str, checkpoint: str | Path, wave: torch.Tensor, layer: int = 1, dimensions: int = 32) -> None:
    content: Any = make_content("pretrained", checkpoint=str(checkpoint), layer=layer, dimensions=dimensions)
    with pytest.raises(ModelError, match=pattern) as caught:
        content.encode(wave)
    assert "\n" not in str(caught.value)
    assert str(checkpoint) in str(caught.value)


@needs_transformers
def test_checkpoints_that_cannot_be_had(checkpoint: Path, wave: torch.Tensor, tmp_path: Path) -> None:
    refused("a folder of this name .there is none., the Hugging Face hub or its cache /", tmp_path / "gone", wave)
    refused("cannot be loaded from the folder of this name", tmp_path, wave)
    refused("has 3 layers, not 4", checkpoint, wave, layer=4)
    refused("has features of 32 dimensions, the codebook 768", checkpoint, wave, dimensions=768)


@needs_transformers
@pytest.mark.parametrize("bad", ["kind", "hop", "no weights", "no extractor", "rate"])
def test_checkpoints_of_other_kinds(wave: torch.Tensor, tmp_path: Path, bad: str) -> None:
    import transformers

    saved(tmp_path, conv_stride=[5, 2, 2, 2, 2, 2, 1]) if bad == "hop" else saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    if bad == "kind":
        (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
        refused("is of the kind bert; hubert, wav2vec2, wavlm can be used", tmp_path, wave)
    elif bad == "hop":
        refused("has a frame every 160 samples, not every 320", tmp_path, wave)
    elif bad == "no weights":
        import safetensors.torch

        weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
        short = {name: value for name, value in weights.items() if not name.endswith("layers.0.attention.q_proj.weight")}
        assert len(short) == len(weights) - 1
        safetensors.torch.save_file(short, tmp_path / "model.safetensors", {"format": "pt"})
        refused("lacks weights: encoder.layers.0.attention.q_proj.weight", tmp_path, wave)
    elif bad == "no extractor":
        (tmp_path / "preprocessor_config.json").unlink()
        refused(r"preprocessor_config\.json", tmp_path, wave)
        content: Any = make_content("pretrained", checkpoint=str(tmp_path), layer=1, dimensions=32, normalize=True)
        assert content.latent(wave).shape == (2, 32, 30)
    else:
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path)
        refused("hears 8000 Hz", tmp_path, wave)


@needs_transformers
def test_weights_as_pickles_are_never_read(wave: torch.Tensor, tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    flag = tmp_path / "executed"
    torch.save({"encoder": _Hostile(str(flag))}, tmp_path / "pytorch_model.bin")
    refused("safetensors", tmp_path, wave)
    assert not flag.exists()


class _Hostile:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("options", [{"layer": -1}, {"layer": 1, "context": -1}, {"layer": 1, "checkpoint": 3}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"layer|context"):
        make_content("pretrained", **{"checkpoint": "x", **options})


def test_transformers_is_not_imported_before_it_is_needed(environment: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import sys; from unitcodec.content import make_content\n"
        "make_content('pretrained', checkpoint='x', layer=1); assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=tmp_path)
