"""The parts of ``unitcodec bench`` that end in minutes; quality has a file of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pytest

from benchmarks.waveform import SAMPLE_RATE, write
from unitcodec.command import main


def test_bitrate_counts_the_files_that_encode_writes(
    tmp_path: Path, speech: Path, default_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not speech.exists():
        pytest.skip(f"{speech} is not there")
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text(f"path\ttranscript\n{speech.resolve()}\tWORDS\n")
    out = tmp_path / "out"
    assert main(["bench", "bitrate", "--data", str(manifest), "--out", str(out), "--jobs", "1"]) == 0
    assert main(["encode", "-q", str(speech), str(tmp_path / "speech.uc")]) == 0
    measured = json.loads((out / "bitrate.json").read_text())
    assert measured["bits"] == {speech.stem: 8 * (tmp_path / "speech.uc").stat().st_size}
    assert f"{measured['bps']['pooled']:.1f}" in capsys.readouterr().out


def test_compare_tells_what_moved_and_checks_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps({"bits": {"u": 800}, "ratios": {"encode": 5.0}}))
    after.write_text(json.dumps({"bits": {"u": 808}, "ratios": {"encode": 5.1}}))
    assert main(["bench", "compare", str(before), str(after)]) == 0
    told = capsys.readouterr().out
    assert "| bits (1 of 1 utterance changed) | 800 | 808 |" in told
    assert "Compared: 2 figures, of 1 utterance that A and B have in common." in told
    assert main(["bench", "compare", "--check", str(before), str(after)]) == 1
    assert main(["bench", "compare", "--check", str(after), str(before)]) == 0
    assert main(["bench", "compare", str(before), str(before)]) == 0
    assert "Nothing moved" in capsys.readouterr().out
    after.write_text(json.dumps({"bits": {"v": 800}}))
    assert main(["bench", "compare", str(before), str(after)]) == 0
    assert main(["bench", "compare", "--check", str(before), str(after)]) == 1
    told = capsys.readouterr().out
    assert told.count("Nothing was compared") == 2
    assert "Nothing moved" not in told


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_that_it_can_go_on(
    tmp_path: Path, start: Callable[..., Popen[bytes]], number: signal.Signals, status: int
) -> None:
    write(tmp_path / "few" / "u0.wav", np.zeros(SAMPLE_RATE, np.float32))
    arguments = ["--data", str(tmp_path / "few"), "--out", str(tmp_path / "out"), "--jobs", "1", "--systems", "none"]
    slow = ["--system", "slow=true {out}; exec sleep 60"]
    # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would the command.
    heeds: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = start("bench", "quality", *arguments, *slow, stdout=PIPE, stderr=PIPE, bufsize=0, **heeds)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"quality: reading")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=900)
    finally:
        process.kill()
    assert process.returncode == status
    told = [line for line in stderr.decode().splitlines() if line and not line.startswith("quality: ")]
    assert told == ["unitcodec: interrupted; the same command goes on from here; what was judged is kept"]


def test_help_and_usage_need_no_heavy_import(start: Callable[..., Popen[bytes]]) -> None:
    for arguments, status in ((["bench", "--help"], 0), (["bench", "all", "--help"], 0), (["bench", "quality"], 2)):
        process = start(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"}, stdout=PIPE, stderr=PIPE)
        _, imported = process.communicate(timeout=900)
        assert process.returncode == status
        for name in (b"torch", b"numpy", b"matplotlib", b"librosa"):
            assert not any(line.rpartition(b"|")[2].strip() == name for line in imported.splitlines())
