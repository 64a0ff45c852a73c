"""Stage ``content``: content encoder, speaker encoder and mel decoder, trained together as an autoencoder of log-mel.

Content encoders of self-supervised families are trained before, and stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content import make_content
from ..content.whisper import WhisperContentEncoder, WhisperEncoder
from ..errors import UnitcodecError
from ..features import log_mel
from ..formats.centroids import read_centroids
from ..frames import normalise
from ..pitch.vqvae import PitchVQVAE
from . import cpc, hubert
from .augmentation import Augmentation
from .autoencoder import SCALAR, Autoencoder, content_options, conversion_loss, decoded_pitch, decoder_options, speaker_options
from .batches import Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .ctc import CTCLoss
from .feature_loss import Listener
from .kmeans import codebook, encoder_features
from .loop import Run, minimise
from .optimizer import make_optimizer
from .precision import bfloat16
from .prior import RateTerm
from .settings import Options, Settings


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


def pretrained(corpus: Corpus, folder: Path, settings: Settings, seed: int = 0, device: str = "cpu") -> nn.Module | None:
    """The content encoder of a family that is trained before its decoder; its state is in ``folder``. None for the others."""
    family, codes = settings.content.family, settings.content.codes
    if family == "pretrained":
        return _another(corpus, folder, content_options(settings), settings.pretrained.centroids, seed, device)
    if family == "hubert":
        return hubert.train(corpus, folder, settings.hubert, codes, seed, device)
    if family == "cpc":
        return cpc.train(corpus, folder, settings.cpc, codes, seed, device)
    return None


def _another(corpus: Corpus, folder: Path, options: Options, centroids: str | None, seed: int, device: str) -> nn.Module:
    """A public encoder with its published codebook, or with one of the corpus."""
    encoder: Any = make_content(**options)
    encoder.to(device)
    if centroids is None:
        features = encoder_features(encoder, encoder.latent)
        book = codebook(corpus, features, options["codes"], folder, seed)
    else:
        try:
            book = read_centroids(centroids)
        except (OSError, ValueError) as error:
            raise UnitcodecError(f"{centroids}: {getattr(error, 'strerror', None) or error}") from error
    if book.shape != tuple(encoder.codebook.centroids.shape):
        wanted = " x ".join(map(str, encoder.codebook.centroids.shape))
        raise UnitcodecError(f"{centroids or folder}: centroids of {book.shape[0]} x {book.shape[1]}; the settings say {wanted}")
    encoder.codebook.centroids.copy_(torch.from_numpy(book))
    return encoder


class ContentTraining:
    """The autoencoder and what it learns by.

    Args:
        settings: of the whole run.
        encoder: the content encoder, if it is trained already.
        teacher: the encoder that a content encoder of the family whisper has inside.
        listener: whose opinion the feature loss and the word loss are, where there are any.
    """

    def __init__(
        self,
        corpus: Corpus,
        pitch: PitchVQVAE,
        settings: Settings,
        encoder: nn.Module | None = None,
        teacher: WhisperEncoder | None = None,
        listener: Listener | None = None,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.settings, self.device, self.listener = settings.content, device, listener
        torch.manual_seed(seed)
        self.model = Autoencoder(content_options(settings), decoder_options(settings), speaker_options(settings)).to(device)
        if encoder is not None:
            cast(nn.Module, self.model.content).load_state_dict(encoder.state_dict())
        if teacher is not None and isinstance(self.model.content, WhisperContentEncoder):
            self.model.content.whisper.load_state_dict(teacher.state_dict())
        self.learned = [
            parameter
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
            and (encoder is None or not name.startswith("content.") or name == "content.codebook.embedding")
        ]
        self.pitch = pitch.to(device).eval()
        held_out = held_out_speakers(corpus)
        crops = Augmentation.of(settings.content)
        content = self.model.content
        networks = nn.ModuleList([self.model])
        self.ctc = None
        if settings.content.ctc:
            many = settings.content.ctc_utterances
            self.ctc = CTCLoss(corpus, crops, content.channels, content.stride, many, seed, held_out)
            networks.append(self.ctc.network.to(device))
            self.learned += list(self.ctc.network.parameters())
        self.optimizer = make_optimizer(settings.content.optimizer, networks, self.learned, settings.content.rate)
        self.rate = None
        if settings.content.bits:
            self.rate = RateTerm(content.vocabulary, settings.content.bits * content.stride / 100, device=device)
        self.batches = Batches(corpus, settings.content.seconds, crops, seed, held_out)
        self.test = self._tensors(validation_batches(corpus, 5.12, held_out).batch(24))

    @property
    def parts(self) -> dict[str, Any]:
        """What a run keeps."""
        speller = None if self.ctc is None else self.ctc.network
        parts = {"model": self.model, "speller": speller, "optimizer": self.optimizer, "rate": self.rate}
        return {name: part for name, part in parts.items() if part is not None}

    def train(self, folder: Path) -> None:
        """All steps, or those that are left of the run in ``folder``."""
        run = Run(folder, self.parts, self.settings.steps)
        minimise(run, self.loss, self.learned, self.optimizer, self.settings.rate, lambda: self.validate(folder))

    def _tensors(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self.device) for name, value in batch.items()}

    def _autocast(self) -> torch.autocast:
        return bfloat16(self.device, self.settings.bfloat16)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Of a step's crops: the sum of the losses that the settings ask for, and each of them."""
        settings, model = self.settings, self.model
        batch = self._tensors(self.batches.batch(settings.batch, step))
        with torch.no_grad():
            target = normalise(log_mel(batch["clean"]))
        # Not in bfloat16, where the nearest codevector would often be another than in the codec.
        features, _ = decoded_pitch(self.pitch, batch)
        latent = None
        with self._autocast():
            vtlp = batch["vtlp"] if settings.vtlp else None
            if settings.family in SCALAR:
                latent = model.latent(batch["heard"], vtlp)
                values, units, commitment = model.quantized(latent, batch["nested"] if settings.nested else None)
            else:
                values, units, commitment = model.coded(batch["heard"], vtlp)
            output = model.decoded(values, batch["other"], features).float()
        # What noisy recordings sound like is nothing that a decoder should learn.
        share = batch["clean_target"] / batch["clean_target"].sum().clamp(min=1.0)
        error = output - target
        l1 = (error.abs().mean((1, 2)) * share).sum()
        loss = l1 + 0.5 * (error.square().mean((1, 2)) * share).sum() + commitment
        terms: dict[str, Tensor] = {}
        # Each under an autocast of its own, which remembers how it has cast weights: with gradients or without.
        if settings.steady and latent is not None:
            with self._autocast():
                terms["unsteadiness"] = model.unsteadiness(latent, batch)
        if settings.conversion:
            with self._autocast():
                terms["conversion"] = conversion_loss(model, self.pitch, values, batch)
        if self.ctc is not None:
            waveforms, vtlp, spoken = self.ctc.draw(step)
            with self._autocast():
                said, _, _ = model.coded(waveforms.to(self.device), vtlp.to(self.device) if settings.vtlp else None)
                terms["ctc"] = self.ctc.loss(said, spoken)
        if self.listener is not None:
            with self._autocast():
                terms |= self.listener(target, output, self.listener.crops)
        weights = {**vars(settings), "unsteadiness": settings.steady}
        for name, term in terms.items():
            loss = loss + weights[name] * term
        told: dict[str, float | Tensor] = {"l1": l1, "commitment": commitment, **terms}
        if self.rate is not None:
            bits, rate = self.rate.step(values, units, batch["nested"] == 0)
            loss = loss + bits
            told |= rate
        return loss, told

    @torch.no_grad()
    def validate(self, folder: Path) -> dict[str, float]:
        """The losses on crops of held-out speakers, of which ``folder`` gets some: samples.npy, (4, 2, 80, n) log-mels."""
        settings, model, test = self.settings, self.model, self.test
        model.eval()
        mel, (pitched, _) = normalise(log_mel(test["clean"])), decoded_pitch(self.pitch, test)
        values, units, _ = model.coded(test["clean"])
        output = model.decoded(values, test["other"], pitched)
        np.save(folder / "samples.npy", torch.stack([mel[:4], output[:4]], 1).cpu().numpy())
        found = {"test_l1": F.l1_loss(output, mel).item(), "bits": conditional_entropy(units, max(model.content.vocabulary))}
        if settings.conversion:
            found["test_conversion"] = conversion_loss(model, self.pitch, values, test).item()
        if self.listener is not None:
            found |= {f"test_{name}": value.item() for name, value in self.listener(mel, output).items()}
        if settings.nested:
            rough, _, _ = model.coded(test["clean"], None, torch.full((len(mel),), 0.5, device=self.device))
            output = model.decoded(rough, test["other"], pitched)
            found["coarse_l1"] = F.l1_loss(output, mel).item()
            if self.listener is not None:
                found["coarse_feature_loss"] = self.listener.features(mel, output).mean().item()
        if self.rate is not None:
            found["test_bits"] = self.rate.cost(values, units)
        model.train()
        return found
