"""What the tests of the command share: the packaged model on every kind of input, and tones."""

from __future__ import annotations

import sys
from pathlib import Path

# The module beside the tests imports by name under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pytest
import soundfile
from invocation import Batch, Command

from unitcodec.audio import resampled_length


@pytest.fixture(scope="session")
def batch(default_model: Path, speech: Path, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("batch")
    source = folder / "in"
    (source / "deep").mkdir(parents=True)
    rng = np.random.default_rng(5)
    said, _ = soundfile.read(speech)
    good = {
        "speech": (said, 16000, "PCM_16"),
        "one_sample": (np.array([0.25]), 16000, "PCM_16"),
        "one_sample_48k": (np.array([0.25]), 48000, "PCM_16"),
        "ten_ms": (said[20000:20160], 16000, "PCM_16"),
        "silence": (np.zeros(16000), 16000, "PCM_16"),
        "clipped_noise": (np.clip(3 * rng.standard_normal(16000), -1, 1), 16000, "PCM_16"),
        "deep/stereo_48k_24_bit": (0.3 * rng.standard_normal((48001, 2)), 48000, "PCM_24"),
        "deep/mu_law_8k": (said[: 2 * 7999 : 2], 8000, "ULAW"),
    }
    for name, (data, rate, subtype) in good.items():
        soundfile.write(source / f"{name}.wav", data, rate, subtype=subtype)
    soundfile.write(source / "nan.wav", np.where(np.arange(16000) == 8000, np.nan, 0.1), 16000, subtype="FLOAT")
    (source / "empty.wav").write_bytes(b"")
    (source / "text.wav").write_text("Dear reader,\n" * 100)
    (source / "ignored.txt").write_text("not audio, and not named as such")
    soundfile.write(source / "no_samples.wav", np.zeros(0), 16000)
    soundfile.write(source / "low_rate.wav", np.zeros(4000), 4000)
    bad = {
        "nan": "the sample at 0.5000 s is NaN or infinite",
        "empty": "the file is empty",
        "text": "not audio that libsndfile can read",
        "no_samples": "holds no samples",
        "low_rate": "4000 Hz is too low",
    }
    encoded = command("encode", str(source), "-r", "-o", str(folder / "uc"), "--device", "cpu")
    decoded = command("decode", str(folder / "uc"), "-r", "-o", str(folder / "out"), "--device", "cpu")
    lengths = {name: resampled_length(len(data), rate) for name, (data, rate, _) in good.items()}
    return Batch(
        folder,
        lengths,
        bad,
        encoded.returncode,
        encoded.stderr.decode().splitlines(),
        decoded.returncode,
        decoded.stderr.decode().splitlines(),
    )


@pytest.fixture(scope="session")
def stream(batch: Batch) -> bytes:
    """The example, encoded."""
    return (batch.folder / "uc" / "speech.uc").read_bytes()


@pytest.fixture
def tones(tmp_path: Path, narrow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A folder ``in`` of four tones, two of them alike in name, and something else; options for the narrow model."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number, name in enumerate(["a.wav", "b.wav", "b.flac", "-dash.flac"]):
        soundfile.write(Path("in", name), np.sin(np.arange(4000 * (number + 1)) / 20), 16000)
    Path("in", "bad.wav").write_text("Dear reader,\n")
    return ("--model", str(narrow_folder), "--device", "cpu")
