"""The command's cost, measured on the command itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import bitstream
from benchmarks import cost
from benchmarks.errors import BenchmarkError
from benchmarks.waveform import SAMPLE_RATE, read
from unitcodec.codec import Codec

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs POSIX")


def test_the_commands_own_memory_is_measured_and_not_ours() -> None:
    ours = np.ones(300 * 2**17)  # 300 MiB, touched
    used = cost.watch([sys.executable, "-IS", "-c", "bytes(range(256)) * 400000"])
    assert 97 < used["peak_rss_mib"] < 150 < ours.nbytes / 2**20
    assert used["cpu_seconds"] > 0
    assert 0 < used["seconds"] < 60


def test_rows_tell_of_the_file_that_the_command_wrote(narrow: Codec, narrow_folder: Path, tmp_path: Path) -> None:
    (row,) = cost.measure(str(narrow_folder), (12, 600), quick=True)
    cost.write_speech(tmp_path / "speech.wav", 12)
    size = len(narrow.compress(read(tmp_path / "speech.wav"), 16000))
    assert (row["duration"], row["bytes"], row["bps"]) == (12, size, 8 * size / 12)
    for direction in ("encode", "decode"):
        assert row[direction]["times_real_time"] == pytest.approx(12 / row[direction]["seconds"])
        assert row[direction]["peak_rss_mib"] > 50


def test_a_stream_over_and_over(narrow: Codec, narrow_folder: Path) -> None:
    cut = narrow.compress(np.random.default_rng(0).standard_normal(12 * SAMPLE_RATE).astype(np.float32) * 0.1, 16000)
    data = cost.lengthened(cut, 31, str(narrow_folder))
    codes, piece = bitstream.unpack(data, narrow.model.entropy), bitstream.unpack(cut, narrow.model.entropy)
    assert codes.num_samples == 13 * 40960
    assert np.array_equal(codes.units[:, 256:512], piece.units[:, :256])
    assert np.array_equal(codes.units[:, 768:], piece.units[:, :64])


@pytest.mark.slow
def test_several_durations(narrow_folder: Path) -> None:
    rows = cost.measure(str(narrow_folder), (3, 12, 40))
    assert [row["duration"] for row in rows] == [3, 12, 40]
    assert all(row[direction]["seconds"] > 0 for row in rows for direction in ("encode", "decode"))


def test_speech_is_as_long_as_asked(tmp_path: Path) -> None:
    cost.write_speech(tmp_path / "speech.wav", 25)
    waveform = read(tmp_path / "speech.wav")
    assert len(waveform) == 25 * SAMPLE_RATE
    np.testing.assert_array_equal(waveform[: 5 * SAMPLE_RATE], waveform[20 * SAMPLE_RATE :])


def test_slope_is_of_what_an_hour_adds() -> None:
    def row(duration: int, peak: float) -> dict[str, object]:
        return {"duration": duration, "encode": {"peak_rss_mib": peak}}

    rows = [row(10, 90.0), row(60, 100.0), row(3600, 103.0), row(7140, 106.0)]
    assert cost.slope(rows, "encode") == pytest.approx(6 / (7080 / 3600))
    assert cost.slope(rows[:2], "encode") is None


def test_a_command_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"^unitcodec: no model 'nowhere'[^\n]*$"):
        cost.measure("nowhere", (1,))
