"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import soundfile

import unitcodec

ROOT = Path(unitcodec.__file__).parent
LOADING = ("__init__.py", "codec.py")
"""Relative to the package: files with examples that load the packaged model."""


def _files() -> list[str]:
    """Those with examples, relative to the package."""
    found = [path for path in sorted(ROOT.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    return [path.relative_to(ROOT).as_posix() for path in found]


def _run(file: str, **names: object) -> None:
    parts = ["unitcodec", *file.removesuffix(".py").removesuffix("__init__").split("/")]
    outcome = doctest.testmod(import_module(".".join(filter(None, parts))), extraglobs=names)
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("file", [file for file in _files() if file not in LOADING])
def test_examples(file: str) -> None:
    _run(file)


@pytest.mark.parametrize("file", LOADING)
def test_examples_with_the_model(
    file: str, default_model: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform, rate = soundfile.read(speech, dtype="float32", frames=16000)
    soundfile.write(tmp_path / "talk.flac", waveform, rate)
    monkeypatch.chdir(tmp_path)
    _run(file, waveform=waveform)
