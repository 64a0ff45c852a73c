"""Transcripts as a help: which letters, which utterances, and that units can be learned to be spelled."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unitcodec.errors import UnitcodecError
from unitcodec.training.augmentation import Augmentation
from unitcodec.training.corpus import Corpus, prepare
from unitcodec.training.ctc import MOST_LETTERS, CTCHead, CTCLoss, alphabet

NOTHING = Augmentation(0, 0, 0, 0, 0)


@pytest.fixture
def corpus(manifest: Path, tmp_path: Path) -> Corpus:
    """Six utterances of a second and more, by a, b, a, b, c and d: "cut 0" to "cut 5"."""
    return prepare(manifest, tmp_path)


def _spelling(corpus: Corpus, augmentation: Augmentation = NOTHING, utterances: int = 2, **held_out: str) -> CTCLoss:
    return CTCLoss(corpus, augmentation, 3, 4, utterances, 0, set(held_out.values()))


def test_an_alphabet_is_that_of_the_texts_in_one_case() -> None:
    assert alphabet(["Wee, wee", "OUÏ"]) == " ,eouwï"
    rare = "".join(chr(0x4E00 + index) for index in range(MOST_LETTERS))
    assert alphabet([rare, "aab" * 2]) == "ab" + rare[: MOST_LETTERS - 2]


def test_log_probabilities_come_twice_a_unit_frame() -> None:
    scores = CTCHead(3, 5, width=64, blocks=1)(torch.randn(2, 3, 11))
    assert scores.shape == (2, 22, 6)
    assert torch.allclose(scores.exp().sum(2), torch.ones(2, 22))


def test_whole_utterances_are_drawn_and_none_of_those_held_out(corpus: Corpus) -> None:
    ctc = _spelling(corpus, utterances=8, one="c", other="d")
    waveforms, vtlp, drawn = ctc.draw(0)
    assert {utterance.speaker for utterance in drawn} == {"a", "b"}
    assert waveforms.shape == (8, -(-max(utterance.samples for utterance in drawn) // 1280) * 1280)
    assert vtlp.tolist() == [1.0] * 8
    for waveform, utterance in zip(waveforms.numpy(), drawn, strict=True):
        said = corpus.waveform(utterance).astype(np.float64)
        assert np.corrcoef(waveform[: len(said)], said)[0, 1] > 0.999
        assert not waveform[len(said) :].any()
    assert "".join(sorted(ctc.letters, key=ctc.letters.__getitem__)) == " 012345ctu"
    assert [list(ctc.letters)[index - 1] for index in ctc.spelled(corpus.utterances[3])] == list("cut 3")
    again = ctc.draw(0)
    assert torch.equal(again[0], waveforms)
    assert not np.array_equal([u.start for u in ctc.draw(1)[2]], [u.start for u in drawn])


def test_they_are_heard_as_crops_are(corpus: Corpus) -> None:
    _, vtlp, _ = _spelling(corpus, Augmentation(vtlp=1.0)).draw(0)
    assert (vtlp != 1).all()
    plain, heard = (_spelling(corpus, augmentation).draw(0)[0] for augmentation in (NOTHING, replace(NOTHING, equalizer=1.0)))
    assert not torch.allclose(plain, heard, atol=0.01)


def test_units_are_learned_to_be_spelled(corpus: Corpus) -> None:
    torch.manual_seed(0)
    ctc = _spelling(corpus, utterances=3)
    _, _, drawn = ctc.draw(0)
    values = torch.randn(3, 3, 40, requires_grad=True)
    optimizer = torch.optim.AdamW([values, *ctc.network.parameters()], 2e-3)
    losses = []
    for _ in range(40):
        loss = ctc.loss(values, drawn)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 2 > 1 > losses[-1] >= 0
    assert values.grad is not None
    assert values.grad.any()


def test_what_has_no_room_for_its_transcript_teaches_nothing(corpus: Corpus) -> None:
    ctc = _spelling(corpus)
    utterance = replace(corpus.utterances[0], transcript="cut 1" * 100)
    assert ctc.loss(torch.randn(1, 3, 30), [utterance]).item() == 0
    assert math.isfinite(ctc.loss(torch.randn(1, 3, 30), [replace(utterance, transcript="?")]).item())


def test_a_corpus_without_transcripts_is_refused(corpus: Corpus) -> None:
    corpus.utterances = [replace(utterance, transcript=" ") for utterance in corpus.utterances]
    with pytest.raises(UnitcodecError, match=r"content\.ctc needs transcripts"):
        _spelling(corpus)
