"""``unitcodec play``: what there is on a machine gets the sound, or one line tells what is missing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from unitcodec.command import main
from unitcodec.command.play import CURE

if TYPE_CHECKING:
    from unitcodec.codec import Codec

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def stream(narrow: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("play") / "talk.uc"
    path.write_bytes(narrow.compress(np.sin(np.arange(50001) / 20).astype(np.float32), 16000))
    return path


@pytest.fixture
def run(narrow_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """With no other programs than those of a folder ``bin``, and no sounddevice."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, list[str]]:
        status = main(["play", *map(str, arguments), "-q", "--model", str(narrow_folder), "--device", "cpu"])
        return status, capsys.readouterr().err.splitlines()

    return run


def _program(name: str, script: str) -> None:
    path = Path("bin", name)
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", ["ffplay", "aplay", "play", "mpv"])
def test_programs_that_read_a_pipe(run: Run, narrow: Codec, stream: Path, name: str) -> None:
    _program(name, "cat > heard.wav")
    assert run(stream) == (0, [])
    expected, _ = narrow.decompress(stream.read_bytes())
    assert np.abs(soundfile.read("heard.wav")[0] - np.clip(expected, -1, 1)).max() < 1e-4


def test_a_program_that_reads_a_file(run: Run, stream: Path) -> None:
    _program("afplay", 'cp "$1" heard.wav')
    assert run(stream, "--start", "0:01", "--duration", "0.5") == (0, [])
    assert soundfile.info("heard.wav").frames == 8000


def test_a_program_that_is_left_early(run: Run, stream: Path) -> None:
    _program("ffplay", "exit 0")
    assert run(stream) == (0, [])


def test_a_program_that_fails(run: Run, stream: Path) -> None:
    _program("aplay", "echo starting >&2; echo 'audio open error: No such device' >&2; exit 1")
    assert run(stream) == (1, [f"unitcodec: {stream}: aplay failed: audio open error: No such device; {CURE}"])
    _program("aplay", "exit 3")
    assert run(stream) == (1, [f"unitcodec: {stream}: aplay failed: status 3; {CURE}"])


def test_what_a_program_says_that_calls_it_done(run: Run, stream: Path) -> None:
    _program("ffplay", "cat >/dev/null; echo 'a frame came late' >&2")
    assert run(stream) == (0, ["unitcodec: ffplay: a frame came late"])
    for words in ("audio open failed", "Failed to open file 'pipe:' or configure filtergraph"):
        _program("ffplay", f'cat >/dev/null; echo "{words}" >&2')
        assert run(stream) == (1, [f"unitcodec: {stream}: ffplay finds no sound device; {CURE}"])


def test_sounddevice(run: Run, narrow: Codec, stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = bytearray()

    class NoDevice(Exception):
        pass

    @contextlib.contextmanager
    def device(**options: Any) -> Any:
        assert options == {"samplerate": 16000, "channels": 1, "dtype": "int16"}
        if heard:
            raise NoDevice("Error querying device -1")
        yield SimpleNamespace(write=heard.extend)

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(RawOutputStream=device, PortAudioError=NoDevice))
    assert run(stream) == (0, [])
    assert len(heard) == 2 * 50001
    assert run(stream) == (1, [f"unitcodec: {stream}: sounddevice failed: Error querying device -1; {CURE}"])


def test_nothing_that_plays(run: Run, stream: Path) -> None:
    line = "unitcodec: no player found: install one of ffplay, aplay, play, mpv, afplay, or pip install sounddevice"
    assert run(stream) == (1, [line])


def test_a_package_without_its_library(run: Run, stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    line = f"unitcodec: sounddevice: PortAudio library not found: install PortAudio (libportaudio2); {CURE}"
    assert run(stream) == (1, [line])


def test_what_cannot_be_played(run: Run, stream: Path, tmp_path: Path) -> None:
    _program("ffplay", "cat > /dev/null")
    data = stream.read_bytes()
    Path("bad.uc").write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    assert run("gone.uc") == (1, ["unitcodec: gone.uc: No such file or directory"])
    status, (line,) = run("bad.uc")
    assert status == 1
    assert line.startswith("unitcodec: bad.uc: packet 0, at byte")
    status, (line,) = run("bad.uc", "--conceal")
    assert (status, line.rpartition("; ")[2]) == (0, "concealed")
    assert run(stream, "--start", "1:00") == (1, [f"unitcodec: {stream}: ends at 00:00:03.13; --start 00:01:00.00 is not in it"])
