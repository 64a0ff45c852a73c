"""``unitcodec bench noise`` on two small folders, with a model of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import noise
from benchmarks.corpus import Utterance
from benchmarks.errors import BenchmarkError
from benchmarks.waveform import SAMPLE_RATE, read, to_int16, write
from unitcodec.codec import Codec
from unitcodec.command import main

pytest.importorskip("rapidfuzz", reason="rapidfuzz is not installed")


@pytest.fixture
def folders(tmp_path: Path, speech: Path) -> tuple[Path, Path]:
    """Two utterances: ``same`` in both folders, ``hiss`` with white noise in the second, at half the level."""
    waveform = read(speech)
    hiss = np.random.default_rng(0).normal(0, 0.02, 2 * SAMPLE_RATE).astype(np.float32)
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    for folder, loudness, added in ((clean, 1.0, 0.0), (noisy, 0.5, hiss)):
        write(folder / "same.wav", waveform[: 2 * SAMPLE_RATE])
        write(folder / "hiss.wav", loudness * (waveform[16000 : 16000 + 2 * SAMPLE_RATE] + added))
    return clean, noisy


def test_the_command_counts_what_encode_gives(
    folders: tuple[Path, Path], tmp_path: Path, narrow_folder: Path, narrow: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, noisy = folders
    arguments = ["bench", "noise", "--clean", str(clean), "--noisy", str(noisy), "--model", str(narrow_folder), "--jobs", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    measured = json.loads((tmp_path / "out" / "noise.json").read_text())
    assert measured["model"] == narrow.model.entropy.fingerprint
    assert (measured["clean"], measured["noisy"]) == ("clean", "noisy")
    rows = {row["name"]: row for row in measured["utterances"]}
    assert list(rows) == ["hiss", "same"]
    assert rows["same"]["edits"] == 0
    assert not any(rows["same"]["differ"])

    one, other = (narrow.encode(read(folder / "hiss.wav"), 16000).units for folder in folders)
    assert rows["hiss"]["differ"] == (one != other).sum(axis=1).tolist()
    assert 0 < rows["hiss"]["edits"] <= (one != other).any(axis=0).sum()
    frames = one.shape[1]
    assert measured["edit_distance"] == pytest.approx(rows["hiss"]["edits"] / frames / 2)
    assert measured["codes_differ"] == pytest.approx((one != other).mean() / 2)
    for i, row in enumerate(measured["rows"]):
        assert row["edit_distance"] == pytest.approx(rows["hiss"]["row_edits"][i] / frames / 2)
        assert row["codes_differ"] == pytest.approx((one[i] != other[i]).mean() / 2)
    low, high = measured["edit_distance_95"]
    assert low <= measured["edit_distance"] <= high

    printed = capsys.readouterr().out
    assert f"| all rows, 2 utterances | {measured['edit_distance']:.3f} ±" in printed
    assert "HuBERT" in printed


def test_a_louder_copy_has_the_same_units(tmp_path: Path, speech: Path, narrow_folder: Path) -> None:
    # Powers of two lose nothing in 16 bits, and the level is no part of the units.
    quiet = to_int16(read(speech)[: 2 * SAMPLE_RATE]) // 8 / np.float32(32768)
    for folder, loudness in (("clean", 1), ("noisy", 4)):
        write(tmp_path / folder / "u.wav", loudness * quiet)
    measured = noise.measure(noise.pairs(tmp_path / "clean", tmp_path / "noisy"), str(narrow_folder))
    assert measured["codes_differ"] < 0.05


def test_a_recording_without_a_partner_is_named(folders: tuple[Path, Path]) -> None:
    clean, noisy = folders
    (noisy / "hiss.wav").unlink()
    with pytest.raises(BenchmarkError, match="noisy: no recording hiss"):
        noise.pairs(clean, noisy)
    with pytest.raises(BenchmarkError, match="noisy: no recording hiss"):
        noise.pairs(noisy, clean)


def test_recordings_of_other_durations_are_no_pair(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, noisy = folders
    waveform = read(clean / "hiss.wav")
    # 2 s: 0.02 s and 0.1 s more may be missing.
    write(noisy / "hiss.wav", waveform[: int(1.89 * SAMPLE_RATE)])
    assert [each.name for each, _ in noise.pairs(clean, noisy)] == ["hiss", "same"]
    write(noisy / "hiss.wav", waveform[: int(1.87 * SAMPLE_RATE)])
    arguments = ["bench", "noise", "--clean", str(clean), "--noisy", str(noisy), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{clean / 'hiss.wav'} (2.00 s) and {noisy / 'hiss.wav'} (1.87 s) differ in duration" in last
    assert not (tmp_path / "out").exists()


def test_a_recording_without_samples_is_named_before_anything_is_measured(
    folders: tuple[Path, Path], narrow_folder: Path
) -> None:
    clean, noisy = folders
    for folder in folders:
        write(folder / "none.wav", np.zeros(0, np.float32))
    with pytest.raises(BenchmarkError, match=r"clean/none\.wav: holds no samples"):
        noise.pairs(clean, noisy)
    pair = (Utterance(clean / "none.wav", ""), Utterance(noisy / "none.wav", ""))
    with pytest.raises(BenchmarkError, match=r"clean/none\.wav: holds no samples"):
        noise.measure([pair], str(narrow_folder))


def test_a_sample_that_is_no_number_is_named(folders: tuple[Path, Path], narrow_folder: Path) -> None:
    clean, noisy = folders
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    samples = read(noisy / "same.wav")
    samples[SAMPLE_RATE] = np.nan
    soundfile.write(noisy / "same.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(BenchmarkError, match=r"noisy/same\.wav: NaN or infinite at 1\.000 s"):
        noise.measure(noise.pairs(clean, noisy), str(narrow_folder))


def test_a_package_that_is_missing_is_named(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "find_spec", lambda _: None)
    with pytest.raises(BenchmarkError, match="not installed: rapidfuzz"):
        noise.measure(noise.pairs(*folders))
