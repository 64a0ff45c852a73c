"""Stage ``pitch``: the F0 VQ-VAE, trained first and on its own (Polyak et al. 2021, section 3)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pitch.vqvae import PitchVQVAE
from .augmentation import Augmentation
from .batches import Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .loop import Run, minimise
from .settings import PitchSettings


def losses(output: Tensor, track: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute error of normalised log-F0 over voiced frames, and cross-entropy of voicing."""
    voiced = track[:, 1]
    pitch = ((output[:, 0] - track[:, 0]).abs() * voiced).sum() / voiced.sum().clamp(min=1)
    return pitch, F.binary_cross_entropy_with_logits(output[:, 1], voiced)


@torch.no_grad()
def frame_errors(output: Tensor, track: Tensor, deviation: Tensor) -> dict[str, float]:
    """VDE, GPE and FFE (Chu & Alwan 2009) of decoded against given tracks."""
    voiced, decoded = track[:, 1] > 0.5, output[:, 1] > 0
    ratio = torch.exp(((output[:, 0] - track[:, 0]) * deviation[:, None]).abs())
    both = voiced & decoded
    gross = both & (ratio > 1.2)
    total = voiced.numel()
    vde = (voiced != decoded).sum().item() / total
    return {"vde": vde, "gpe": gross.sum().item() / max(1, int(both.sum())), "ffe": vde + gross.sum().item() / total}


def train(corpus: Corpus, folder: Path, settings: PitchSettings, seed: int = 0) -> PitchVQVAE:
    torch.manual_seed(seed)
    model = PitchVQVAE(settings.codes)
    optimizer = torch.optim.AdamW(model.parameters(), settings.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    held_out = held_out_speakers(corpus)
    run = Run(folder, {"model": model, "optimizer": optimizer}, settings.steps)
    batches = Batches(corpus, settings.seconds, Augmentation(noise=0, room=0), seed, held_out)
    test = validation_batches(corpus, settings.seconds, held_out)
    test_batch = {name: torch.from_numpy(value) for name, value in test.batch(32).items()}

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            output, codes, _ = model(test_batch["track"])
        model.train()
        use = torch.bincount(codes.reshape(-1), minlength=settings.codes).float()
        use = use / use.sum()
        bits = -(use * torch.log2(use.clamp(min=1e-9))).sum().item()
        return {**frame_errors(output, test_batch["track"], test_batch["deviation"]), "unigram_bits": bits}

    def loss(step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        track = torch.from_numpy(batches.batch(settings.batch, step)["track"])
        output, _, commitment = model(track)
        pitch, voicing = losses(output, track)
        return pitch + voicing + commitment, {"pitch": pitch, "voicing": voicing, "commitment": commitment}

    minimise(run, loss, list(model.parameters()), optimizer, settings.rate, validate)
    return model.eval()
