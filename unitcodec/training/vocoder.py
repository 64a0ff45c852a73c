"""Stages ``vocoder`` and ``joint``: the waveform generator on true log-mels, then together with the mel decoder on codes.

The first needs nothing of the content stage, so both can be trained side by side. The second freezes the encoders (the
codes stay what they are) and lets the adversarial loss on the waveform sharpen the predicted log-mel too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor

from bitstream.entropy.spec import SAMPLE_RATE

from ..features import log_mel
from ..frames import HOP, normalise
from ..pitch.vqvae import PitchVQVAE
from ..vocoder import WaveformGenerator
from ..vocoder.discriminators import (
    MelDiscriminator,
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    Verdict,
    split_verdicts,
)
from ..vocoder.losses import discriminator_loss, generator_loss, mel_loss, stft_loss
from . import parallel
from .augmentation import Augmentation
from .autoencoder import Autoencoder, conversion_loss, decoded_pitch
from .batches import Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .feature_loss import Listener
from .loop import Run, minimise
from .precision import bfloat16
from .settings import AdversarialSettings, JointSettings, VocoderSettings

EDGES = 1.28
"""Seconds that the joint stage's decoder sees more than the losses on waveforms, half of them on each side."""


class Discriminators(torch.nn.Module):
    """All discriminators as one: waveform (B, T) -> the verdicts on it and on its log-mel. A width of 0 leaves a kind out."""

    GAIN = 10.0
    """Brings speech at the reference level to about unit deviation: small inputs leave the biases in charge for long."""

    def __init__(self, settings: AdversarialSettings):
        super().__init__()
        self.waveform = torch.nn.ModuleList()
        if settings.spectrogram_channels:
            self.waveform.append(MultiResolutionDiscriminator(channels=settings.spectrogram_channels))
        if settings.period_width:
            self.waveform.append(MultiPeriodDiscriminator(width=settings.period_width))
        self.mel = torch.nn.ModuleList([MelDiscriminator(channels=settings.mel_channels)] if settings.mel_channels else [])

    def forward(self, waveform: Tensor) -> list[Verdict]:
        mel = normalise(log_mel(waveform)) if len(self.mel) else waveform
        with bfloat16(waveform.device.type):
            verdicts = [verdict for part in self.waveform for verdict in part(self.GAIN * waveform[:, None])]
            return verdicts + [verdict for part in self.mel for verdict in part(mel)]


class Decoding:
    """What the joint stage puts before the generator: codes -> log-mel. The decoder learns, the encoders stay as they are.

    Args:
        nested: share of the crops whose codes are coarser.
    """

    def __init__(self, autoencoder: Autoencoder, pitch: PitchVQVAE, settings: JointSettings, nested: float):
        self.autoencoder, self.pitch, self.settings, self.nested = autoencoder.eval(), pitch, settings, nested
        autoencoder.requires_grad_(False)
        autoencoder.decoder.requires_grad_(True)

    @property
    def augmentation(self) -> Augmentation:
        """How the stage's crops are made."""
        return Augmentation.of(self.settings, clean=True, nested=self.nested)

    def predict(self, batch: dict[str, Tensor], pitch: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Crops, their pitch features (B, 3, n) and log-mel (B, 80, n) -> the decoded log-mel, and the decoder's own losses."""
        losses: dict[str, Tensor] = {}
        with bfloat16(mel.device.type):
            vtlp = batch["vtlp"] if self.settings.vtlp else None
            values, _, _ = self.autoencoder.coded(batch["heard"], vtlp, batch["nested"] if self.nested else None)
            predicted = self.autoencoder.decoded(values, batch["other"], pitch).float()
            if self.settings.conversion:
                losses["conversion"] = conversion_loss(self.autoencoder, self.pitch, values, batch)
        losses["predicted_mel"] = F.l1_loss(predicted, mel)
        return predicted, losses


class GeneratorTraining:
    """The generator, its discriminators and, in the joint stage, what decodes the log-mel that it is given.

    Args:
        model: the generator.
        decoding: of the joint stage; None: the generator is given true log-mels.
        listener: whose opinion of what the generator says the feature loss and the word loss are, where there are any.
    """

    def __init__(
        self,
        corpus: Corpus,
        pitch: PitchVQVAE,
        model: WaveformGenerator,
        discriminators: Discriminators,
        settings: VocoderSettings | JointSettings,
        decoding: Decoding | None = None,
        listener: Listener | None = None,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.pitch, self.model, self.discriminators = pitch.to(device).eval(), model, discriminators
        self.settings, self.decoding, self.listener, self.device = settings, decoding, listener, device
        self.learned = list(model.parameters())
        augmentation, seconds = Augmentation(noise=0, room=0, clean=True), settings.seconds
        if decoding is not None:
            self.learned += list(decoding.autoencoder.decoder.parameters())
            # The decoder sees a longer stretch than the costlier losses do, so that its edges play no part.
            augmentation, seconds = decoding.augmentation, settings.seconds + EDGES
        self.optimizer = torch.optim.AdamW(self.learned, settings.rate, betas=(0.8, 0.98), weight_decay=1e-3)
        self.discriminator_optimizer = torch.optim.AdamW(
            discriminators.parameters(), settings.discriminator_rate, betas=(0.8, 0.99)
        )
        held_out = held_out_speakers(corpus)
        self.batches = Batches(corpus, seconds, augmentation, seed, held_out)
        self.test = self._tensors(validation_batches(corpus, 5.12, held_out).batch(8))

    @property
    def parts(self) -> dict[str, Any]:
        """What a run keeps."""
        decoder = {} if self.decoding is None else {"decoder": self.decoding.autoencoder.decoder}
        return {
            "model": self.model,
            "discriminators": self.discriminators,
            **decoder,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def train(self, folder: Path) -> None:
        """All steps, or those that are left of the run in ``folder``."""
        run = Run(folder, self.parts, self.settings.steps)
        minimise(run, self.loss, self.learned, self.optimizer, self.settings.rate, lambda: self.validate(folder), clip=10.0)

    def _tensors(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self.device) for name, value in batch.items()}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Of a step's crops: :func:`generator_loss`, and its terms. The discriminators learn first, once they take part."""
        settings = self.settings
        batch = self._tensors(self.batches.batch(settings.batch, step))
        waveform, target, losses = self.speak(batch, round(settings.seconds * SAMPLE_RATE / HOP))
        losses["stft"] = stft_loss(target, waveform)
        wanted, spoken = normalise(log_mel(target)), normalise(log_mel(waveform))
        if self.listener is not None:
            with bfloat16(self.device):
                losses |= self.listener(wanted, spoken, self.listener.crops)
        losses["mel"] = mel_loss(wanted, spoken)
        told: dict[str, float | Tensor] = dict(losses)
        real: list[Verdict] = []
        fake: list[Verdict] = []
        if step >= settings.adversarial_from * settings.steps:
            told["discriminator"] = self.discriminate(target, waveform)
            self.discriminators.requires_grad_(False)
            with torch.no_grad():
                real = self.discriminators(target)
            fake = self.discriminators(waveform)
            self.discriminators.requires_grad_(True)
        loss, terms = generator_loss(real, fake, losses, vars(settings))
        return loss, {**told, **terms} if fake else told

    def discriminate(self, target: Tensor, waveform: Tensor) -> Tensor:
        """The discriminators' step: to tell the original waveforms (B, T) from the generated ones. Their loss."""
        loss = discriminator_loss(*split_verdicts(self.discriminators(torch.cat([target, waveform.detach()]))))
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        parallel.average_gradients(self.discriminators.parameters())
        self.discriminator_optimizer.step()
        return loss.detach()

    def speak(self, batch: dict[str, Tensor], crop: int | None) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Generated waveform (B, T), the same stretch of the original, and the decoder's own losses.

        ``crop``: frames, of the middle, that the generator speaks; None: all of them.
        """
        features, hz = decoded_pitch(self.pitch, batch)
        target, mel = batch["clean"], normalise(log_mel(batch["clean"]))
        losses: dict[str, Tensor] = {}
        if self.decoding is not None:
            mel, losses = self.decoding.predict(batch, features, mel)
        if crop is not None and mel.shape[2] > crop:
            first = (mel.shape[2] - crop) // 2
            part = slice(first, first + crop)
            mel, features, hz = mel[..., part], features[..., part], hz[:, part]
            target = target[:, first * HOP : (first + crop) * HOP]
        with bfloat16(self.device):
            waveform: Tensor = self.model(mel, features, hz)
        return waveform, target, losses

    @torch.no_grad()
    def validate(self, folder: Path) -> dict[str, float]:
        """The losses on crops of held-out speakers; ``folder`` gets some of them: samples.wav, each original before its copy."""
        self.model.eval()
        waveform, target, losses = self.speak(self.test, None)
        wanted, spoken = normalise(log_mel(target)), normalise(log_mel(waveform))
        losses |= {"stft": stft_loss(target, waveform), "mel": mel_loss(wanted, spoken)}
        if self.listener is not None:
            losses |= self.listener(wanted, spoken)
        self.model.train()
        samples = torch.stack([target[:3], waveform[:3]], 1).flatten().cpu().numpy()
        soundfile.write(folder / "samples.wav", np.clip(samples, -1, 1), SAMPLE_RATE)
        return {f"test_{name}": loss.item() for name, loss in losses.items()}
