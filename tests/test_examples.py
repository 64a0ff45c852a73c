"""examples/*.py do what they say, with a narrow model in the place of the default one."""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import unitcodec
from unitcodec.command import main

if TYPE_CHECKING:
    from unitcodec.codec import Codec

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _loaded(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unitcodec, "load", lambda *_, **__: narrow)


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "corpus", "datagrams", "lhotse_recipe", "live", "load_dataset", "microphone",
    }  # fmt: skip


def test_corpus(narrow: Codec, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, wave = example("corpus"), soundfile.read(speech, dtype="float32")[0]
    recordings = []
    for name, samples in (("long", 48000), ("short", 20000)):
        soundfile.write(tmp_path / f"{name}.wav", wave[:samples], 16000)
        recordings.append(tmp_path / f"{name}.wav")
    # The narrow model is installed nowhere.
    monkeypatch.setattr(
        module.bitstream, "unpack", lambda data, unpack=module.bitstream.unpack: unpack(data, narrow.model.entropy)
    )
    module.main(tmp_path / "shard.tar", *recordings)
    expected = [narrow.encode(path).units.T for path in recordings]
    units, lengths = next(iter(module.DataLoader(module.Units(tmp_path / "shard.tar"), batch_size=8, collate_fn=module.pad)))
    assert lengths.tolist() == [75, 32]
    assert np.array_equal(units[0], expected[0])
    assert np.array_equal(units[1, :32], expected[1])
    assert (units[1, 32:] == -1).all()


@pytest.fixture
def two(speech: Path, tmp_path: Path, narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Recordings of 3 s and 1.25 s; streams of the narrow model, which is installed nowhere, can be read."""
    import bitstream

    wave, recordings = soundfile.read(speech, dtype="float32")[0], []
    for name, samples in (("long", 48000), ("short", 20000)):
        soundfile.write(tmp_path / f"{name}.wav", wave[:samples], 16000)
        recordings.append(tmp_path / f"{name}.wav")
    monkeypatch.setattr(bitstream, "unpack", lambda data, unpack=bitstream.unpack: unpack(data, narrow.model.entropy))
    return recordings


def test_load_dataset(
    two: list[Path], narrow: Codec, narrow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "m.tsv").write_text("id\tpath\ttranscript\nlong\tlong.wav\tand so on\nshort\tshort.wav\tand\n")
    command = ["corpus", str(tmp_path / "m.tsv"), "-o", str(tmp_path / "out"), "-q", "--model", str(narrow_folder)]
    assert main([*command, "--shard-size", "1", "--device", "cpu"]) == 0
    module = example("load_dataset")
    for row, path in zip(module.load(tmp_path / "out"), two, strict=True):
        assert row["stream"] == narrow.compress(path)
        assert np.array_equal(module.units(row)["units"], narrow.encode(path).units.T)
    module.main(str(tmp_path / "out"))
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"long 3\.00 s, \d+ bytes, 75 frames: and so on", said[-2])


def test_lhotse_recipe(two: list[Path], narrow: Codec, narrow_folder: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="needs the package lhotse")
    recordings = [lhotse.Recording.from_file(path) for path in two]
    said = lhotse.SupervisionSegment("s", recordings[1].id, 0.0, 1.25, text="and", speaker="p1")
    lhotse.RecordingSet.from_recordings(recordings).to_file(tmp_path / "recordings.jsonl.gz")
    lhotse.SupervisionSet.from_segments([said]).to_file(tmp_path / "supervisions.jsonl.gz")
    module = example("lhotse_recipe")
    module.main(
        str(tmp_path / "recordings.jsonl.gz"), str(tmp_path / "supervisions.jsonl.gz"), str(tmp_path / "out"),
        "--model", str(narrow_folder), "--device", "cpu",
    )  # fmt: skip
    for cut, path in zip(module.read_cuts(tmp_path / "out"), two, strict=True):
        assert cut.id == path.stem
        # Lhotse leaves out a last frame of which the recording has less than half.
        expected = narrow.encode(path).units.T[: round(cut.duration / 0.04)]
        assert np.array_equal(cut.load_units(), expected)
        supervision = cut.supervisions[0]
    assert (supervision.text, supervision.speaker, cut.duration) == ("and", "p1", 1.25)


def test_datagrams(narrow: Codec, speech: Path, tmp_path: Path) -> None:
    module = example("datagrams")
    whole = narrow.decode(narrow.encode(speech))
    for loss in (0.0, 0.3):
        module.main(str(speech), str(tmp_path / "out.wav"), loss)
        heard, rate = soundfile.read(tmp_path / "out.wav")
        assert (len(heard), rate) == (len(whole), 16000)
        assert (np.abs(heard - whole.clip(-1, 1)).max() < 1e-3) == (loss == 0.0)


def test_microphone(narrow: Codec, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        import sounddevice

        sounddevice.query_devices(kind="input")
        sounddevice.query_devices(kind="output")
    except Exception as error:  # not installed, no PortAudio, no device
        pytest.skip(f"no microphone or no loudspeaker: {error}")
    example("microphone").main(1.0)


def test_what_the_microphone_hears_is_spoken(narrow: Codec, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a stand-in for the device, which few machines that run tests have."""
    wave, heard = soundfile.read(speech, dtype="float32")[0], []
    device = ModuleType("sounddevice")

    class Stream:
        def __init__(self, **options: object) -> None:
            self.blocks: Iterator[int] = itertools.count()

        def __enter__(self) -> Stream:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def read(self, frames: int) -> tuple[np.ndarray, bool]:
            first = next(self.blocks) * frames
            return wave[first : first + frames, None], False

        def write(self, block: np.ndarray) -> None:
            assert block.ndim == 2
            heard.append(block[:, 0])

    device.InputStream = device.OutputStream = Stream  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    example("microphone").main(3.0)
    encoder, decoder = narrow.encoder(live=True), narrow.decoder()
    packets = encoder.push(wave[:48000]) + encoder.flush()
    assert np.allclose(np.concatenate(heard), np.concatenate([decoder.push(packet) for packet in packets]), atol=1e-4)


def test_live_from_one_process_to_another(default_model: Path, speech: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """With the default model: the receiver is a process of its own."""
    part = soundfile.read(speech, dtype="float32")[0][:48000]
    soundfile.write(tmp_path / "part.wav", part, 16000)
    command = [sys.executable, str(EXAMPLES / "live.py"), str(tmp_path / "part.wav"), "0.1", str(tmp_path / "heard.wav")]
    said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True).stdout
    assert re.search(r"from mouth to ear [1-9]", said), said
    assert soundfile.info(tmp_path / "heard.wav").frames >= 48000
