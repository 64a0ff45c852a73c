"""Codebooks by k-means, and every frame of a corpus labelled with them: what self-supervised training predicts and units are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from ..content import hear
from ..errors import UnitcodecError
from ..features import log_mel
from ..frames import HOP, active_level, level_code, level_gain
from . import parallel
from .corpus import Corpus, Utterance

FRAME = 2 * HOP
"""Samples a frame (20 ms)."""

CEPSTRA = 13
SAMPLE_FRAMES = 200_000
"""Frames that a codebook is fitted to; drawn from all utterances alike."""

Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Waveform (T,), T a multiple of 1280, at the reference level -> (T / 320, dimensions)."""


def cepstra(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """MFCC and their first two differences (Hsu et al. 2021, section IV-B), each utterance's mean taken off, every 20 ms.

    (T,) -> (T / 320, 39).
    """
    mel = log_mel(torch.from_numpy(waveform)[None])[0].numpy()
    static: NDArray[Any] = scipy.fft.dct(mel, axis=0, norm="ortho")[:CEPSTRA]
    static = static - static.mean(1, keepdims=True)
    slope = _slope(static)
    return np.concatenate([static, slope, _slope(slope)]).T[::2].astype(np.float32)


def _slope(x: NDArray[Any]) -> NDArray[Any]:
    """Regression over two frames to either side, along time."""
    padded = np.pad(x, ((0, 0), (2, 2)), mode="edge")
    n = x.shape[1]
    slope: NDArray[Any] = (2 * (padded[:, 4 : n + 4] - padded[:, :n]) + padded[:, 3 : n + 3] - padded[:, 1 : n + 1]) / 10
    return slope


def scaled(corpus: Corpus, utterance: Utterance) -> NDArray[np.float32]:
    """An utterance's waveform at the reference level, padded to whole F0 codes (1280 samples)."""
    waveform = corpus.waveform(utterance).astype(np.float32) / 32768
    gain = level_gain(level_code(active_level(waveform)))
    padded = np.pad(waveform, (0, -len(waveform) % (8 * HOP)))
    return (padded * gain).astype(np.float32)


def fit_codebook(
    corpus: Corpus, features: Features, codes: int, seed: int = 0, frames: int = SAMPLE_FRAMES
) -> NDArray[np.float32]:
    """Centroids (codes, dimensions) of a sample of the corpus' frames.

    Raises UnitcodecError where scikit-learn is missing or there are fewer frames than codes.
    """
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise UnitcodecError("a codebook needs scikit-learn: install the extra unitcodec[train]") from error
    rng = np.random.default_rng(seed)
    total = sum(utterance.samples for utterance in corpus.utterances) // FRAME
    share = min(1.0, frames / max(1, total))
    parts = []
    for utterance in tqdm(corpus.utterances, desc="sampling features", unit="file"):
        count = utterance.samples // FRAME
        chosen = np.flatnonzero(rng.random(count) < share)
        # Of most utterances a part; of none, where so few frames are wanted, nothing needs to be computed.
        if len(chosen):
            parts.append(features(scaled(corpus, utterance))[chosen])
    sample = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    if len(sample) < codes:
        raise UnitcodecError(f"{corpus.folder}: {len(sample)} frames are too few for a codebook of {codes}")
    kmeans = MiniBatchKMeans(codes, batch_size=10_000, n_init=5, max_no_improvement=50, reassignment_ratio=0.0, random_state=seed)
    centroids: NDArray[np.float32] = kmeans.fit(sample).cluster_centers_.astype(np.float32)
    return centroids


def codebook(corpus: Corpus, features: Features, codes: int, folder: Path, seed: int = 0) -> NDArray[np.float32]:
    """Centroids (codes, dimensions), kept in ``folder``."""
    path = folder / f"codebook{codes}.safetensors"
    if not path.exists() and parallel.rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"centroids": fit_codebook(corpus, features, codes, seed)}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)
    parallel.wait()
    centroids: NDArray[np.float32] = load_file(path)["centroids"]
    return centroids


@torch.inference_mode()
def nearest(features: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(n, dimensions) -> (n,) index of the nearest centroid."""
    flat, book = torch.from_numpy(features), torch.from_numpy(centroids)
    distances = book.square().sum(1) - 2.0 * flat @ book.T
    return distances.argmin(1).numpy().astype(np.uint16)


class Labels:
    """A label for each whole or begun frame (20 ms) of each utterance of a corpus."""

    def __init__(self, corpus: Corpus, labels: NDArray[np.uint16]):
        frames = [-(-utterance.samples // FRAME) for utterance in corpus.utterances]
        starts = np.cumsum([0, *frames])
        if starts[-1] != len(labels):
            raise UnitcodecError(f"{corpus.folder}: {len(labels)} labels for {starts[-1]} frames: remove the stage's folder")
        self._labels = labels
        self._where = {
            utterance.start: (int(start), count)
            for utterance, start, count in zip(corpus.utterances, starts, frames, strict=False)
        }

    def of(self, utterance: Utterance, first: int, count: int) -> NDArray[np.int64]:
        """Of ``count`` frames from ``first`` on; -1 behind the utterance's end."""
        start, frames = self._where[utterance.start]
        found = np.full(count, -1, np.int64)
        own = self._labels[start + first : start + min(first + count, frames)]
        found[: len(own)] = own
        return found


def label(corpus: Corpus, features: Features, centroids: NDArray[np.float32], path: Path) -> Labels:
    """Labels of the whole corpus, kept in ``path`` (.npy), from where they are read if they are there."""
    if not path.exists():
        parts = [
            nearest(features(scaled(corpus, utterance)), centroids)[: -(-utterance.samples // FRAME)]
            for utterance in tqdm(corpus.utterances, desc="labelling", unit="file")
        ]
        temporary = path.with_suffix(".part.npy")
        np.save(temporary, np.concatenate(parts))
        temporary.replace(path)
    return Labels(corpus, np.load(path))


def encoder_features(network: nn.Module, latent: Callable[[Tensor], Tensor]) -> Features:
    """What ``latent`` makes of what a content encoder hears, (1, dimensions, n), as features."""
    device = next(network.parameters()).device

    @torch.inference_mode()
    def features(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        heard = hear(network, torch.from_numpy(waveform)[None].to(device))
        found: NDArray[np.float32] = latent(heard)[0].T.float().cpu().numpy()
        return found

    return features
