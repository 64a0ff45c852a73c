"""Codecs timed by turns: what cannot be timed is told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import real_time


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "nowhere.wav: is not there"),
        (["speech.wav", "--systems", "opus-6k,foo"], "no such system: foo;"),
        (["speech.wav", "--seconds", "0"], "at least 1"),
        (["speech.wav", "--rounds", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_timed(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["real_time", *arguments])
    with pytest.raises(SystemExit) as caught:
        real_time.main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_round(speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["real_time", str(speech), "--seconds", "1", "--rounds", "1", "--systems", ""])
    real_time.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| unitcodec, encode", "| unitcodec, decode"]
    assert all(float(line.split(" | ")[1]) > 0 for line in lines[2:])
