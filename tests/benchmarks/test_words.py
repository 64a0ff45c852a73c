"""The judge of words: normalised texts, edit distances, and what Moonshine hears."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import asr, moonshine, pieces, text
from benchmarks.synthetic import syllables
from benchmarks.waveform import SAMPLE_RATE, read


@pytest.fixture
def texts() -> None:
    for package in text.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (the extra eval)")


@pytest.fixture
def hears(texts: None) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    if (gap := moonshine.gap()) is not None:
        pytest.skip(f"the judge of words: {gap}")


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [("", "", 0), ("ABC", "", 3), ("", "ABC", 3), ("KITTEN", "SITTING", 3), ("ABC", "ABC", 0), ("AB", "BA", 2)],
)
def test_edit_distance(texts: None, reference: str, hypothesis: str, distance: int) -> None:
    assert text.edit_distance(reference, hypothesis) == distance
    assert text.edit_distance([f"{each}-word" for each in reference], [f"{each}-word" for each in hypothesis]) == distance


@pytest.mark.parametrize(
    ("transcript", "written"),
    [
        ("MISTER SMITH'S TWENTY ONE DOG CARTS", "Mr. Smith's 21 dog-carts."),
        ("I CAN'T AND WON'T", "I can not, and will not!"),
        ("THE COLOUR OF EIGHTEEN TWENTY FOUR", "Um, the color of 1824..."),
        ("", " ... "),
    ],
)
def test_a_transcript_and_what_a_recogniser_writes_come_out_alike(texts: None, transcript: str, written: str) -> None:
    assert text.normalise(transcript) == text.normalise(written)
    assert text.word_errors(transcript, written)[0] == text.character_errors(transcript, written)[0] == 0


def test_error_counts_are_of_the_normalised_reference(texts: None) -> None:
    assert text.character_errors("the  cat,", "THE CAR") == (1, 7)
    assert text.word_errors("the  cat sat", "THE CAR") == (2, 3)


def test_pieces_end_in_pauses_and_are_the_whole() -> None:
    waveform = 0.1 * np.random.default_rng(0).standard_normal(50 * SAMPLE_RATE).astype(np.float32)
    for second in (17, 36):
        waveform[second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE] = 0
    found = list(pieces.cut(waveform, 30 * SAMPLE_RATE))
    assert [len(piece) // SAMPLE_RATE for piece in found] == [17, 19, 13]
    assert all(np.abs(piece[-1600:]).max() == 0 for piece in found[:-1])
    np.testing.assert_array_equal(np.concatenate(found), waveform)
    steady = list(pieces.cut(np.ones(70 * SAMPLE_RATE + 1, np.float32), 30 * SAMPLE_RATE))
    assert sum(map(len, steady)) == 70 * SAMPLE_RATE + 1
    assert all(0 < len(piece) <= 30 * SAMPLE_RATE for piece in steady)
    assert [len(piece) for piece in pieces.cut(np.zeros(0, np.float32), 9)] == [0]


def test_a_vocabulary_is_read_by_its_lengths() -> None:
    long = bytes(range(256)) * 2
    assert moonshine.vocabulary(b"\x01a\x00\x02bc" + bytes([128 + 512 % 128, 512 // 128]) + long) == [b"a", b"", b"bc", long]
    with pytest.raises(ValueError, match="cut short"):
        moonshine.vocabulary(b"\x05abc")


def test_what_goes_round_is_found() -> None:
    assert moonshine.repeated([9, 8, *[1, 2, 3, 4] * 4]) == 4
    assert moonshine.repeated([9, *[5] * 12]) == 3
    assert moonshine.repeated([1, 2, 3, 4] * 3) == 0
    assert moonshine.repeated([5] * 11) == 0
    assert moonshine.repeated(list(range(60))) == 0


def test_the_example_is_heard_and_twice_the_same(hears: None, speech: Path) -> None:
    waveform = read(speech)
    first = asr.transcribe(waveform)
    assert len(text.normalise(first).split()) > 10
    asr.transcribe(0.3 * waveform[::-1])
    assert asr.transcribe(waveform) == first
    assert text.word_errors(first, asr.transcribe(waveform)) == (0, len(text.normalise(first).split()))


def test_nothing_and_silence_are_no_words(hears: None) -> None:
    for samples in (0, 1, 100, SAMPLE_RATE, 40 * SAMPLE_RATE):
        assert asr.transcribe(np.zeros(samples, np.float32)) == ""
    hiss = np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)
    assert asr.transcribe(1e-4 * hiss) == ""


def test_what_is_no_speech_comes_to_an_end(hears: None) -> None:
    hiss = 0.1 * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE).astype(np.float32)
    for waveform in (syllables(6), hiss, hiss[:1700]):
        tokens = moonshine.TOKENS_PER_SECOND * len(waveform) / SAMPLE_RATE
        # A token is a word at most; digits and abbreviations that are written out are more.
        assert len(asr.transcribe(waveform).split()) <= tokens


def test_a_long_recording_is_heard_to_its_end(hears: None, speech: Path) -> None:
    one = read(speech)
    pause = np.zeros(SAMPLE_RATE, np.float32)
    whole = np.concatenate([np.concatenate([one, pause])] * 6)
    assert len(whole) > asr.LONGEST
    said = text.normalise(asr.transcribe(one))
    heard = text.normalise(asr.transcribe(whole))
    errors, words = text.word_errors(" ".join([said] * 6), heard)
    assert errors < 0.1 * words


def test_the_judge_hears_as_well_as_its_authors_say(hears: None, shared: Path) -> None:
    folder = shared / "data" / "dev"
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[::6]
    waves = [read(folder / row["path"]) for row in rows]
    rng = np.random.default_rng(0)
    noisy = [wave + wave.std() * rng.standard_normal(len(wave)).astype(np.float32) for wave in waves]
    rates = []
    for heard in (waves, noisy):
        pairs = [text.word_errors(row["transcript"], asr.transcribe(wave)) for row, wave in zip(rows, heard, strict=True)]
        rates.append(sum(errors for errors, _ in pairs) / sum(words for _, words in pairs))
    # 11.7 % on all of test-other.
    assert 0.04 < rates[0] < 0.2
    assert rates[1] > 1.5 * rates[0]


def test_whisper_is_known_by_its_configuration(tmp_path: Path) -> None:
    assert not asr.is_whisper(tmp_path)
    for kind in ("whisper", "wav2vec2"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        assert asr.is_whisper(tmp_path) == (kind == "whisper")
