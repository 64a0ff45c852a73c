"""An interrupted run of a long recording is gone on with, and nobody can tell from the bytes."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from invocation import Start, files, run

from unitcodec.command.journal import LEAST_PACKETS, Journal, _line, journal_path
from unitcodec.encoder.stream import Checkpoint
from unitcodec.errors import UnitcodecError


@pytest.fixture
def recording(tmp_path: Path, speech: Path) -> Path:
    """Three minutes."""
    path, said = tmp_path / "long.wav", soundfile.read(speech, dtype="int16")[0]
    soundfile.write(path, np.tile(said, 40)[: 180 * 16000 + 777], 16000)
    return path


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def killed(recording: Path, narrow_folder: Path, start: Start) -> Path:
    """The recording, and beside it what is left of a run that was killed after a minute of it."""
    journal = Path(journal_path(str(recording.with_suffix(".uc"))))
    process = start("encode", str(recording), "--model", str(narrow_folder), "--device", "cpu")
    while lines(journal) < 4 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert process.wait() != 0
    assert lines(journal) >= 4
    assert not recording.with_suffix(".uc").exists()
    return recording


def test_what_was_killed_goes_on_with_the_same_bytes(
    killed: Path, narrow_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = ("--model", narrow_folder, "--device", "cpu"), killed.with_suffix(".uc")
    with open(journal_path(str(out)), "ab") as journal:  # a line that was cut off
        journal.write(b'00000000 {"data":"AAAA')
    assert run(capsys, "encode", killed, tmp_path / "whole.uc", *model)[0] == 0
    status, _, said = run(capsys, "encode", killed, "--resume", *model)
    assert status == 0
    assert any(line.startswith(f"{killed}: goes on after 00:0") for line in said), said
    assert out.read_bytes() == (tmp_path / "whole.uc").read_bytes()
    assert files(tmp_path) == ["long.uc", "long.wav", "whole.uc"]
    status, _, said = run(capsys, "encode", killed, "--resume", *model)
    assert (status, said) == (0, ["unitcodec: 1 of 1 skipped: their outputs exist"])


@pytest.mark.parametrize(
    ("options", "word"),
    [(("--bitrate", "200"), "--bitrate"), (("--salvage",), "--salvage"), ((), "recording")],
)
def test_what_is_left_of_something_else_is_not_gone_on_with(
    killed: Path, narrow_folder: Path, options: tuple[str, ...], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not options:
        os.utime(killed, (1, 1))
    command = ("encode", killed, *options, "--model", narrow_folder, "--device", "cpu")
    status, _, (line,) = run(capsys, *command, "--resume")
    assert status == 1
    assert line.startswith(f"unitcodec: {killed}: what an interrupted run has left is of another {word}")
    assert len(files(tmp_path)) == 2  # it is still there
    assert run(capsys, *command)[0] == 0
    assert files(tmp_path) == ["long.uc", "long.wav"]


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [(("-", "out.uc"), "through a pipe does not come again"), (("a.wav", "--live"), "live packets are gone")],
)
def test_what_cannot_be_gone_on_with(
    arguments: tuple[str, ...], cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, (line,) = run(capsys, "encode", *arguments, "--resume")
    assert status == 2
    assert cure in line


def checkpoint(packets: int) -> Checkpoint:
    return Checkpoint(packets, (1, 2, 3), {"allowance": [4, packets]})


def write(source: Path, error: type[BaseException] | None = KeyboardInterrupt) -> Path:
    """A journal of three pieces, left by an interrupt."""
    source.touch()
    target = source.with_suffix(".uc")
    try:
        with Journal(str(source), str(target)) as journal:
            assert journal.begin({"model": "a"}, False) == (b"", None)
            for number in range(1, 4):
                journal.add(b"%d" % number, checkpoint(LEAST_PACKETS - 1 + number - 1))
            if error is not None:
                raise error
    except (Exception, KeyboardInterrupt):
        pass
    return Path(journal_path(str(target)))


def read(source: Path, about: dict[str, str]) -> tuple[bytes, Checkpoint | None]:
    with Journal(str(source), str(source.with_suffix(".uc"))) as journal:
        return journal.begin(about, True)


def test_it_stays_after_an_interrupt_and_goes_with_what_failed(tmp_path: Path) -> None:
    assert write(tmp_path / "a.wav").exists()
    assert not write(tmp_path / "b.wav", ValueError).exists()
    assert not write(tmp_path / "c.wav", None).exists()


def test_every_cut_of_it_gives_a_beginning(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    path = write(source)
    data = path.read_bytes()
    found = set()
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        found.add(read(source, {"model": "a"})[0])
    assert found == {b"", b"12", b"123"}  # the first piece alone is less than a minute


def test_damage_ends_it(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    path = write(source)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert read(source, {"model": "a"}) == (b"12", checkpoint(LEAST_PACKETS))


def test_two_runs_do_not_share_one(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    source = tmp_path / "a.wav"
    path = write(source)
    before = path.read_bytes()
    with Journal(str(source), str(source.with_suffix(".uc"))) as first:
        assert first.begin({"model": "a"}, True)[0] == b"123"
        with pytest.raises(UnitcodecError, match="another run"):
            read(source, {"model": "a"})
        with Journal(str(source), str(source.with_suffix(".uc"))) as second:
            second.begin({"model": "a"}, False)
            second.add(b"4", checkpoint(90))
        assert path.read_bytes() == before


def test_it_is_not_written_through_a_link(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody")
    os.symlink(other, journal_path(str(tmp_path / "a.uc")))
    write(tmp_path / "a.wav")
    assert other.read_text() == "of somebody"


def test_a_file_with_a_second_name_is_let_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody")
    os.link(other, journal_path(str(tmp_path / "a.uc")))
    write(tmp_path / "a.wav", None)
    assert other.read_text() == "of somebody"


def test_a_file_of_another_user_is_let_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav")
    before = path.read_bytes()
    state = os.fstat

    def foreign(file: int) -> os.stat_result:
        values = list(state(file))
        values[4] = 4_000_000  # st_uid
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", foreign)
    assert read(tmp_path / "a.wav", {"model": "a"}) == (b"", None)
    write(tmp_path / "a.wav", None)
    assert path.read_bytes() == before


def test_numbers_that_are_none_end_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav")
    for given in ({"packets": math.inf}, {"fields": [math.inf]}, {"fields": None}, {"packets": math.nan}):
        record = {"data": "", "at": {"packets": 30, "fields": [], "rate": None, **given}}
        path.write_bytes(path.read_bytes().splitlines(True)[0] + _line(record))
        assert read(tmp_path / "a.wav", {"model": "a"})[0] == b""
        write(tmp_path / "a.wav")


def test_what_could_not_be_written_goes_when_the_output_is_there(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.touch()
    path = Path(journal_path(str(source.with_suffix(".uc"))))
    with Journal(str(source), str(source.with_suffix(".uc"))) as journal:
        journal.begin({"model": "a"}, False)
        journal.add(b"1", checkpoint(LEAST_PACKETS))
        assert path.exists()
        assert journal._file is not None
        journal._file.close()
        journal._file = open(path, "rb")  # noqa: SIM115  # as where there is no more room: it cannot be written
        journal.add(b"2", checkpoint(LEAST_PACKETS + 1))
    assert not path.exists()


@pytest.mark.parametrize("at", [{"packets": -1}, {"fields": [1]}, {"rate": {"allowance": None}}])
def test_a_checkpoint_that_is_none_is_told_in_a_line(
    killed: Path, narrow_folder: Path, at: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(journal_path(str(killed.with_suffix(".uc"))))
    about, first = path.read_bytes().splitlines(True)[:2]
    record = json.loads(first.partition(b" ")[2])
    path.write_bytes(about + _line({**record, "at": {**record["at"], **at}}))
    status, _, (line,) = run(capsys, "encode", killed, "--resume", "-q", "--model", narrow_folder, "--device", "cpu")
    assert status == 1
    assert line == f"unitcodec: {killed}: what an interrupted run has left is damaged; without --resume it is coded anew"
    assert not killed.with_suffix(".uc").exists()
