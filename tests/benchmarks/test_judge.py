"""What judges remember, and what of it is not believed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import judge, score
from benchmarks.metrics.pitch import PitchErrors
from benchmarks.waveform import SAMPLE_RATE, read, write

GOOD: dict[str, Any] = {
    "asr": "A CAT",
    "speaker": [0.5, 0.25],
    "f0": asdict(PitchErrors(frames=3)),
    "f0_yaapt": asdict(PitchErrors()),
    "estoi": None,
    "pesq": None,
}
"""Of the others a number."""


@pytest.mark.parametrize("wrong", [[], ["x"], {}, {"frames": 1}, True, {"frames": "x"}])
def test_every_judge_knows_its_values(wrong: Any) -> None:
    for each in judge.JUDGES:
        assert each.kind(GOOD.get(each.name, 2.5)), each.name
        assert not each.kind(wrong), each.name
        assert each.name in ("estoi", "pesq") or not each.kind(None)


@pytest.mark.parametrize("content", ["[]", "null", "5", '"a"', "{", '{"KEY": []}', '{"KEY": "x"}', '{"KEY": null}'])
def test_a_memory_that_is_none_is_judged_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    number = next(each.kind for each in judge.JUDGES if each.name == "dnsmos")
    one = judge.Judge("dnsmos", ("numpy",), lambda pair: 2.5, kind=number)
    monkeypatch.setattr(judge, "JUDGES", (one,))
    write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE, np.float32))
    memory = tmp_path / "judged"
    heard = judge.judge_pair(tmp_path / "a.wav", read(tmp_path / "a.wav"), memory)
    (file,) = memory.glob("*.json")
    file.write_text(content.replace("KEY", one.key()))
    assert judge.judge_pair(tmp_path / "a.wav", read(tmp_path / "a.wav"), memory) == heard == {"dnsmos": 2.5}
    assert json.loads(file.read_text()) == {one.key(): 2.5}


def test_what_another_version_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "JUDGES", (judge.Judge("dnsmos", ("numpy",), lambda pair: 2.5),))
    write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE, np.float32))
    arguments = tmp_path / "a.wav", read(tmp_path / "a.wav"), tmp_path / "judged"
    judge.judge_pair(*arguments)
    (file,) = (tmp_path / "judged").glob("*.json")
    file.write_text('{"dnsmos/0/old-1": []}')
    judge.judge_pair(*arguments)
    assert json.loads(file.read_text())["dnsmos/0/old-1"] == []


def test_the_figures_of_a_teacher_say_so(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed (the extra eval)")
    titles = {}
    for kind in ("whisper", "wav2vec2"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "model.safetensors").touch()
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        (one,) = judge.extra(str(folder))
        key = "wer_" + one.name.removeprefix("asr_")
        titles[kind] = score.metrics({key: 0.5})[-1].title
    assert titles == {"whisper": "WER, whisper (a teacher)", "wav2vec2": "WER, wav2vec2"}
