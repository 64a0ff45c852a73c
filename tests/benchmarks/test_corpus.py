"""What a manifest may hold, and which utterances a short look takes."""

from __future__ import annotations

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
        ("path\ttranscript\nu.wav\tA\na/u.wav\tA\n", "share a stem"),
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
