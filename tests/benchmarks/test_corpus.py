"""What a manifest may hold, and which utterances a short look takes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus import fingerprint, load
from benchmarks.errors import BenchmarkError
from benchmarks.waveform import SAMPLE_RATE, write


def manifest(folder: Path, durations: list[float], speakers: list[str]) -> Path:
    lines = ["path\tspeaker\ttranscript"]
    for i, (seconds, speaker) in enumerate(zip(durations, speakers, strict=True)):
        write(folder / f"u{i}.wav", np.zeros(int(seconds * SAMPLE_RATE), np.float32))
        lines.append(f"u{i}.wav\t{speaker}\tWORDS {i}")
    file = folder / "manifest.tsv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_short_look_takes_the_one_near_five_seconds_of_each_stretch(tmp_path: Path) -> None:
    file = manifest(tmp_path, [1, 4.6, 9, 4.9, 2, 8], list("aaabbb"))
    assert [each.name for each in load(file, 2)] == ["u1", "u3"]
    assert [each.name for each in load(tmp_path, 9)] == [f"u{i}" for i in range(6)]


def test_a_folder_of_recordings_is_a_corpus_without_words(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nor recordings"):
        load(tmp_path)
    for name in ("b.wav", "a.flac"):
        write(tmp_path / name, np.zeros(SAMPLE_RATE, np.float32))
    (tmp_path / "notes.txt").write_text("nothing to hear")
    found = load(tmp_path)
    assert [(each.path.name, each.transcript, each.target) for each in found] == [("a.flac", "", None), ("b.wav", "", None)]


def test_a_target_is_another_speaker_of_the_same_choice(tmp_path: Path) -> None:
    utterances = load(manifest(tmp_path, [1, 1, 1, 1], list("aabb")))
    speakers = {each.path: each.speaker for each in utterances}
    for each in utterances:
        assert each.target is not None
        assert speakers[each.target] != each.speaker
    alone = load(manifest(tmp_path, [1, 1], list("aa")))
    assert [each.target for each in alone] == [None, None]
    assert fingerprint(alone) != fingerprint(utterances[:2])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no rows"),
        ("path\tspeaker\nu.wav\ta\n", "path and transcript"),
        ("path\ttranscript\nu.wav\t \n", "no transcript"),
        ("path\ttranscript\nnone.wav\tA\n", "is not there"),
        (f"path\ttranscript\n{300 * 'n'}.wav\tA\n", "is not there"),
        ("path\ttranscript\nu.wav\tA\na/u.wav\tA\n", r"share a stem.*: \S+u\.wav and \S+a/u\.wav"),
        ("path\ttranscript\nu.wav\tA\na\n", "line 3 has 1 tab-separated fields, the first line has 2"),
        ("path\ttranscript\nu.wav\tA\tB\tC\n", "line 2 has 4 tab-separated fields, the first line has 2"),
        ("path\ttranscript\n\tA\n", "line 2: the column path is empty"),
        ("path\ttranscript\nu.wav\tA\na/u.wav\t" + "A" * 131073 + "\n", r"manifest\.tsv: line 3: field larger than"),
    ],
)
def test_a_bad_manifest_is_named_with_what_it_lacks(tmp_path: Path, text: str, complaint: str) -> None:
    for place in (tmp_path / "u.wav", tmp_path / "a" / "u.wav"):
        write(place, np.zeros(160, np.float32))
    file = tmp_path / "manifest.tsv"
    file.write_text(text)
    with pytest.raises(BenchmarkError, match=complaint):
        load(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchmarkError, match="is not text"):
        load(file)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    file = manifest(tmp_path, [1, 2], list("ab"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert [(each.name, each.transcript) for each in load(file)] == [("u0", "WORDS 0"), ("u1", "WORDS 1")]


def test_other_speech_of_the_same_length_is_another_choice(tmp_path: Path) -> None:
    utterances = load(manifest(tmp_path, [1, 1], list("ab")))
    before = fingerprint(utterances)
    assert fingerprint(utterances) == before
    size = utterances[1].path.stat().st_size
    write(utterances[1].path, np.full(SAMPLE_RATE, 0.1, np.float32))
    assert utterances[1].path.stat().st_size == size
    assert fingerprint(utterances) != before


def test_a_recording_without_samples_is_named(tmp_path: Path) -> None:
    file = manifest(tmp_path, [1, 0, 1], list("abc"))
    with pytest.raises(BenchmarkError, match=r"u1\.wav: holds no samples"):
        load(file)
    file.unlink()
    with pytest.raises(BenchmarkError, match=r"u1\.wav: holds no samples"):
        load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    file = manifest(tmp_path, [1], ["a"])
    (tmp_path / "u0.wav").unlink()
    os.mkfifo(tmp_path / "u0.wav")
    with pytest.raises(BenchmarkError, match=r"u0\.wav is no regular file"):
        load(file)
    file.unlink()
    os.mkfifo(file)
    for given in (file, tmp_path):
        with pytest.raises(BenchmarkError, match=r"manifest\.tsv: no regular file"):
            load(given)
