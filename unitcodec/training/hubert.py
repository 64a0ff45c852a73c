"""HuBERT's training (Hsu et al. 2021, arXiv 2106.07447): predict, behind a mask, the cluster that each frame belongs to.

The first iteration's clusters are of cepstra; each further one's of a hidden layer of the iteration before.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..content import hear
from ..content.hubert import HubertEncoder
from . import parallel
from .augmentation import Augmentation
from .batches import Batches, Stretch, held_out_speakers, validation_batches
from .corpus import Corpus
from .kmeans import FRAME, Features, cepstra, codebook, encoder_features, label
from .loop import Run, minimise
from .precision import bfloat16
from .settings import HubertSettings, Options


class MaskedPrediction(nn.Module):
    """What training adds to the encoder: the mask's embedding, the projection and the codewords (equation 3)."""

    def __init__(self, channels: int, codes: int, dimensions: int = 128, temperature: float = 0.1):
        super().__init__()
        self.mask = nn.Parameter(0.1 * torch.randn(channels))
        self.project = nn.Linear(channels, dimensions)
        self.codewords = nn.Parameter(torch.randn(codes, dimensions))
        self.temperature = temperature

    def hide(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, C, n) with the masked frames (B, n) replaced."""
        return torch.where(mask[:, None], self.mask.to(frames.dtype)[:, None], frames)

    def forward(self, states: Tensor, labels: Tensor) -> Tensor:
        """States (B, n, channels), labels (B, n), -1 where there is none -> cross-entropy in nats (B, n), 0 there."""
        cosine_similarity = F.normalize(self.project(states).float(), dim=-1) @ F.normalize(self.codewords, dim=-1).T
        return codeword_loss(cosine_similarity / self.temperature, labels)


def codeword_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Scores of the codewords (B, n, codes), labels (B, n), -1 where there is none -> cross-entropy (B, n), 0 there."""
    return F.cross_entropy(scores.transpose(1, 2), labels, ignore_index=-1, reduction="none")


def span_mask(rng: np.random.Generator, frames: int, probability: float, length: int) -> NDArray[np.bool_]:
    """(frames,): spans of ``length`` frames begin at each frame with ``probability``, at least one (section II-B)."""
    starts = np.flatnonzero(rng.random(frames) < probability)
    if not len(starts):
        starts = rng.integers(0, frames, 1)
    mask = np.zeros(frames + length, np.bool_)
    for start in starts:
        mask[start : start + length] = True
    return mask[:frames]


def per_crop(losses: Tensor, chosen: Tensor) -> Tensor:
    """Losses (B, n) -> their mean where chosen, of each crop, then over the crops: the same however crops are shared out."""
    return ((losses * chosen).sum(1) / chosen.sum(1).clamp(min=1)).mean()


def train(
    corpus: Corpus, folder: Path, settings: HubertSettings, codes: int, seed: int = 0, device: str = "cpu"
) -> HubertEncoder:
    """All iterations, and a codebook of ``codes`` on the layer chosen. Each resumes in its own folder below ``folder``.

    Returns the encoder, cut off after the layer that makes units.
    """
    network = iterate(corpus, folder, settings, seed, device)
    features = encoder_features(network, partial(_hidden, network, settings.layer))
    encoder = HubertEncoder(codes, **encoder_options(settings)).to(device)
    own = {name: value for name, value in network.state_dict().items() if "codebook" not in name}
    encoder.load_state_dict({name: own[name] for name in encoder.state_dict() if name in own}, strict=False)
    encoder.codebook.centroids.copy_(torch.from_numpy(codebook(corpus, features, codes, folder, seed)))
    return encoder.eval()


def iterate(corpus: Corpus, folder: Path, settings: HubertSettings, seed: int = 0, device: str = "cpu") -> HubertEncoder:
    """The network after all iterations, with all its layers; without a codebook of its own."""
    features: Features = cepstra
    network = None
    for iteration, size in enumerate(settings.targets, 1):
        network = _iteration(corpus, folder / f"iteration{iteration}", settings, features, size, network, seed, device)
        features = encoder_features(network, partial(_hidden, network, settings.layer))
    assert network is not None
    return network


def encoder_options(settings: HubertSettings) -> Options:
    """Constructor arguments of the encoder that makes units."""
    return {**settings.encoder, "layers": settings.layer}


def _hidden(network: HubertEncoder, layer: int, heard: Tensor) -> Tensor:
    return network.states(network.front(heard), layer)[-1].transpose(1, 2)


def _iteration(
    corpus: Corpus,
    folder: Path,
    settings: HubertSettings,
    features: Features,
    codes: int,
    previous: HubertEncoder | None,
    seed: int,
    device: str,
) -> HubertEncoder:
    torch.manual_seed(seed)
    network = HubertEncoder(codes, **settings.encoder).to(device)
    if previous is not None and settings.warm:
        network.load_state_dict(
            {name: value for name, value in previous.state_dict().items() if "codebook" not in name}, strict=False
        )
    head = MaskedPrediction(network.codebook.centroids.shape[1], codes).to(device)
    centroids = codebook(corpus, features, codes, folder, seed)
    if parallel.rank() == 0:
        label(corpus, features, centroids, folder / "labels.npy")
    parallel.wait()
    labels = label(corpus, features, centroids, folder / "labels.npy")
    learned = [parameter for name, parameter in network.named_parameters() if "codebook" not in name] + list(head.parameters())
    optimizer = torch.optim.AdamW(learned, settings.rate, betas=(0.9, 0.98), weight_decay=1e-2)
    run = Run(folder, {"model": network, "head": head, "optimizer": optimizer}, settings.steps)
    held_out = held_out_speakers(corpus)
    batches = Batches(corpus, settings.seconds, Augmentation(speed=0), seed, held_out)

    def masked(stretches: list[Stretch]) -> tuple[Tensor, Tensor, Tensor]:
        """Losses (B, n), and where they are of masked and of unmasked frames."""
        waveform = torch.from_numpy(np.stack([stretch.waveform for stretch in stretches])).to(device)
        frames = waveform.shape[1] // FRAME
        own = torch.from_numpy(np.stack([labels.of(s.utterance, s.first, frames) for s in stretches])).to(device)
        spans = [
            span_mask(np.random.default_rng(s.seed), frames, settings.mask_probability, settings.mask_length) for s in stretches
        ]
        mask = torch.from_numpy(np.stack(spans)).to(device)
        heard = hear(network, waveform)
        with bfloat16(device, settings.bfloat16):
            hidden = head.hide(network.front(heard), mask)
            states = network.states(hidden, len(network.layers))[-1]
        return head(states, own), mask & (own >= 0), ~mask & (own >= 0)

    test = validation_batches(corpus, settings.seconds, held_out).stretches(16, 0)

    def validate() -> dict[str, float]:
        network.eval()
        with torch.no_grad():
            losses, hidden, seen = masked(test)
        network.train()
        return {"test_masked": per_crop(losses, hidden).item(), "test_unmasked": per_crop(losses, seen).item()}

    def loss(step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        losses, hidden, seen = masked(batches.stretches(settings.batch, step))
        behind, before = per_crop(losses, hidden), per_crop(losses, seen)
        total = settings.masked_weight * behind + (1 - settings.masked_weight) * before
        return total, {"masked": behind, "unmasked": before}

    minimise(run, loss, learned, optimizer, settings.rate, validate)
    return network.eval()
