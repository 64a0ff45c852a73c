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

from ..content.whisper import WhisperEncoder
from ..features import HOP, log_mel, normalise
from ..pitch.vqvae import PitchVQVAE
from ..vocoder import make_generator
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
from .batches import Batches, held_out_speakers, validation_batches
from .content import Autoencoder, conversion_loss, decoded_pitch
from .corpus import Corpus
from .feature_loss import FeatureLoss, difference, fit_map
from .loop import Run, cosine, set_rate
from .words import WordLoss

EDGES = 1.28
"""Seconds that the joint stage's decoder sees more than the losses on waveforms, half of them on each side."""


class Discriminators(torch.nn.Module):
    """All discriminators as one: waveform (B, T) -> the verdicts on it and on its log-mel. A width of 0 leaves a kind out."""

    GAIN = 10.0
    """Brings speech at the reference level to about unit deviation: small inputs leave the biases in charge for long."""

    def __init__(self, spectrogram_channels: int, period_width: float, mel_channels: int):
        super().__init__()
        self.waveform = torch.nn.ModuleList()
        if spectrogram_channels:
            self.waveform.append(MultiResolutionDiscriminator(channels=spectrogram_channels))
        if period_width:
            self.waveform.append(MultiPeriodDiscriminator(width=period_width))
        self.mel = torch.nn.ModuleList([MelDiscriminator(channels=mel_channels)] if mel_channels else [])

    def forward(self, waveform: Tensor) -> list[Verdict]:
        mel = normalise(log_mel(waveform)) if len(self.mel) else waveform
        with torch.autocast(waveform.device.type, torch.bfloat16):
            verdicts = [verdict for part in self.waveform for verdict in part(self.GAIN * waveform[:, None])]
            return verdicts + [verdict for part in self.mel for verdict in part(mel)]


def train(
    corpus: Corpus,
    pitch: PitchVQVAE,
    folder: Path,
    settings: dict[str, Any],
    autoencoder: Autoencoder | None = None,
    begun: dict[str, dict[str, Tensor]] | None = None,
    seed: int = 0,
    device: str = "cpu",
    teacher: WhisperEncoder | None = None,
    word_loss: WordLoss | None = None,
) -> None:
    """Train the generator on true log-mels or, given an ``autoencoder``, its decoder and the generator on codes.

    ``settings["nested"]`` of the crops have coarser codes. The joint stage's ``vtlp``, ``equalizer``, ``conversion``,
    ``feature_loss`` and ``word_loss`` (by the ``teacher`` and its decoder, of what the generator says) mean what they mean in the
    content stage.
    A new run starts from the state dicts ``begun`` ("model", "discriminators") of an earlier one if given. The results are the
    entries "model" and, in the joint stage, "decoder" of ``folder/state.pt``.
    """
    torch.manual_seed(seed)
    model = make_generator(**settings["generator"]).to(device)
    widths = settings["spectrogram_channels"], settings["period_width"], settings["mel_channels"]
    discriminators = Discriminators(*widths).to(device)
    if begun is not None:
        model.load_state_dict(begun["model"])
        if "discriminators" in begun:
            discriminators.load_state_dict(begun["discriminators"])
    parts: dict[str, Any] = {"model": model, "discriminators": discriminators}
    learned = list(model.parameters())
    if autoencoder is not None:
        autoencoder = autoencoder.to(device).eval()
        autoencoder.content.requires_grad_(False)
        autoencoder.speaker.requires_grad_(False)
        parts["decoder"] = autoencoder.decoder
        learned += list(autoencoder.decoder.parameters())
    optimizer = torch.optim.AdamW(learned, settings["rate"], betas=(0.8, 0.98), weight_decay=1e-3)
    discriminator_optimizer = torch.optim.AdamW(discriminators.parameters(), settings["discriminator_rate"], betas=(0.8, 0.99))
    pitch = pitch.to(device).eval()
    held_out = held_out_speakers(corpus)
    run = Run(folder, dict(**parts, optimizer=optimizer, discriminator_optimizer=discriminator_optimizer), settings["steps"])
    # The decoder sees a longer stretch than the costlier losses do, so that its edges play no part.
    seconds = settings["seconds"] + (0.0 if autoencoder is None else EDGES)
    frames = round(settings["seconds"] * 100)
    augmentation = Augmentation(noise=0, room=0, clean=True)
    if autoencoder is not None:
        augmentation = Augmentation(clean=True, **{name: settings[name] for name in ("voice", "equalizer", "vtlp", "nested")})
    feature_loss = None
    if teacher is not None:
        feature_loss = FeatureLoss(teacher, *fit_map(corpus)).to(device)
    if word_loss is not None:
        word_loss = word_loss.to(device)
    batches = Batches(corpus, seconds, augmentation, seed, held_out)
    test = validation_batches(corpus, 5.12, held_out)

    def tensors(batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(device) for name, value in batch.items()}

    def speak(batch: dict[str, Tensor], crop: int | None) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Generated waveform, the same stretch of the original, and the decoder's own losses."""
        features, hz = decoded_pitch(pitch, batch)
        target, losses = batch["clean"], {}
        mel = normalise(log_mel(target))
        if autoencoder is not None:
            with torch.autocast(device, torch.bfloat16):
                vtlp = batch["vtlp"] if settings["vtlp"] else None
                nested = batch["nested"] if settings["nested"] else None
                values, _, _ = autoencoder.coded(batch["heard"], vtlp, nested)
                predicted = autoencoder.decoded(values, batch["other"], features).float()
                if settings["conversion"]:
                    losses["conversion"] = conversion_loss(autoencoder, pitch, values, batch)
            losses["predicted_mel"] = F.l1_loss(predicted, mel)
            mel = predicted
        if crop is not None and mel.shape[2] > crop:
            first = (mel.shape[2] - crop) // 2
            part = slice(first, first + crop)
            mel, features, hz, target = (
                mel[..., part],
                features[..., part],
                hz[:, part],
                target[:, first * HOP : (first + crop) * HOP],
            )
        with torch.autocast(device, torch.bfloat16):
            return model(mel, features, hz), target, losses

    test_batch = tensors(test.batch(8))

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            waveform, target, losses = speak(test_batch, None)
            values = {"test_stft": stft_loss(target, waveform).item()} | {f"test_{n}": loss.item() for n, loss in losses.items()}
            wanted, spoken = normalise(log_mel(target)), normalise(log_mel(waveform))
            values["test_mel"] = mel_loss(wanted, spoken).item()
            if feature_loss is not None:
                values["test_feature_loss"] = feature_loss(wanted, spoken).mean().item()
        model.train()
        samples = torch.stack([target[:3], waveform[:3]], 1).flatten().cpu().numpy()
        soundfile.write(run.folder / "samples.wav", np.clip(samples, -1, 1), 16000)
        return values

    for step in run.steps(validate):
        set_rate(optimizer, cosine(step, settings["steps"], settings["rate"]))
        waveform, target, losses = speak(tensors(batches.batch(settings["batch"], step)), frames)
        losses["stft"] = stft_loss(target, waveform)
        wanted, spoken = normalise(log_mel(target)), normalise(log_mel(waveform))
        if feature_loss is not None:
            with torch.autocast(device, torch.bfloat16):
                with torch.no_grad():
                    true_states = feature_loss.states(wanted)
                states = feature_loss.states(spoken)
                losses["feature_loss"] = difference(true_states, states).mean()
                if word_loss is not None:
                    read = slice(settings["word_crops"])
                    losses["word_loss"] = word_loss(true_states[-1][read], states[-1][read]).mean()
        losses["mel"] = mel_loss(wanted, spoken)
        logged = dict(losses)
        real: list[Verdict] = []
        fake: list[Verdict] = []
        if step >= settings["adversarial_from"] * settings["steps"]:
            both = discriminators(torch.cat([target, waveform.detach()]))
            loss_of_discriminators = discriminator_loss(*split_verdicts(both))
            discriminator_optimizer.zero_grad()
            loss_of_discriminators.backward()
            parallel.average_gradients(discriminators.parameters())
            discriminator_optimizer.step()
            discriminators.requires_grad_(False)
            with torch.no_grad():
                real = discriminators(target)
            fake = discriminators(waveform)
            discriminators.requires_grad_(True)
            logged["discriminator"] = loss_of_discriminators.detach()
        loss, terms = generator_loss(real, fake, losses, settings)
        if fake:
            logged |= terms
        optimizer.zero_grad()
        loss.backward()
        parallel.average_gradients(learned)
        torch.nn.utils.clip_grad_norm_(learned, 10.0)
        optimizer.step()
        run.log(**logged)
