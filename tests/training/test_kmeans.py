"""Codebooks and labels: features, that clusters are found, and that labels stand where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unitcodec.errors import UnitcodecError
from unitcodec.training.corpus import Corpus, prepare
from unitcodec.training.kmeans import FRAME, Labels, cepstra, fit_codebook, label, nearest, scaled


@pytest.fixture(scope="module")
def corpus(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prepare(manifest, tmp_path_factory.mktemp("corpus"))


def test_cepstra_and_their_slopes() -> None:
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.standard_normal(12800)).astype(np.float32)
    found = cepstra(wave)
    assert found.shape == (40, 39)
    assert found.dtype == np.float32
    louder = cepstra(2 * wave)
    # The level moves the first cepstrum alone, and its mean is taken off.
    assert np.allclose(found, louder, atol=0.05)


def test_labels_are_the_nearest_centroids() -> None:
    rng = np.random.default_rng(0)
    features, centroids = rng.standard_normal((50, 3)).astype(np.float32), rng.standard_normal((7, 3)).astype(np.float32)
    expected = ((features[:, None] - centroids) ** 2).sum(2).argmin(1)
    assert np.array_equal(nearest(features, centroids), expected)


def test_a_codebook_is_the_same_again_and_finds_different_sounds(corpus: Corpus) -> None:
    first, second = (fit_codebook(corpus, cepstra, codes, seed=3) for codes in (6, 9))
    assert (first.shape, second.shape) == ((6, 39), (9, 39))
    assert np.allclose(first, fit_codebook(corpus, cepstra, 6, seed=3), atol=1e-4)
    assert len(np.unique(nearest(cepstra(scaled(corpus, corpus.utterances[0])), first))) >= 4


def test_too_few_frames(corpus: Corpus) -> None:
    with pytest.raises(UnitcodecError, match="frames are too few for a codebook of 5000"):
        fit_codebook(corpus, cepstra, 5000)


def test_labels_belong_to_their_frames(corpus: Corpus, tmp_path: Path) -> None:
    def seconds(waveform: np.ndarray) -> np.ndarray:
        return np.arange(len(waveform) // FRAME, dtype=np.float32)[:, None] / 50

    labels = label(corpus, seconds, np.array([[0.0], [1.0]], np.float32), tmp_path / "labels.npy")
    for utterance in (corpus.utterances[0], corpus.utterances[-1]):
        frames = -(-utterance.samples // FRAME)
        assert labels.of(utterance, 20, 10).tolist() == [0] * 6 + [1] * 4
        assert labels.of(utterance, frames - 2, 5).tolist() == [1, 1, -1, -1, -1]
    again = label(corpus, cepstra, np.zeros((1, 39), np.float32), tmp_path / "labels.npy")
    assert np.array_equal(again.of(corpus.utterances[2], 0, 60), labels.of(corpus.utterances[2], 0, 60))
    with pytest.raises(UnitcodecError, match="5 labels for"):
        Labels(corpus, np.zeros(5, np.uint16))
