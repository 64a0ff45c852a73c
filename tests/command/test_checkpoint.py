"""``unitcodec import-checkpoint``: verified, imported, spoken through the folder as the original speaks; or one line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

# Checkpoints to import are made beside the tests of what reads them.
sys.path.insert(0, str(Path(__file__).parents[1] / "published"))

from published_reference import F0_CODES, SPEAKERS, UNITS, Vocoder, fairseq, polyak

import bitstream
import unitcodec
from bitstream import SpeechCodes
from unitcodec.codec import Codec
from unitcodec.command import main
from unitcodec.decoder import stream as synthesis
from unitcodec.formats.unit_files import UnitEntry, to_json

FIELDS = (30, 4, 47)
"""Mean and deviation of F0, and the level at which the decoder's gain is that of the model alone."""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _write_list(path: Path, count: int = 30, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        units = np.cumsum(rng.choice([0, 0, 1, 5], int(rng.integers(20, 200)))) % UNITS
        lines.append(f"{{'audio': '{number}.wav', 'hubert': '{' '.join(map(str, units))}'}}\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Vocoder:
    return polyak(tmp_path_factory.mktemp("full") / "checkpoint")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_list(tmp_path_factory.mktemp("units") / "units.txt")


@pytest.fixture(scope="module")
def folder(full: Vocoder, units: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first, imported."""
    out = tmp_path_factory.mktemp("models") / "imported"
    assert main(["import-checkpoint", str(full.folder), "--out", str(out), "--units", str(units), "--voice", "3"]) == 0
    return out


def _codes(codec: Codec, frames: int, voice: tuple[int, ...] = (3,), seed: int = 0) -> SpeechCodes:
    spec, rng = codec.model.entropy.spec, np.random.default_rng(seed)
    f0 = rng.integers(spec.f0.alphabet, size=-(-frames * spec.unit_hop // spec.f0_hop))
    samples = frames * spec.unit_hop - 7
    return SpeechCodes(rng.integers(UNITS, size=(1, frames)), f0, [*FIELDS, *voice], samples, codec.model.entropy.fingerprint)


def _spoken(vocoder: Vocoder, codes: SpeechCodes, gain_db: float) -> np.ndarray:
    """What the original makes of codes, at the folder's gain."""
    code, f0 = torch.from_numpy(codes.units.copy()).long(), torch.from_numpy(codes.f0.copy()).long()[None]
    speaker = torch.tensor(codes.speaker[3:].tolist()) if len(codes.speaker) > 3 else None
    with torch.no_grad():
        wave = vocoder.speak(code, f0 if "f0_dict.weight" in vocoder.state else None, speaker)
    return wave[0, 0, : codes.num_samples].numpy() * 10 ** (gain_db / 20)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff{'audio': 'a.wav', 'speaker': '10', 'cpc_km100': '1 2 3'}\n\n{'audio': 'b.1', 'cpc_km100': '4'}\n",
        "a|1 2 3\nb.1|4\n",
        "id\ttgt_n_frames\ttgt_audio\na\t3\t1 2 3\nb.1\t1\t4\n",
    ],
    ids=["dictionaries", "name|units", "fairseq TSV"],
)
def test_lists_that_are_learned_from_can_be_spoken(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "units.txt").write_text(text, encoding="utf-8")
    codec = unitcodec.load(folder)
    status = main(["resynth", str(tmp_path / "units.txt"), "-q", "-o", str(tmp_path / "out"), "--model", str(folder)])
    assert (status, _names(tmp_path / "out")) == (0, ["a.wav", "b.1.wav"])
    hop = codec.model.entropy.spec.unit_hop
    assert [soundfile.info(tmp_path / "out" / name).frames for name in ("a.wav", "b.1.wav")] == [3 * hop, hop]


def test_verify(full: Vocoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = full.expected(tmp_path / "expected.npz")
    assert main(["import-checkpoint", str(full.folder), "--verify", str(expected)]) == 0
    told = capsys.readouterr()
    assert "F0 codes: 0 of 12 differ" in told.out
    assert "wave: largest error" in told.out
    with np.load(expected) as file:
        arrays = dict(file)
    np.savez(expected, **{**arrays, "wave": arrays["wave"] + 2e-5})
    assert main(["import-checkpoint", str(full.folder), "--verify", str(expected)]) == 1
    told = capsys.readouterr()
    assert "wave: largest error 2e-05" in told.out
    assert "expected.npz: not what is computed here" in told.err
    assert len(told.err.splitlines()) == 1


def test_verify_published_golden_vectors(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = shared / "golden" / "polyak"
    assert main(["import-checkpoint", str(golden), "--verify", str(golden / "expected.npz")]) == 0
    assert "F0 codes: 0 of 32 differ" in capsys.readouterr().out


def test_what_is_not_verified_is_not_written(full: Vocoder, units: Path, tmp_path: Path) -> None:
    expected = full.expected(tmp_path / "expected.npz")
    with np.load(expected) as file:
        np.savez(expected, **{**dict(file), "wave": -file["wave"]})
    arguments = ["--verify", str(expected), "--out", str(tmp_path / "model"), "--units", str(units)]
    assert main(["import-checkpoint", str(full.folder), *arguments]) == 1
    assert _names(tmp_path) == ["expected.npz"]


def test_the_folder(full: Vocoder, folder: Path) -> None:
    assert _names(folder) == ["MODEL_CARD.md", "config.json", "entropy.safetensors", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert (config["name"], config["precision"], config["limit_rate"]) == ("imported", "float32", False)
    assert config["content"] == {"kind": "units", "stride": 2, "vocabulary": [UNITS]}
    assert config["speaker"] == {"kind": "table", "size": SPEAKERS, "voice": 3}
    card = (folder / "MODEL_CARD.md").read_text()
    for words in ("# Model card: imported", "g_00000000", "units.txt", "## Licence", "decodes, and encodes nothing", "swift-f0"):
        assert words in card
    assert str(full.folder.parent) not in card + (folder / "config.json").read_text()


def test_codes_packed_unpacked_and_spoken(full: Vocoder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = unitcodec.load(folder, device="cpu")
    # More than two pieces, and an end within a unit.
    codes = _codes(codec, 9 * 128 + 27)
    data = bitstream.pack(codes, codec.model.entropy)
    assert bitstream.unpack(data, codec.model.entropy) == codes
    wave, rate = codec.decompress(data)
    expected = _spoken(full, codes, codec.model.config.gain_db)
    assert (rate, wave.shape) == (16000, expected.shape)
    assert np.abs(expected).max() > 0.01
    assert np.abs(wave - expected).max() < 1e-5
    monkeypatch.setattr(synthesis, "PIECE", 1)
    assert np.abs(codec.decode(codes) - wave).max() < 1e-6


def test_units_at_100_hz(units: Path, tmp_path: Path) -> None:
    vocoder = polyak(tmp_path / "checkpoint", (5, 4, 2, 2, 2))
    out = tmp_path / "model"
    assert main(["import-checkpoint", str(vocoder.folder), "--out", str(out), "--units", str(units)]) == 0
    codec = unitcodec.load(out, device="cpu")
    codes = _codes(codec, 1300)
    wave, _ = codec.decompress(bitstream.pack(codes, codec.model.entropy))
    assert np.abs(wave - _spoken(vocoder, codes, codec.model.config.gain_db)).max() < 1e-5


@pytest.mark.parametrize("speakers", [False, True])
def test_units_alone(speakers: bool, units: Path, tmp_path: Path) -> None:
    vocoder = fairseq(tmp_path / "checkpoint", durations=True, speakers=speakers)
    out = tmp_path / "model"
    assert main(["import-checkpoint", str(vocoder.folder), "--out", str(out), "--units", str(units)]) == 0
    codec = unitcodec.load(out, device="cpu")
    codes = _codes(codec, 300, (2,) if speakers else ())
    data = bitstream.pack(codes, codec.model.entropy)
    wave, _ = codec.decompress(data)
    assert np.abs(wave - _spoken(vocoder, codes, codec.model.config.gain_db)).max() < 1e-5
    # One F0 code costs nothing.
    assert codec.model.entropy.cost(codes)["f0"] == 0
    collapsed = torch.tensor([[[3, 1, 4]]])
    assert torch.equal(codec.model.networks.generator.durations(collapsed), vocoder.durations(collapsed[0]))


def test_a_folder_that_only_decodes(folder: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "--model", str(folder), str(speech), str(tmp_path / "out.uc")]) == 1
    told = capsys.readouterr().err
    assert "this model decodes only" in told
    assert "--content" in told
    assert len(told.splitlines()) == 1
    assert _names(tmp_path) == []


def test_rates_are_told_on_other_lists(full: Vocoder, units: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = _write_list(tmp_path / "test.txt", 5, 1)
    more = _write_list(tmp_path / "more.txt", 5, 2)
    arguments = ["--out", str(tmp_path / "model"), "--units", str(units), str(more), "--test", str(test)]
    assert main(["import-checkpoint", str(full.folder), *arguments]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{test}: units ")
    assert "5 utterances" in line
    assert "learned from" not in line
    assert "more.txt" in (tmp_path / "model" / "MODEL_CARD.md").read_text()


def test_f0_codes_that_are_known_are_learned(full: Vocoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = UnitEntry(np.zeros((1, 128), np.int32), f0=np.full(32, F0_CODES - 1, np.int32), frame_rate=50.0)
    (tmp_path / "units.jsonl").write_text(f"{to_json(entry)}\n" * 20)
    arguments = ["--out", str(tmp_path / "model"), "--units", str(tmp_path / "units.jsonl")]
    assert main(["import-checkpoint", str(full.folder), *arguments]) == 0
    rate = float(capsys.readouterr().out.split("F0 ")[1].split()[0])
    assert rate < 1.0
    assert "told nothing of F0" not in (tmp_path / "model" / "MODEL_CARD.md").read_text()


def test_a_recurrent_network(full: Vocoder, units: Path, tmp_path: Path) -> None:
    settings = [f"--setting={each}" for each in ("hidden=8", "embedding=4", "epochs=1")]
    arguments = ["--out", str(tmp_path / "model"), "--units", str(units), "--entropy", "recurrent", *settings]
    assert main(["import-checkpoint", str(full.folder), *arguments, "--training", str(tmp_path / "kept")]) == 0
    codec = unitcodec.load(tmp_path / "model", device="cpu")
    assert isinstance(codec.model.entropy, bitstream.RecurrentModel)
    codes = _codes(codec, 40)
    assert bitstream.unpack(bitstream.pack(codes, codec.model.entropy), codec.model.entropy) == codes
    assert (tmp_path / "kept").is_dir()


def test_overwrite(full: Vocoder, folder: Path, units: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "model"))
    (out / "mel.onnx").touch()
    arguments = ["import-checkpoint", str(full.folder), "--out", str(out), "--units", str(units)]
    assert main(arguments) == 2
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert "mel.onnx" not in _names(out)
    assert _names(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "give --verify EXPECTED.npz, or --out FOLDER"),
        (["--out", "model"], 2, "go together"),
        (["--units", "units.txt"], 2, "--verify|go together"),
        (["more.txt", "--verify", "x.npz"], 2, "go together"),
        (["--out", "model", "--units", "units.txt", "--content", "x:3"], 2, "go together"),
        (["--out", "model", "--units", "units.txt", "--content", "x", "--kmeans", "k"], 2, "name the layer"),
        (["--out", "model", "--units", "units.txt", "--content", "x:3", "--kmeans", "k"], 1, "k: No such file"),
        (["--out", "model", "--units", "units.txt", "--content", "x:3", "--kmeans", "units.txt"], 1, "units.txt: "),
        (["--out", "model", "--units", "absent.txt"], 1, "absent.txt: No such file"),
        (["--out", "model", "--units", "bad.txt"], 1, "bad.txt: line 1"),
        (["--out", "model", "--units", "others.txt"], 1, "others.txt: utterance 1 holds unit 99"),
        (["--out", "model", "--units", "units.txt", "--test", "others.txt"], 1, "others.txt: utterance 1"),
        (["--out", "absent/model", "--units", "units.txt"], 1, "absent/model: No such file"),
        (["--out", "units.txt", "--units", "units.txt"], 2, "not a directory"),
        (["--out", "model", "--units", "units.txt", "--voice", "9"], 1, "no voice 9"),
        (["--out", "model", "--units", "units.txt", "--f0-quantizer", "x"], 1, "not wanted"),
        (["--out", "model", "--units", "units.txt", "--entropy", "recurrent", "--setting", "a=1"], 1, "no such setting"),
        (["--verify", "units.txt"], 1, "units.txt: not a NumPy archive"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    full: Vocoder,
    units: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(units, "units.txt")
    Path("bad.txt").write_text("no units\n")
    Path("others.txt").write_text("{'hubert': '99'}\n")
    before = _names(tmp_path)
    assert main(["import-checkpoint", str(full.folder), *arguments]) == status
    told = capsys.readouterr()
    assert any(each in told.err for each in words.split("|"))
    assert "Traceback" not in told.err
    if status == 1:
        assert len(told.err.splitlines()) == 1
    assert _names(tmp_path) == before


def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (tmp_path, tmp_path / "absent"):
        assert main(["import-checkpoint", str(source), "--verify", "expected.npz"]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"unitcodec: {source}")
        assert len(told.splitlines()) == 1


def test_a_folder_that_encodes(full: Vocoder, units: Path, speech: Path, tmp_path: Path) -> None:
    """With a network of random weights in the place of HuBERT."""
    transformers = pytest.importorskip("transformers", reason="transformers, of the extra 'ssl', is not installed")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    convolutions = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    network = transformers.HubertModel(transformers.HubertConfig(**sizes, **convolutions))
    network.save_pretrained(tmp_path / "hubert")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "hubert")
    np.save(tmp_path / "kmeans.npy", torch.randn(UNITS, 16).numpy())
    content = ["--content", f"{tmp_path / 'hubert'}:1", "--kmeans", str(tmp_path / "kmeans.npy")]
    out = tmp_path / "model"
    assert main(["import-checkpoint", str(full.folder), "--out", str(out), "--units", str(units), *content]) == 0
    codec = unitcodec.load(out, device="cpu")
    wave, _ = soundfile.read(speech, dtype="float32", stop=3 * 40960 + 1000)
    codes = codec.encode(wave, 16000)
    assert codes.speaker[3:].tolist() == [0]
    assert len(set(codes.f0.tolist())) > 1
    # However it is cut.
    analysis = codec.analysis()
    parts = [packet for start in range(0, len(wave), 7777) for packet in analysis.push(wave[start : start + 7777])]
    parts += analysis.finish()
    assert np.array_equal(np.concatenate([part for part, _ in parts], 1), codes.units)
    assert np.array_equal(np.concatenate([part for _, part in parts]), codes.f0)
    assert codec.decode(codes).shape == wave.shape
    # An encoder of other units than the vocoder's is refused before anything is written.
    np.save(tmp_path / "kmeans.npy", np.zeros((UNITS + 1, 16), np.float32))
    shutil.rmtree(out)
    assert main(["import-checkpoint", str(full.folder), "--out", str(out), "--units", str(units), *content]) == 1
    assert not out.exists()
