"""A bar with the time that is left, where somebody sees it, and nowhere else."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest
from invocation import Start

pty = pytest.importorskip("pty")
import fcntl  # noqa: E402
import termios  # noqa: E402


def on_terminal(start: Start, *arguments: str) -> str:
    """What a command writes on a terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 300, 0, 0))
    process, said = start(*arguments, stdout=follower, stderr=follower), b""
    os.close(follower)
    try:
        while data := os.read(leader, 4096):
            said += data
    except OSError:  # it has ended
        pass
    os.close(leader)
    assert process.wait() == 0, said
    return said.decode()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_over_many_files_has_one_bar(jobs: str, tones: tuple[str, ...], tmp_path: Path, start: Start) -> None:
    (tmp_path / "in" / "bad.wav").unlink()
    said = on_terminal(start, "encode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--jobs", jobs, *tones)
    titles = re.findall(r"(\d) of 4 files: +(\d+)%\|.*?\| \[\d\d:\d\d<(\S+)\]", said)
    assert [int(count) for count, _, _ in titles] == sorted(int(count) for count, _, _ in titles)
    assert [int(share) for _, share, _ in titles] == sorted(int(share) for _, share, _ in titles)
    assert titles[0][2] == "?"
    assert len(re.findall(r"\x1b\[K\S+ -> \S+\.uc: ", said)) == 4  # lines of text that replace the bar


def test_one_file_has_one_of_its_own(tones: tuple[str, ...], tmp_path: Path, start: Start) -> None:
    said = on_terminal(start, "encode", str(tmp_path / "in" / "a.wav"), str(tmp_path / "a.uc"), *tones)
    assert re.search(r"a\.wav: +\d+%\|.*\| 00:00/00:00 \[", said)
    assert "%" not in on_terminal(start, "encode", "-q", str(tmp_path / "in" / "a.wav"), str(tmp_path / "q.uc"), *tones)
