"""What is no recording is named in one line: the file, and the second where one is at fault."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.waveform import SAMPLE_RATE, duration, read, write

soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [SAMPLE_RATE, 48000])
def test_a_sample_that_is_no_number_is_named_by_file_and_second(tmp_path: Path, value: float, rate: int) -> None:
    samples = np.zeros((rate, 2), np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    assert len(read(tmp_path / "a.wav")) == SAMPLE_RATE
    samples[rate // 4, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(BenchmarkError, match=r"a\.wav: NaN or infinite at 0\.250 s"):
        read(tmp_path / "a.wav")


def test_what_is_no_sound_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "bare.raw").write_bytes(bytes(100))
    (tmp_path / "folder.wav").mkdir()
    complaints = {
        "empty.wav": "is empty",
        "text.wav": r"no sound file that can be read \(Format not recognised\)",
        "bare.raw": "no sound file that can be read",
        "folder.wav": "no regular file",
        "none.wav": "is not there",
    }
    for name, complaint in complaints.items():
        for look in (read, duration):
            with pytest.raises(BenchmarkError, match=f"{name}: {complaint}"):
                look(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(BenchmarkError, match=r"pipe\.wav: no regular file"):
        read(tmp_path / "pipe.wav")


@pytest.mark.parametrize("claimed", [2**35, 2**31, 0])
def test_a_header_that_claims_too_much_is_named(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "long.flac"
    write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32))
    soundfile.write(path, read(tmp_path / "a.wav"), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    # STREAMINFO's 36 bits of total samples; 0 means unknown.
    data[21] = data[21] & 0xF0 | claimed >> 32
    data[22:26] = struct.pack(">I", claimed & 0xFFFFFFFF)
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=r"long\.flac: damaged: its header claims \d+ samples"):
        read(path)
