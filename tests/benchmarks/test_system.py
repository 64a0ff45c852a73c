"""What a system gives back: its bits, or a gap that names the file at fault."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus import Utterance
from benchmarks.errors import BenchmarkError, Gap
from benchmarks.peers import PEERS, Coded, Peer
from benchmarks.system import System
from benchmarks.waveform import SAMPLE_RATE, write

soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")


@pytest.fixture
def utterance(tmp_path: Path) -> Utterance:
    """One second of a ramp, and the folder ``mine`` with the same as decoded speech."""
    for folder in ("corpus", "mine"):
        write(tmp_path / folder / "u.wav", np.linspace(-0.5, 0.5, SAMPLE_RATE, dtype=np.float32))
    return Utterance(tmp_path / "corpus" / "u.wav", "")


def test_the_bits_are_those_of_the_coded_file(utterance: Utterance, tmp_path: Path) -> None:
    mine = System("mine", "folder", str(tmp_path / "mine"))
    assert mine.speak(utterance, tmp_path / "out").bits is None
    (tmp_path / "mine" / "u.uc").write_bytes(bytes(20))
    spoken = mine.speak(utterance, tmp_path / "out")
    assert (spoken.bits, len(spoken.waveform)) == (160, SAMPLE_RATE)


def test_a_coded_file_of_no_bytes_is_a_gap(utterance: Utterance, tmp_path: Path) -> None:
    (tmp_path / "mine" / "u.uc").touch()
    with pytest.raises(Gap, match=r"mine/u\.uc: is empty"):
        System("mine", "folder", str(tmp_path / "mine")).speak(utterance, tmp_path / "out")
    with pytest.raises(Gap, match=r"u\.uc: is empty"):
        System("mine", "command", "touch {bits} && cp {wav} {out}").speak(utterance, tmp_path / "out")


def test_decoded_speech_that_is_no_number_is_a_gap(utterance: Utterance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.zeros(SAMPLE_RATE, np.float32)
    samples[SAMPLE_RATE // 2] = np.nan
    soundfile.write(tmp_path / "mine" / "u.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(Gap, match=r"mine/u\.wav: NaN or infinite at 0\.500 s"):
        System("mine", "folder", str(tmp_path / "mine")).speak(utterance, tmp_path / "out")
    copy = f"cp {shlex.quote(str(tmp_path / 'mine' / 'u.wav'))} {{out}}"
    with pytest.raises(Gap, match=r"out/u\.wav: NaN or infinite at 0\.500 s"):
        System("mine", "command", copy).speak(utterance, tmp_path / "out")
    monkeypatch.setitem(PEERS, "gsm", Peer("GSM", lambda waveform: Coded(waveform * np.float32(np.inf), 8), lambda: None))
    with pytest.raises(Gap, match=r"u: NaN or infinite at 0\.000 s"):
        System("gsm", "peer").speak(utterance, tmp_path / "out")


def test_a_recording_that_is_no_number_is_nobodys_gap(utterance: Utterance, tmp_path: Path) -> None:
    soundfile.write(utterance.path, np.full(SAMPLE_RATE, np.inf), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(BenchmarkError, match=r"corpus/u\.wav: NaN or infinite"):
        System("mine", "command", "cp {wav} {out}").speak(utterance, tmp_path / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no named pipes")
def test_a_pipe_is_a_gap(utterance: Utterance, tmp_path: Path) -> None:
    (tmp_path / "mine" / "u.wav").unlink()
    os.mkfifo(tmp_path / "mine" / "u.wav")
    with pytest.raises(Gap, match=r"mine/u\.wav: no regular file"):
        System("mine", "folder", str(tmp_path / "mine")).speak(utterance, tmp_path / "out")
