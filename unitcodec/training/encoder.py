"""Stage ``encoder``: the content encoder alone, taught by what is spoken from its units.

In the stage ``content`` it learned by the log-mel of the mel decoder. Here the decoder and the generator are finished and stay as
they are; the encoder learns to choose those units from which a recogniser hears in the *sound* what it hears in the recording.
That is the loss of :mod:`unitcodec.encoder.unit_search`, on speech in general instead of the speech at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitstream.entropy.spec import SAMPLE_RATE

from ..content.whisper import WhisperEncoder, difference, whisper_mel
from ..features import log_mel
from ..frames import normalise
from ..pitch.vqvae import PitchVQVAE
from ..vocoder import WaveformGenerator
from .augmentation import Augmentation
from .autoencoder import Autoencoder, conversion_loss, decoded_pitch
from .batches import Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .loop import Run, minimise
from .optimizer import make_optimizer
from .precision import bfloat16
from .prior import RateTerm
from .settings import EncoderSettings
from .teacher import Teachers


class EncoderTraining:
    """The content encoder, and what tells it how its units sound.

    Args:
        autoencoder: of the stage ``content``, its decoder as the joint stage made it; that learns too, if the settings say so.
        generator: finished too.
        teacher: the recogniser, or several.
    """

    def __init__(
        self,
        corpus: Corpus,
        pitch: PitchVQVAE,
        autoencoder: Autoencoder,
        generator: WaveformGenerator,
        teacher: WhisperEncoder | Teachers,
        settings: EncoderSettings,
        seed: int = 0,
        device: str = "cpu",
    ):
        torch.manual_seed(seed)
        self.settings, self.device = settings, device
        self.model, self.generator = autoencoder.to(device).eval(), generator.to(device).eval()
        self.pitch, self.teacher = pitch.to(device).eval(), teacher.to(device).eval()
        self.content: nn.Module = autoencoder.scalar
        # Not what a content encoder has inside and leaves as it is.
        self.learned = [each for each in self.content.parameters() if each.requires_grad]
        for network in (self.model, self.generator, self.pitch, self.teacher):
            network.requires_grad_(False)
        learning = nn.ModuleList([self.content])
        if settings.decoder:
            learning.append(autoencoder.decoder)
            self.learned += list(autoencoder.decoder.parameters())
        for each in self.learned:
            each.requires_grad_(True)
        self.optimizer = make_optimizer(settings.optimizer, learning, self.learned, settings.rate)
        levels = autoencoder.scalar.quantizer.levels.tolist()
        self.rate = RateTerm(levels, 1.0, settings.bits, gain=0.0, device=device)
        crops = Augmentation.of(settings, clean=True)
        held_out = held_out_speakers(corpus)
        self.batches = Batches(corpus, settings.seconds, crops, seed, held_out)
        self.test = self._tensors(validation_batches(corpus, 5.12, held_out).batch(24))

    @property
    def parts(self) -> dict[str, Any]:
        """What a run keeps."""
        decoder = {"decoder": self.model.decoder} if self.settings.decoder else {}
        return {"content": self.content, **decoder, "optimizer": self.optimizer, "rate": self.rate}

    def train(self, folder: Path) -> None:
        """All steps, or those that are left of the run in ``folder``."""
        run = Run(folder, self.parts, self.settings.steps)
        minimise(run, self.loss, self.learned, self.optimizer, self.settings.rate, lambda: self.validate(folder))

    def _tensors(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self.device) for name, value in batch.items()}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Of a step's crops: what the spoken units lack, what they cost, and each term."""
        settings = self.settings
        batch = self._tensors(self.batches.batch(settings.batch, step))
        with bfloat16(self.device, settings.bfloat16):
            latent = self.model.latent(batch["heard"])
        terms, _ = self.spoken(latent, batch)
        nearest, codes, _ = self.model.quantized(latent)
        bits, told = self.rate.step(nearest, codes[:, -nearest.shape[1] :])
        loss = bits + torch.stack([getattr(settings, name) * term for name, term in terms.items()]).sum()
        return loss, {**terms, "rate": told["rate"]}

    def spoken(self, latent: Tensor, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """Latents (B, rows, m) -> how what is spoken of them differs, and the waveform (B, 160 n)."""
        target = batch["clean"]
        with torch.no_grad():
            mel = normalise(log_mel(target))
            features, hz = decoded_pitch(self.pitch, batch)
        with bfloat16(self.device, self.settings.bfloat16):
            with torch.no_grad():
                wanted = self.teacher(whisper_mel(target))
            values, _, _ = self.model.quantized(latent, batch["nested"] if self.settings.nested else None)
            decoded = self.model.decoded(values, batch["other"], features).float()
            found = {}
            if self.settings.conversion:
                found["conversion"] = conversion_loss(self.model, self.pitch, values, batch)
            waveform: Tensor = self.generator(decoded, features, hz)
            with torch.autocast(self.device, enabled=False):
                heard = whisper_mel(waveform.float())
            states = self.teacher(heard)
        return {"mel": F.l1_loss(decoded, mel), "feature_loss": difference(wanted, states).mean(), **found}, waveform

    @torch.no_grad()
    def validate(self, folder: Path) -> dict[str, float]:
        """The losses on crops of held-out speakers, of which ``folder`` gets some: samples.wav, each original before its copy."""
        test, found = self.test, dict[str, float]()
        latent = self.model.latent(test["clean"])
        for name, nested in (("test", 0.0), ("coarse", 0.5)):
            coarse = torch.full((len(latent),), nested, device=self.device)
            with torch.random.fork_rng():
                torch.manual_seed(0)  # of the excitation, the same every time
                terms, waveform = self.spoken(latent, test | {"nested": coarse})
            found |= {f"{name}_{term}": value.item() for term, value in terms.items()}
            if not nested:
                samples = torch.stack([test["clean"][:3], waveform[:3]], 1).flatten().float().cpu().numpy()
                soundfile.write(folder / "samples.wav", samples.clip(-1, 1), SAMPLE_RATE)
        nearest, codes, _ = self.model.quantized(latent)
        found["test_bits"] = self.rate.cost(nearest, codes[:, -nearest.shape[1] :])
        return found
