"""Runs that go on where another ended, or beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unitcodec.command import temporary
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
