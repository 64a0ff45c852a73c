"""What killed runs leave is cleaned up, and nothing that is still being written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unitcodec.command import temporary
from unitcodec.command.folder import OutputFolder
from unitcodec.command.output import Output
from unitcodec.command.temporary import Temporary, clean

KILLED = """
import os, signal, sys
from pathlib import Path
from unitcodec.command.folder import OutputFolder
from unitcodec.command.output import Output
output = Output(sys.argv[1] + "/out.uc")
output.write(b"half")
folder = OutputFolder(sys.argv[1] + "/model")
Path(folder.__enter__(), "config.json").touch()
if len(sys.argv) > 2:
    print(flush=True)
    sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_cleaned", set())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(names(tmp_path)) == 3  # a file, a folder and its mark
    with Output(str(tmp_path / "other.uc")) as output:
        output.write(b"whole")
    assert names(tmp_path) == ["other.uc"]


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / ".unitcodec-notes.part").touch()  # none of ours
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), "waits"], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        before = names(tmp_path)
        assert len(before) == 4
        with Output(str(tmp_path / "other.uc")) as output:
            output.write(b"whole")
        assert names(tmp_path) == [*before, "other.uc"]
    temporary._cleaned.clear()
    clean(str(tmp_path))
    assert names(tmp_path) == [".unitcodec-notes.part", "other.uc"]


def test_a_file_taken_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, taken = temporary.locked, []

    def late(file: int) -> bool | None:
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return lock(file)

    monkeypatch.setattr(temporary, "locked", late)
    made = Temporary(str(tmp_path))
    assert [made.path] == [str(path) for path in tmp_path.iterdir()] != [str(taken[0])]
    made.close()
    assert names(tmp_path) == []


@pytest.mark.parametrize("lock", [False, None], ids=["another's", "no locks"])
def test_what_may_be_in_use_is_not_removed(tmp_path: Path, lock: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ".unitcodec-1-abc.part"
    left.touch()
    monkeypatch.setattr(temporary, "locked", lambda file: lock)
    clean(str(tmp_path))
    assert left.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / ".unitcodec-1-abc.part").symlink_to(kept)
    (tmp_path / ".unitcodec-1-abd.part").touch()
    (tmp_path / ".unitcodec-1-abd").symlink_to(kept)
    (kept / "config.json").touch()
    clean(str(tmp_path))
    assert names(kept) == ["config.json"]


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with Output(str(tmp_path / "out.uc")) as output:
        output.write(b"x")
    with OutputFolder(str(tmp_path / "model")):
        pass
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


def test_what_cannot_be_removed_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(temporary, "_remove", refuse)
    made = Temporary(str(tmp_path))
    with pytest.raises(PermissionError):
        made.close()
    monkeypatch.undo()
    monkeypatch.setattr(temporary, "_cleaned", set())
    clean(str(tmp_path))
    assert names(tmp_path) == []
