"""CPC's training (van den Oord et al. 2018, arXiv 1807.03748): tell each of the next frames from frames of elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content import hear
from ..content.cpc import CPCEncoder
from .augmentation import Augmentation
from .batches import Batches, Stretch, held_out_speakers, validation_batches
from .corpus import Corpus
from .kmeans import codebook, encoder_features
from .loop import Run, minimise
from .precision import bfloat16
from .settings import CPCSettings

SOURCES = ("utterance", "others", "both")
"""Where negatives are drawn from: the crop itself, the other crops of its group, or half from each."""

GROUP = 4
"""Crops that give each other negatives; a process's share of a batch holds whole groups."""


def info_nce(predicted: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """Equation 4 with inner products as log scores.

    Args:
        predicted: (B, n, C), made of the context.
        positive: (B, n, C), the frame that came.
        negatives: (B, m, C), frames of elsewhere.

    Returns:
        Cross-entropy in nats, (B, n).
    """
    own = (predicted * positive).sum(-1, keepdim=True)
    scores = torch.cat([own, predicted @ negatives.transpose(1, 2)], -1).float()
    return torch.logsumexp(scores, -1) - scores[..., 0]


def negative_frames(seeds: list[int], frames: int, count: int, source: str) -> Tensor:
    """(B, count) indices into the frames of all crops side by side (B * frames), for each crop.

    Raises ValueError for an unknown source, and for crops that do not make whole groups.
    """
    if source not in SOURCES:
        raise ValueError(f"negatives from '{source}': one of {', '.join(SOURCES)}")
    if source != "utterance" and len(seeds) % GROUP:
        raise ValueError(f"a batch of {len(seeds)} crops: negatives from others need a multiple of {GROUP}")
    chosen = np.empty((len(seeds), count), np.int64)
    for crop, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        own = {"utterance": count, "others": 0, "both": count // 2}[source]
        other = crop // GROUP * GROUP + (crop % GROUP + rng.integers(1, GROUP, count)) % GROUP
        whose = np.where(np.arange(count) < own, crop, other)
        chosen[crop] = whose * frames + rng.integers(0, frames, count)
    return torch.from_numpy(chosen)


class Predictions(nn.Module):
    """A linear map for each of ``steps`` steps ahead (section 2.3)."""

    def __init__(self, channels: int, steps: int):
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in range(steps))

    def forward(self, contexts: Tensor, encoded: Tensor, negatives: Tensor) -> Tensor:
        """Contexts and encoded frames (B, n, C), negatives (B, m, C) -> mean loss of each crop, (B,)."""
        frames = contexts.shape[1]
        losses = [
            info_nce(step(contexts[:, : frames - ahead]), encoded[:, ahead:], negatives).mean(1)
            for ahead, step in enumerate(self.maps, 1)
        ]
        return torch.stack(losses).mean(0)


def train(corpus: Corpus, folder: Path, settings: CPCSettings, codes: int, seed: int = 0, device: str = "cpu") -> CPCEncoder:
    """The networks, then a codebook of ``codes`` on the context layer; resumes in ``folder``."""
    torch.manual_seed(seed)
    # Whatever the size of the codebook, what comes before it is the same.
    network = CPCEncoder(1, **settings.encoder).to(device)
    predictions = Predictions(network.codebook.centroids.shape[1], settings.ahead).to(device)
    learned = [p for name, p in network.named_parameters() if "codebook" not in name] + list(predictions.parameters())
    optimizer = torch.optim.AdamW(learned, settings.rate, betas=(0.9, 0.98), weight_decay=1e-2)
    run = Run(folder / "pretraining", {"model": network, "head": predictions, "optimizer": optimizer}, settings.steps)
    held_out = held_out_speakers(corpus)
    batches = Batches(corpus, settings.seconds, Augmentation(speed=0), seed, held_out)

    def loss_of(stretches: list[Stretch]) -> Tensor:
        waveform = torch.from_numpy(np.stack([stretch.waveform for stretch in stretches])).to(device)
        heard = hear(network, waveform)
        with bfloat16(device, settings.bfloat16):
            encoded = network.encoded(heard)
            contexts = network.contexts(encoded).transpose(1, 2)
            encoded = F.layer_norm(encoded.transpose(1, 2), encoded.shape[1:2])
            flat = encoded.reshape(-1, encoded.shape[2])
            seeds = [stretch.seed for stretch in stretches]
            chosen = negative_frames(seeds, encoded.shape[1], settings.negatives, settings.negatives_from)
            return predictions(contexts, encoded, flat[chosen.to(device)]).mean()

    test = validation_batches(corpus, settings.seconds, held_out).stretches(16, 0)

    def validate() -> dict[str, float]:
        network.eval()
        with torch.no_grad():
            value = loss_of(test).item()
        network.train()
        return {"test_nce": value}

    def loss(step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        value = loss_of(batches.stretches(settings.batch, step))
        return value, {"nce": value}

    minimise(run, loss, learned, optimizer, settings.rate, validate)
    network.eval()
    features = encoder_features(network, network.latent)
    encoder = CPCEncoder(codes, **settings.encoder).to(device)
    own = {name: value for name, value in network.state_dict().items() if "codebook" not in name}
    encoder.load_state_dict(own, strict=False)
    encoder.codebook.centroids.copy_(torch.from_numpy(codebook(corpus, features, codes, folder, seed)))
    return encoder.eval()
