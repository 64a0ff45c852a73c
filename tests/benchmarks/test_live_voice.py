"""``python -m benchmarks.live_voice``: which recordings make a stream, and what its table says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import live_voice
from benchmarks.corpus import Utterance
from benchmarks.errors import BenchmarkError


def test_streams_are_of_one_speaker_and_long_enough(tmp_path: Path) -> None:
    spoken = []
    for index, (who, seconds) in enumerate([("a", 12), ("b", 30), ("a", 9), ("a", 8), ("c", 19), ("a", 13)]):
        soundfile.write(tmp_path / f"{index}.wav", np.zeros(seconds * 16000), 16000)
        spoken.append(Utterance(tmp_path / f"{index}.wav", "words", who))
    found = live_voice.streams(spoken)
    assert [[path.stem for path in each] for each in found] == [["1"], ["0", "2"], ["3", "5"]]
    with pytest.raises(BenchmarkError, match="no speaker has 20 s"):
        live_voice.streams(spoken[4:5])
    with pytest.raises(BenchmarkError, match="nobody says who speaks"):
        live_voice.streams([Utterance(tmp_path / "1.wav", "words")])


def test_its_table() -> None:
    one, other = [(0.5, 1.0)] * len(live_voice.STRETCHES), [(0.8, 1.0)] * len(live_voice.STRETCHES)
    lines = live_voice.table([one, other]).splitlines()
    assert lines[2] == "| 0 to 1 | 0.650 | 1.000 | 0.650 | 0.500 to 0.800 |"
    assert len(lines) == 4 + len(live_voice.STRETCHES)
    assert lines[-1] == "2 streams."


@pytest.mark.parametrize(("arguments", "message"), [(["--jobs", "0"], "at least 1"), ([], "nowhere")])
def test_what_cannot_be_measured(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["live_voice", "--data", "nowhere", *arguments])
    with pytest.raises(SystemExit):
        live_voice.main()
    assert message in capsys.readouterr().err.splitlines()[-1]
