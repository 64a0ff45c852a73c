"""Which model decodes a stream."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from invocation import Command, files, run

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture
def mixed(narrow: Codec, stream: bytes, tmp_path: Path) -> Path:
    """A folder with streams of two models."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "narrow.uc").write_bytes(narrow.compress(np.sin(np.arange(8000) / 20).astype(np.float32), 16000))
    (folder / "speech.uc").write_bytes(stream)
    return folder


def test_a_file_is_decoded_by_the_installed_model_that_it_names(
    narrow: Codec,
    narrow_folder: Path,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decode = ("decode", mixed, "-r", "-q", "--device", "cpu", "-o")
    status, _, lines = run(capsys, *decode, tmp_path / "without")
    assert status == 1
    assert len(lines) == 1
    assert "narrow.uc: no installed model has the fingerprint" in lines[0]
    only_entropy = tmp_path / "entropy" / "narrow"
    only_entropy.mkdir(parents=True)
    shutil.copy(narrow_folder / "entropy.safetensors", only_entropy)
    monkeypatch.setenv("UNITCODEC_MODELS", str(only_entropy.parent))
    status, _, lines = run(capsys, *decode, tmp_path / "half")
    assert (status, len(lines)) == (1, 1)
    assert "only the entropy model is installed" in lines[0]
    monkeypatch.setenv("UNITCODEC_MODELS", os.pathsep.join(map(str, (only_entropy.parent, narrow_folder.parent))))
    for options in ([], ["--salvage"]):
        assert run(capsys, *decode, tmp_path / f"with{len(options)}", *options) == (0, "", [])
        assert files(tmp_path / f"with{len(options)}") == ["narrow.wav", "speech.wav"]
        sound, _ = soundfile.read(tmp_path / f"with{len(options)}" / "narrow.wav")
        expected = narrow.decompress((mixed / "narrow.uc").read_bytes())[0]
        assert np.allclose(sound, np.clip(expected, -1, 1), atol=1e-4)
    status, _, lines = run(capsys, *decode, tmp_path / "asked", "--model", "default")
    assert (status, len(lines)) == (1, 1)
    assert "narrow.uc: the stream was made with model" in lines[0]


def test_a_broken_model_that_one_file_names_does_not_stop_the_others(
    narrow_folder: Path, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "models" / "narrow"
    shutil.copytree(narrow_folder, broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    monkeypatch.setenv("UNITCODEC_MODELS", str(broken.parent))
    status, _, lines = run(capsys, "decode", mixed, "-r", "-q", "--device", "cpu", "-o", tmp_path / "out")
    assert (status, len(lines)) == (1, 1)
    assert "narrow.uc" in lines[0]
    assert files(tmp_path / "out") == ["speech.wav"]


def test_from_a_pipe_too(narrow_folder: Path, mixed: Path, command: Command) -> None:
    data = (mixed / "narrow.uc").read_bytes()
    pipe = ("decode", "-", "-", "-q", "--device", "cpu")
    done = command(*pipe, input=data, env={"UNITCODEC_MODELS": str(narrow_folder.parent)})
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) == 44 + 2 * 8000
    done = command(*pipe, input=data)
    assert done.returncode == 1
    assert b"no installed model has the fingerprint" in done.stderr
