"""What is said of the inputs on the way: progress, notes, names."""

from __future__ import annotations

import io
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from invocation import run

from unitcodec.command.run import signals_wait


@pytest.mark.parametrize("jobs", [1, 2])
def test_notes_are_lines_of_their_own(
    narrow_folder: Path, speech: Path, tmp_path: Path, jobs: int, capfd: pytest.CaptureFixture[str]
) -> None:
    samples, _ = soundfile.read(speech, frames=16000)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.stack([samples, -samples], 1), 16000)
    sources = [tmp_path / "a.wav", tmp_path / "b.wav"]
    status, _, lines = run(capfd, "encode", *sources, "-o", tmp_path, "--model", narrow_folder, "-q", "-j", jobs)
    assert status == 0
    assert sorted(line.split(" first")[0] for line in lines) == [
        f"unitcodec: {source}: the channels cancel each other when mixed," for source in sources
    ]


def test_names_that_would_break_a_line(tones: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    name = "in/two\nlines\x1b[31m.wav"
    Path("in/a.wav").rename(name)
    shown = "in/two\\nlines\\x1b[31m"
    status, _, (line,) = run(capsys, "encode", name, *tones)
    assert status == 0
    assert line.startswith(f"{shown}.wav -> {shown}.uc: ")
    assert run(capsys, "encode", name, *tones) == (2, "", [f"unitcodec: {shown}.uc: exists already; --overwrite replaces it"])
    assert run(capsys, "info", name[:-3] + "uc")[1].splitlines()[0] == f"File:      {shown}.uc"
    Path(name).write_text("Dear reader,\n")
    status, _, lines = run(capsys, "encode", name, "in/none\u2028.wav", "-o", "out", *tones)
    assert (status, len(lines)) == (1, 3)
    assert lines[0].startswith(f"unitcodec: {shown}.wav: not audio that ")
    assert lines[1:] == [
        "unitcodec: in/none\\u2028.wav: No such file or directory",
        f"unitcodec: 2 of 2 failed: {shown}.wav, in/none\\u2028.wav",
    ]


def test_progress_in_minutes_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from unitcodec.command.run import progress

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    clock = iter(range(10**6))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))  # so that each step is drawn
    blocks = [np.zeros(1771, np.float32)] * 900
    for duration in (99.69999, None):
        assert sum(map(len, progress(blocks, duration, "talk.wav", False))) == 900 * 1771
    assert re.search(r"talk\.wav: +50%\|.*\| 00:50/01:39 \[", terminal.getvalue())
    assert re.search(r"\| 01:20/\? \[", terminal.getvalue())
    assert not re.search(r"\d\.\d", terminal.getvalue())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_for_the_end_of_an_import(number: signal.Signals) -> None:
    def leave(number: int, frame: object) -> None:
        raise SystemExit(number)

    before, reached = signal.signal(number, leave), False
    try:
        with pytest.raises(SystemExit, match=str(int(number))), signals_wait():
            signal.raise_signal(number)
            reached = True
        assert reached
        assert signal.getsignal(number) is leave
    finally:
        signal.signal(number, before)
