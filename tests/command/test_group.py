"""The command as a whole: how it is called, and how soon it is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from invocation import Batch, Command, run

import unitcodec
from unitcodec.command import main


def test_the_package_and_a_shell_run_it(environment: dict[str, str], tmp_path: Path) -> None:
    def answer(**variables: str) -> str:
        module = [sys.executable, "-m", "unitcodec", *([] if variables else ["--version"])]
        return subprocess.run(module, env={**environment, **variables}, cwd=tmp_path, capture_output=True, text=True).stdout

    assert answer() == f"unitcodec {unitcodec.__version__}\n"
    bash = {"_UNITCODEC_COMPLETE": "bash_complete"}
    assert answer(**bash, COMP_WORDS="unitcodec e", COMP_CWORD="1") == "plain,encode\nplain,export-onnx\n"
    for words in ("encode ", "encode -o ", "decode x.uc ", "info ", "cut ", "play ", "resynth ", "units "):
        assert answer(**bash, COMP_WORDS=f"unitcodec {words}", COMP_CWORD=str(len(words.split()) + 1)) == "file,\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"unitcodec \d+\.\d+\.\d+\S*\n", out)


def test_a_name_that_begins_with_a_dash(tones: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("in")
    assert main(["encode", "-q", *tones, "--", "-dash.flac"]) == 0
    assert main(["decode", "-q", *tones, "--", "-dash.uc", "-dash.mp3"]) == 0
    assert main(["cut", "-q", "--duration", "1", "--overwrite", "--", "-dash.uc", "-part.uc"]) == 1  # of no installed model
    assert soundfile.info("./-dash.mp3").format == "MP3"


def _cpu_seconds(*works: Callable[[], object]) -> list[float]:
    """Processor time of the processes that each of ``works`` starts and waits for: other load on the machine does not count.

    Turn by turn, and the least of each: a processor that is shared is slower at one time than at another.
    """
    resource = pytest.importorskip("resource", reason="needs what a process took")
    took: list[list[float]] = [[] for _ in works]
    for _ in range(5):
        for work, seconds in zip(works, took, strict=True):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            work()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return [min(seconds) for seconds in took]


def test_help_and_info_start_quickly(batch: Batch, command: Command) -> None:
    # As ratios: the same work takes several times as long on some machines. torch alone would be fifteen times this.
    least, help_, info = _cpu_seconds(
        lambda: subprocess.run([sys.executable, "-c", "import click, numpy"], check=True),
        lambda: command("--help"),
        lambda: command("info", str(batch.folder / "uc" / "speech.uc")),
    )
    assert help_ < 4 * least
    assert info < 4 * least


def test_help_and_info_import_nothing_heavy(batch: Batch, command: Command) -> None:
    for arguments in (["--help"], ["encode", "--help"], ["info", str(batch.folder / "uc" / "speech.uc")]):
        done = command(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert done.returncode == 0
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.decode().splitlines()}
        assert "unitcodec" in imported
        assert not imported & {"torch", "scipy", "soundfile", "soxr", "onnxruntime", "swift_f0"}
        assert ("numpy" in imported) == (arguments[0] == "info")
