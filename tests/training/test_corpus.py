"""Manifest -> corpus: what is kept, and what a bad manifest says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unitcodec.errors import UnitcodecError
from unitcodec.training.corpus import Corpus, prepare


def test_audio_and_f0_are_kept(manifest: Path, tmp_path: Path) -> None:
    corpus = prepare(manifest, tmp_path / "corpus")
    assert [u.speaker for u in corpus.utterances] == list("ababcd")
    assert corpus.utterances[2].transcript == "cut 2"
    for utterance in corpus.utterances:
        wave, _ = soundfile.read(manifest.parent / utterance.path, dtype="float32")
        assert np.abs(corpus.waveform(utterance) / 32767 - wave).max() < 1e-4
        assert len(corpus.pitch(utterance)) == utterance.frames == -(-len(wave) // 160)
    assert sum(float((corpus.pitch(u) > 0).mean()) for u in corpus.utterances) > 1
    index = (tmp_path / "corpus" / "index.json").stat().st_mtime_ns
    again = prepare(manifest, tmp_path / "corpus")
    assert again.utterances == corpus.utterances == Corpus(tmp_path / "corpus").utterances
    assert (tmp_path / "corpus" / "index.json").stat().st_mtime_ns == index


def test_another_manifest_needs_another_folder(manifest: Path, tmp_path: Path) -> None:
    prepare(manifest, tmp_path / "corpus")
    other = manifest.with_name("other.tsv")
    other.write_text("\n".join(manifest.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UnitcodecError, match="prepared from another manifest"):
        prepare(other, tmp_path / "corpus")


def test_other_speakers_or_another_tracker_need_another_folder(manifest: Path, tmp_path: Path) -> None:
    prepare(manifest, tmp_path / "corpus")
    with pytest.raises(UnitcodecError, match=r"its F0 is by swift-f0, not by yaapt"):
        prepare(manifest, tmp_path / "corpus", "yaapt")
    other = manifest.with_name("speakers.tsv")
    other.write_text(manifest.read_text().replace("\ta\t", "\tz\t"))
    with pytest.raises(UnitcodecError, match="prepared from another manifest"):
        prepare(other, tmp_path / "corpus")


def test_other_rates_and_channels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.flac", np.random.default_rng(0).uniform(-0.1, 0.1, (44100, 2)), 44100)
    (tmp_path / "m.tsv").write_text("speaker\tpath\nx\tstereo.flac\n")
    (utterance,) = prepare(tmp_path / "m.tsv", tmp_path / "corpus").utterances
    assert (utterance.samples, utterance.transcript) == (16000, "")


def test_f0_does_not_depend_on_the_level(speech: Path, tmp_path: Path) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=48000)
    for name, steps in (("loud", 0), ("quiet", 30)):
        soundfile.write(tmp_path / f"{name}.wav", wave * 10 ** (-steps * 1.5 / 20), 16000, "FLOAT")
    (tmp_path / "m.tsv").write_text("path\tspeaker\nloud.wav\tx\nquiet.wav\tx\n")
    corpus = prepare(tmp_path / "m.tsv", tmp_path / "corpus")
    loud, quiet = (np.asarray(corpus.pitch(utterance)) for utterance in corpus.utterances)
    assert (loud > 0).mean() > 0.3
    assert ((loud > 0) == (quiet > 0)).mean() > 0.99


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (None, "cannot be read"),
        ("", "header line"),
        ("path\tspeaker\n", "header line"),
        ("path,speaker\na.wav,b\n", "header line"),
        (
            "path\tspeaker\ttranscript\na.wav\tb\tc\n\na.wav\tb\n",
            "m.tsv: line 4 has 2 tab-separated fields, the first line has 3",
        ),
        ("path\tspeaker\na.wav\tb\tc\n", "m.tsv: line 2 has 3 tab-separated fields, the first line has 2"),
        ("path\tspeaker\na.wav\tb\n" + "a" * 200000 + "\tb\n", "m.tsv: line 3: field larger"),
        ("path\tspeaker\na\0.wav\tb\n", "cannot be read"),
        ("path\tspeaker\n" + "a" * 5000 + "\tb\n", "cannot be read"),
        ("path\tspeaker\n.\tb\n", "cannot be read"),
        ("path\tspeaker\nabsent.wav\tb\n", "absent.wav: cannot be read"),
        ("path\tspeaker\nm.tsv\tb\n", "m.tsv: cannot be read"),
    ],
)
def test_bad_manifests(tmp_path: Path, text: str | None, pattern: str) -> None:
    if text is not None:
        (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(UnitcodecError, match=pattern):
        prepare(tmp_path / "m.tsv", tmp_path / "corpus")
    assert not (tmp_path / "corpus" / "index.json").exists()


def test_an_interrupted_run_is_started_anew(manifest: Path, tmp_path: Path) -> None:
    first = prepare(manifest, tmp_path / "corpus")
    reference = (first.audio.tobytes(), first.f0.tobytes())
    shutil.copytree(tmp_path / "corpus", tmp_path / "cut")
    (tmp_path / "cut" / "index.json").unlink()
    (tmp_path / "cut" / "audio.i16").write_bytes(b"\0" * 100)
    again = prepare(manifest, tmp_path / "cut")
    assert (again.audio.tobytes(), again.f0.tobytes()) == reference


def test_an_unknown_tracker(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnitcodecError, match="unknown F0 tracker 'praat'"):
        prepare(manifest, tmp_path / "corpus", "praat")
