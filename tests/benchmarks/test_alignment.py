"""Forced alignment: phones in their order, at their time; what cannot be aligned is left out."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed (the extra eval)")

from benchmarks import alignment, corpus
from benchmarks.waveform import read


@pytest.fixture(scope="module")
def aligned(shared: Path) -> tuple[corpus.Utterance, list[str]]:
    for utterance in corpus.load(shared / "data" / "dev", 8):
        frames = alignment.align(read(utterance.path), utterance.transcript)
        if frames is not None:
            return utterance, frames
    raise AssertionError("none of eight utterances could be aligned")


def test_phones_in_their_order_and_silence_where_it_is_quiet(aligned: tuple[corpus.Utterance, list[str]]) -> None:
    utterance, frames = aligned
    wave = read(utterance.path)
    assert len(frames) == -(-len(wave) // 160)
    said = [phone for phone, _ in itertools.groupby(frames) if phone != alignment.SILENCE]
    words = alignment.spoken(utterance.transcript)
    first, last = (alignment.dictionary()[words[at]] for at in (0, -1))
    assert said[0] in {way[0] for way in first}
    assert said[-1] in {way[-1] for way in last}
    power = np.square(wave[: len(wave) // 160 * 160].reshape(-1, 160)).mean(1)
    quiet = np.array(frames[: len(power)]) == alignment.SILENCE
    assert power[quiet].mean() < 0.2 * power[~quiet].mean()


def test_it_is_remembered(aligned: tuple[corpus.Utterance, list[str]], tmp_path: Path) -> None:
    utterance, frames = aligned
    assert alignment.remembered(utterance.path, utterance.transcript, tmp_path) == frames
    (kept,) = tmp_path.iterdir()
    kept.write_text("AH B")
    assert alignment.remembered(utterance.path, utterance.transcript, tmp_path) == ["AH", "B"]


def test_what_cannot_be_aligned() -> None:
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.01
    assert alignment.align(noise, "XYZZYX SAID NOTHING") is None
    assert alignment.align(noise, "") is None


def test_phones_at_units() -> None:
    frames = ["A", "A", "B", "B", "C"]
    assert alignment.at_units(frames, 3, 2).tolist() == ["A", "B", "C"]
    assert alignment.at_units(frames, 2, 4).tolist() == ["B", "C"]
