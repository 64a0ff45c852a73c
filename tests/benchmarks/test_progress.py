"""What a long run says of itself: in a log, and on a terminal."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import pytest

from benchmarks import headline, progress
from benchmarks.waveform import SAMPLE_RATE, write


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_at_every_interval_also_while_nothing_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.05)
    with progress.Stage("codec2-700c", 100) as stage:
        for _ in range(37):
            stage.advance()
        time.sleep(0.3)
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert set(lines) == {"codec2-700c: 37/100, 0:00"}
    assert 2 <= len(lines) <= 6
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_short_stage_adds_no_line_to_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track("bitrate", iter("abc"), 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_stage_of_unknown_length_counts_its_units(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.05)
    with progress.Stage("speed", None, "cases") as stage:
        stage.advance()
        time.sleep(0.1)
    assert capsys.readouterr().err.startswith("speed: 1 cases, 0:00\n")


def test_a_terminal_gets_a_bar_that_lines_do_not_break(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the bar needs tqdm, which is not installed")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Stage("original", 2) as stage:
        assert "original:" in terminal.getvalue()
        assert "0/2" in terminal.getvalue()
        stage.say("original: 2 utterances")
        stage.advance()
        stage.advance()
    assert "original: 2 utterances\n" in terminal.getvalue()
    # The bar is gone when the stage ends: its last line is blank.
    assert terminal.getvalue().rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_stage_that_fails_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="broken"), progress.Stage("original", 2):
        raise ValueError("broken")
    assert threading.active_count() == before


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (42, "0:42"), (725, "12:05"), (3723, "1:02:03")])
def test_the_clock(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text


def test_the_headline_prefers_words_and_the_other_pitch_tracker() -> None:
    figures = {"bps": 326.4, "wer": 0.2, "cer": 0.1, "sim": 0.846, "dnsmos": 3.05, "ffe": 0.03, "ffe_yaapt": 0.065}
    assert headline.told(figures) == "326 bit/s, WER 0.200, SIM 0.846, DNSMOS 3.05, FFE, YAAPT 0.065"
    assert headline.told({"cer": 0.1, "wer": None, "ffe": 0.03}) == "CER 0.100, FFE 0.030"
    assert headline.told({"dwer": 0.3, "wer": None, "dcer": 0.1}) == "dWER 0.300"
    assert headline.told({"dcer": 0.1}) == "dCER 0.100"
    assert headline.told({"bps": None}) == ""


def test_bench_quality_writes_to_a_log_from_the_first_seconds(tmp_path: Path, start: Callable[..., Popen[bytes]]) -> None:
    """The real command into pipes: what it reads, what begins, how it ended; results alone on stdout."""
    pytest.importorskip("soundfile", reason="soundfile is not installed")
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2)
    write(tmp_path / "few" / "u0.wav", noise.astype(np.float32))
    arguments = ["--data", str(tmp_path / "few"), "--name", "two words", "--out", str(tmp_path / "out"), "--jobs", "1"]
    arguments += ["--systems", "none", "--judges", "mel_db", "--system", "copy=cp {wav} {bits} && cp {bits} {out}"]
    begin = time.monotonic()
    process = start("bench", "quality", *arguments, "--system", "bad=false {out}", stdout=PIPE, stderr=PIPE, bufsize=0)
    try:
        assert process.stderr is not None
        first = process.stderr.readline().decode()
        waited = time.monotonic() - begin
        stdout, stderr = process.communicate(timeout=900)
    finally:
        process.kill()
    lines = [first.rstrip(), *stderr.decode().splitlines()]
    assert process.returncode == 0, lines
    assert lines[0] == f"quality: reading {tmp_path / 'few'}"
    # Python's start and some imports; a busy machine takes longer for them. The run itself takes many times as long.
    assert waited < 10
    assert "quality: not in this run: unitcodec, unitcodec-vc, codec2-450" in lines[1]
    assert lines[2] == "quality: 1 utterance of two words, 3 systems; looking for the judges"
    for name in ("original", "copy", "bad"):
        assert f"{name}: loading" in lines
        assert f"{name}: 1 utterance, judges: mel_db" in lines
    assert any(line.startswith("copy: done in 0:") and "bit/s" in line for line in lines)
    assert any(line.startswith("bad: not judged in 0:") and "gap: exit 1" in line for line in lines)
    assert stdout.decode().startswith("## Quality")
    assert "Not in this run: unitcodec, unitcodec-vc, Codec2 450, " in stdout.decode()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["made"]["data"] == "two words"
    assert not [line for line in stdout.decode().splitlines() if line.startswith(("quality:", "copy:"))]
