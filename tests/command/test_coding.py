"""Runs that go on where another ended, or beside it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from invocation import Batch, Command, Start, files, run

from unitcodec.command import main, temporary
from unitcodec.command.coding import _missing_only, unfinished
from unitcodec.command.jobs import Job
from unitcodec.command.output import Output, OutputError


def test_what_another_run_has_written_is_left_alone(tmp_path: Path) -> None:
    """Before its turn comes, or while it is coded."""
    jobs, done = [Job("a", str(tmp_path / "a.uc")), Job("b", str(tmp_path / "b.uc"))], []

    def code(job: Job) -> None:
        done.append(job.source)
        with Output(job.target) as output:
            output.write(b"ours")
            Path(job.target).write_bytes(b"another's")

    Path(jobs[0].target).write_bytes(b"another's")
    work = _missing_only(lambda: code)
    for job in jobs:
        work(job)
    assert done == ["b"]
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"another's"}
    with pytest.raises(OutputError, match="exists already"):
        Path(jobs[1].target).unlink()
        code(jobs[1])


def test_a_run_with_nothing_left_to_do_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_cleaned", set())
    (tmp_path / "a.uc").touch()
    (tmp_path / ".unitcodec-1-abc.part").touch()
    assert unfinished([Job("a", str(tmp_path / "a.uc"))], quiet=True) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.uc"]


def test_existing_output_is_kept(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.uc"
    target.write_bytes(b"precious")
    status, _, lines = run(capsys, "encode", speech, target)
    assert status == 2
    assert lines == [f"unitcodec: {target}: exists already; --overwrite replaces it"]
    assert target.read_bytes() == b"precious"


def test_overwrite_replaces(batch: Batch, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"old")
    source = batch.folder / "uc" / "ten_ms.uc"
    done = command("decode", str(source), str(target), "--overwrite", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert soundfile.info(target).frames == 160


def test_output_that_grows_too_large_is_removed(batch: Batch, tmp_path: Path, command: Command) -> None:
    resource = pytest.importorskip("resource", reason="needs limits for a process")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))

    source = str(batch.folder / "uc" / "speech.uc")
    done = command("decode", source, str(tmp_path / "out.wav"), preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [f"unitcodec: {tmp_path / 'out.wav'}: File too large"]
    assert files(tmp_path) == []


def test_urls(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url, cure = "https://example.org/talk", "URLs are not fetched; download it first, or pipe it: "
    for arguments in (["encode", url], ["decode", url, "out.wav"], ["info", url], ["units", url], ["encode", url, "-o", "out"]):
        status, _, (line,) = run(capsys, *arguments)
        assert status == 1
        assert line.startswith(f"unitcodec: {url}: {cure}")
    for target in (["s3://bucket/talk.uc"], ["-o", "s3://bucket"]):
        status, _, (line,) = run(capsys, "encode", speech, *target)
        assert status == 2
        assert ": nothing is written to URLs; write a file and upload it" in line
    assert files(tmp_path) == []


def test_missing_output_folder(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", speech, tmp_path / "none" / "out.uc")
    cure = f"there is no folder {tmp_path / 'none'}; make it first"
    assert (status, lines) == (1, [f"unitcodec: {tmp_path / 'none' / 'out.uc'}: {cure}"])


def test_terminal_gets_no_binary(batch: Batch, start: Start) -> None:
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = start("decode", str(batch.folder / "uc" / "ten_ms.uc"), "-", stdout=follower, stderr=-1)
    _, stderr = process.communicate(timeout=900)
    os.close(follower)
    os.close(leader)
    assert process.returncode == 2
    assert b"standard output is a terminal" in stderr


def test_directory_missing_file_and_stream_as_audio(stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.uc").write_bytes(stream)
    for source, status, message in [
        (tmp_path, 2, "is a directory"),
        (tmp_path / "none.wav", 1, "No such file or directory"),
        (tmp_path / "x.uc", 1, "already a unitcodec stream; decode it with 'unitcodec decode'"),
    ]:
        got, _, lines = run(capsys, "encode", source, tmp_path / "out.uc")
        assert (got, len(lines)) == (status, 1)
        assert message in lines[0]
    assert run(capsys, "decode", tmp_path / "none.uc")[0] == 1
    assert files(tmp_path) == ["x.uc"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_no_permission(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(speech.read_bytes())
    path.chmod(0)
    status, _, lines = run(capsys, "encode", path)
    assert (status, lines) == (1, [f"unitcodec: {path}: Permission denied"])
    tmp_path.chmod(0o500)
    status, _, lines = run(capsys, "encode", speech, tmp_path / "out.uc")
    tmp_path.chmod(0o700)
    assert (status, lines) == (1, [f"unitcodec: {tmp_path / 'out.uc'}: Permission denied"])


def test_unknown_model_ends_the_run(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", speech, tmp_path / "out.uc", "--model", str(tmp_path / "none"))
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("unitcodec: ")
    assert files(tmp_path) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_corpus(tones: tuple[str, ...], jobs: int, capfd: pytest.CaptureFixture[str]) -> None:
    def encode(*options: str) -> tuple[int, list[str]]:
        status = main(["encode", "-r", "in", "-o", "out", "-j", str(jobs), *options, *tones])
        return status, capfd.readouterr().err.splitlines()

    status, lines = encode()
    assert (status, files(Path("out"))) == (1, ["-dash.uc", "a.uc", "b.flac.uc", "b.wav.uc"])
    assert len(lines) == 6
    assert sum(line.endswith("x real time") for line in lines) == 4
    assert sum(line.startswith("unitcodec: in/bad.wav: not audio that") for line in lines) == 1
    assert lines[-1] == "unitcodec: 1 of 5 failed: in/bad.wav"
    made = {name: Path("out", name).read_bytes() for name in files(Path("out"))}
    Path("out/a.uc").unlink()
    Path("out/b.wav.uc").write_bytes(b"kept")
    assert encode()[0] == 2
    status, lines = encode("--skip-existing")
    assert (status, lines[0], lines[-1]) == (
        1, "unitcodec: 3 of 5 skipped: their outputs exist", "unitcodec: 1 of 2 failed: in/bad.wav",
    )  # fmt: skip
    assert {name: Path("out", name).read_bytes() for name in files(Path("out"))} == {**made, "b.wav.uc": b"kept"}


def test_the_same_bytes_in_several_processes(tones: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    Path("in/bad.wav").unlink()
    for jobs in ("1", "2"):
        assert main(["encode", "-r", "in", "-q", "-o", f"uc{jobs}", "-j", jobs, "--keep-suffix", *tones]) == 0
        assert main(["decode", "-r", f"uc{jobs}", "-q", "-o", f"wav{jobs}", "-j", jobs, *tones]) == 0
    assert files(Path("uc1")) == ["-dash.flac.uc", "a.wav.uc", "b.flac.uc", "b.wav.uc"]
    for name in files(Path("uc1")):
        assert Path("uc1", name).read_bytes() == Path("uc2", name).read_bytes()
    for name in files(Path("wav1")):
        # A worker has fewer threads: codes do not depend on them, the last bit of a sample may.
        one, other = (soundfile.read(Path(folder, name), dtype="int16")[0].astype(int) for folder in ("wav1", "wav2"))
        assert np.abs(one - other).max() <= 1
    status = main(["encode", "in/a.wav", "in/b.wav", "-o", "no", "-j", "2", "--model", "none"])
    assert (status, len(capfd.readouterr().err.splitlines())) == (1, 1)
    assert not any(Path("no").iterdir())
