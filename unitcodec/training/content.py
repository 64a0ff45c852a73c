"""Stage ``content``: content encoder, speaker encoder and mel decoder, trained together as an autoencoder of log-mel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content.fsq import ContentEncoder
from ..features import log_mel, normalise
from ..pitch.vqvae import PitchVQVAE
from ..speaker.encoder import SpeakerEncoder
from ..vocoder.discriminators import MelDiscriminator
from ..vocoder.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from ..vocoder.mel_decoder import MelDecoder, pitch_features
from .batches import Augmentation, Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .loop import Run, cosine, set_rate


class Autoencoder(nn.Module):
    """The three parts that share one loss."""

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        self.content = ContentEncoder(levels=tuple(levels))
        self.speaker = SpeakerEncoder()
        self.decoder = MelDecoder(rows=len(levels))

    def forward(self, mel: Tensor, other: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised log-mels (B, 80, n), (B, 80, k), pitch (B, 3, n) -> predicted log-mel (B, 80, n), units (B, rows, n / 4)."""
        values, units, _ = self.content.quantizer(self.content.latent(mel).float())
        speaker, _, _ = self.speaker.quantizer(self.speaker.latent(other).float()[..., None])
        return self.decoder(values, pitch, speaker[..., 0]), units


@torch.no_grad()
def decoded_pitch(model: PitchVQVAE, batch: dict[str, Tensor]) -> Tensor:
    """What the decoder will see of F0: the track after its own codec."""
    output = model.decode(model.encode(batch["track"]))
    track = torch.stack([output[:, 0], (output[:, 1] > 0).float()], 1)
    return pitch_features(track, batch["mean"], batch["deviation"])


def conditional_entropy(units: Tensor, size: int) -> float:
    """Bits a frame of (B, rows, T) when each value is coded given its predecessor in its own row: a first look at the rate."""
    bits = 0.0
    for row in units.transpose(0, 1):
        pairs = (
            torch.bincount((row[:, :-1] * size + row[:, 1:]).reshape(-1), minlength=size * size).reshape(size, size).double()
            + 1e-3
        )
        joint = pairs / pairs.sum()
        bits -= (joint * torch.log2(joint / joint.sum(1, keepdim=True))).sum().item()
    return bits


def train(
    corpus: Corpus, pitch: PitchVQVAE, folder: Path, settings: dict[str, Any], seed: int = 0, device: str = "cpu"
) -> Autoencoder:
    torch.manual_seed(seed)
    model = Autoencoder(settings["levels"]).to(device)
    judge = MelDiscriminator().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), settings["rate"], betas=(0.9, 0.98), weight_decay=1e-2)
    judge_optimizer = torch.optim.AdamW(judge.parameters(), 3e-4, betas=(0.8, 0.99))
    pitch = pitch.to(device).eval()
    held_out = held_out_speakers(corpus)
    run = Run(
        folder, {"model": model, "optimizer": optimizer, "judge": judge, "judge_optimizer": judge_optimizer}, settings["steps"]
    )
    batches = Batches(corpus, settings["seconds"], Augmentation(), seed + run.step, held_out)
    test = validation_batches(corpus, 5.12, held_out)

    def tensors(batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(device) for name, value in batch.items()}

    test_batch = tensors(test.batch(24))

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            mel = normalise(log_mel(test_batch["clean"]))
            output, units = model(mel, normalise(log_mel(test_batch["other"])), decoded_pitch(pitch, test_batch))
        model.train()
        np.save(run.folder / "samples.npy", torch.stack([mel[:4], output[:4]], 1).cpu().numpy())
        return {"test_l1": F.l1_loss(output, mel).item(), "bits": conditional_entropy(units, max(settings["levels"]))}

    for step in run.steps(validate):
        set_rate(optimizer, cosine(step, settings["steps"], settings["rate"]))
        batch = tensors(batches.batch(settings["batch"]))
        with torch.no_grad():
            target, heard, other = (normalise(log_mel(batch[name])) for name in ("clean", "heard", "other"))
        # Not in bfloat16, where the nearest codevector would often be another than in the codec.
        features = decoded_pitch(pitch, batch)
        with torch.autocast(device, torch.bfloat16):
            output, _ = model(heard, other, features)
        output = output.float()
        l1 = F.l1_loss(output, target)
        loss = l1 + 0.5 * F.mse_loss(output, target)
        logged = {"l1": l1}
        if step >= settings["adversarial_from"] * settings["steps"]:
            with torch.autocast(device, torch.bfloat16):
                real, fake = judge(target), judge(output.detach())
            judge_loss = discriminator_loss(real, fake)
            judge_optimizer.zero_grad()
            judge_loss.backward()
            judge_optimizer.step()
            with torch.autocast(device, torch.bfloat16):
                fake = judge(output)
            adversarial = adversarial_loss(fake)
            matching = feature_matching_loss(real, fake)
            loss = loss + settings["adversarial"] * adversarial + settings["feature_matching"] * matching
            logged.update(judge=judge_loss, adversarial=adversarial, matching=matching)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.log(**logged)
    return model.eval()
