"""What ends a run: wrong usage, interrupts, full disks, pipes that nobody reads."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
from invocation import FULL, Batch, Command, Start, files, run

from unitcodec.command import main, program


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_full_disk_is_one_line(batch: Batch, command: Command) -> None:
    source = str(batch.folder / "uc" / "ten_ms.uc")
    done = command("decode", source, str(FULL), "--overwrite")
    assert (done.returncode, done.stderr) == (1, b"unitcodec: /dev/full: No space left on device\n")
    for arguments in (["decode", source, "-"], ["info", source], ["encode", "--help"], ["--version"]):
        with FULL.open("wb", buffering=0) as full:
            done = command(*arguments, stdout=full)
        assert (done.returncode, done.stderr) == (1, b"unitcodec: standard output: No space left on device\n")


@pytest.mark.parametrize(
    ("number", "status", "jobs"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2)]
)
def test_interrupted_work_leaves_nothing(
    default_model: Path, start: Start, tmp_path: Path, number: int, status: int, jobs: int
) -> None:
    sources, folder = [tmp_path / f"long{job}.wav" for job in range(jobs)], tmp_path / "out"
    folder.mkdir()
    for source in sources:
        soundfile.write(source, np.random.default_rng(6).uniform(-0.1, 0.1, 16000 * 600), 16000)
    # A job in the background of a shell script ignores SIGINT, and so would its children.
    heed = functools.partial(signal.signal, number, signal.SIG_DFL)
    work = ("encode", *map(str, sources), "-o", str(folder), "-q", "-j", str(jobs))
    process = start(*work, stderr=-1, preexec_fn=heed, start_new_session=True)
    deadline = time.monotonic() + 900
    while len(list(folder.iterdir())) < jobs and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as a terminal does
    _, stderr = process.communicate(timeout=900)
    assert process.returncode == status
    cure = "; the same command with --resume goes on from here" * (jobs > 1)
    assert stderr.decode().splitlines() == ([f"unitcodec: interrupted{cure}"] if number == signal.SIGINT else [])
    assert files(folder) == []


@pytest.mark.parametrize(
    ("ending", "status", "words"), [(SystemExit(143), 143, []), (KeyboardInterrupt(), 130, ["unitcodec: interrupted"])]
)
def test_a_signal_while_an_extension_is_imported(
    ending: BaseException, status: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def work() -> None:
        # What pybind11 makes of an exception in a module's initialisation.
        raise ImportError("initialization failed") from ending

    try:
        found = program.run(work, [], "work")
    except SystemExit as error:
        found = error.code  # type: ignore[assignment]
    assert (found, capsys.readouterr().err.splitlines()) == (status, words)


def test_an_interrupt_while_processes_start_is_one_line(tones: tuple[str, ...], start: Start, tmp_path: Path) -> None:
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    work = ("encode", "-r", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-q", "-j", "2", *tones)
    process = start(*work, stderr=-1, preexec_fn=heed, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("the system does not tell of a process's children")
    while process.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=900)
    assert process.returncode == 130
    assert stderr.decode().splitlines() == ["unitcodec: interrupted; the same command with --resume goes on from here"]
    assert not list(tmp_path.glob("out/.*"))
    Path("in/bad.wav").unlink()
    assert main([*work, "--skip-existing"]) == 0
    assert files(tmp_path / "out") == ["-dash.uc", "a.uc", "b.flac.uc", "b.wav.uc"]


@pytest.mark.parametrize("arguments", [["decode", "SOURCE", "-", "-q"], ["join", "SOURCE"], ["info", "SOURCE"], ["--help"]])
def test_closed_pipe_ends_silently(batch: Batch, start: Start, arguments: list[str]) -> None:
    source = str(batch.folder / "uc" / "ten_ms.uc")
    read, write = os.pipe()
    os.close(read)
    process = start(*[source if word == "SOURCE" else word for word in arguments], stdout=write, stderr=-1)
    os.close(write)
    _, stderr = process.communicate(timeout=900)
    assert (process.returncode, stderr) == (141, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode"],
        ["encode", "--bogus"],
        ["encode", "a.wav", "-b", "0"],
        ["encode", "a.wav", "-b", "nan"],
        ["encode", "a.wav", "-b", "inf"],
        ["fly"],
        ["encode", "a.wav", "--jobs", "0"],
        ["encode", "a.wav", "--overwrite", "--skip-existing"],
        ["decode", "x.uc", "--device", "abacus"],
        ["decode", "x.uc", "x.doc"],
        ["decode", "x.uc", "x.wav", "--raw"],
        ["decode", "x.uc", "--rate", "7999"],
        ["decode", "x.uc", "--start", "-1"],
        ["decode", "x.uc", "--duration", "0"],
        ["decode", "x.uc", "out/"],
        ["encode", "a.wav", "-o", "talk.uc"],
        ["encode", "a.wav", "-j", "two\nlines"],
        ["train", "foo", "--data", "x", "--out", "y"],
        ["train", "all", "--data", "x", "--out", "y", "--initial", "default"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, *arguments)
    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith("unitcodec: ")


def test_threads_of_the_command_neither_spin_nor_share_small_products() -> None:
    """Nothing that reads these variables may be imported before they are set."""
    code = (
        "import os, sys\nfrom unitcodec.command import main\nearly = {'numpy', 'torch'} & set(sys.modules)\nmain(['--version'])\n"
        "print(early, os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_WAIT_POLICY", "_NUM_THREADS"))}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "set() PASSIVE 1"
