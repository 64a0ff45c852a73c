"""Content encoder, speaker encoder and mel decoder as one network, the losses that take them all, and what they are made with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content import ContentFamily, hear, make_content
from ..content.fsq import ContentEncoder
from ..decoder.mel import decode_f0
from ..errors import UnitcodecError
from ..features import log_mel
from ..frames import normalise
from ..pitch.vqvae import PitchVQVAE
from ..quantize import straight_through
from ..speaker.encoder import SpeakerEncoder
from ..vocoder.mel_decoder import MelDecoder
from . import hubert
from .settings import Options, Settings
from .vtlp import warped

SCALAR = ("fsq", "whisper")
"""Families of content encoders whose codes are scalar: their codebook does not move with what it is given."""


class Autoencoder(nn.Module):
    """The three parts that share one loss."""

    def __init__(self, content: dict[str, Any], decoder: dict[str, Any] | None = None, speaker: dict[str, Any] | None = None):
        """The arguments of :func:`unitcodec.content.make_content`, those of the mel decoder that do not follow from them, and
        those of the speaker encoder."""
        super().__init__()
        self.content: ContentFamily = make_content(**content)
        self.speaker = SpeakerEncoder(**speaker or {})
        self.decoder = MelDecoder(rows=self.content.channels, stride=self.content.stride, **decoder or {})

    @property
    def scalar(self) -> ContentEncoder:
        """The content encoder, where its codes are scalar."""
        assert isinstance(self.content, ContentEncoder)
        return self.content

    def coded(
        self,
        waveform: Tensor,
        vtlp: Tensor | None = None,
        nested: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Waveform (B, 160 n) -> the units' values (B, channels, m), units (B, rows, m), the quantizer's loss.

        With ``vtlp`` (B,) an encoder of log-mel hears vocal tracts of other lengths. With ``nested`` (B,), from 0 to 1,
        scalar codes are coarser.
        """
        if isinstance(self.content, ContentEncoder):
            return self.quantized(self.latent(waveform, vtlp), nested)
        values, units, loss = self.content.quantize(self._heard(waveform, vtlp))
        return values, units, loss

    def _heard(self, waveform: Tensor, vtlp: Tensor | None) -> Tensor:
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            heard = hear(self.content, waveform)
            return warped(heard, vtlp) if vtlp is not None and self.content.hears == "log_mel" else heard

    def latent(self, waveform: Tensor, vtlp: Tensor | None = None) -> Tensor:
        """Of scalar codes: waveform (B, 160 n) -> what is quantized, (B, rows, m)."""
        latent: Tensor = self.scalar.latent(self._heard(waveform, vtlp)).float()
        return latent

    def quantized(self, latent: Tensor, nested: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Of scalar codes: :meth:`latent` -> as :meth:`coded`."""
        content = self.scalar
        values, units, loss = content.quantizer(latent)
        if nested is not None:
            ladder = content.ladder_codes(latent)
            rungs = torch.ceil(nested * (ladder.shape[1] - 1)).long()
            units = ladder[torch.arange(len(ladder)), rungs]
            values = straight_through(values, content.values(units))
        return values, units, loss

    def unsteadiness(self, latent: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """How far the ``latent`` (B, rows, m) of what is heard is from that of the clean crop, mean square in code steps.

        Only the first learns, and only from crops that are heard otherwise than they were recorded. After the invariance of
        Gat et al. 2023 (arXiv 2209.15483), section 3, which holds discrete units steady under augmentation.
        """
        changed = (batch["heard"] != batch["clean"]).any(1)
        if not changed.any():
            return latent.new_zeros(())
        with torch.no_grad():
            wanted = self.scalar.quantizer.bound(self.latent(batch["clean"][changed]))
        return F.mse_loss(self.scalar.quantizer.bound(latent[changed]), wanted)

    def decoded(self, values: Tensor, other: Tensor, pitch: Tensor) -> Tensor:
        """The units' values, a waveform (B, 160 k) of the voice, pitch (B, 3, n) -> log-mel (B, 80, n)."""
        speaker, _, _ = self.speaker.quantizer(self.voice(other)[..., None])
        mel: Tensor = self.decoder(values, pitch, speaker[..., 0])
        return mel

    def voice(self, waveform: Tensor) -> Tensor:
        """Waveform (B, 160 k) -> what the speaker encoder makes of it, before it is quantized, (B, fields)."""
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            heard = normalise(log_mel(waveform))
        latent: Tensor = self.speaker.latent(heard).float()
        return latent


@torch.no_grad()
def decoded_pitch(model: PitchVQVAE, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What comes out of the F0 codec: pitch features (B, 3, n), and F0 in Hz (B, n), positive everywhere."""
    return decode_f0(model, model.encode(batch["track"]), batch["mean"], batch["deviation"])


def conversion_loss(model: Autoencoder, pitch: PitchVQVAE, values: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """How far a batch, each crop converted to the voice of the one before it, is from those voices.

    The units' ``values`` (B, channels, m) are decoded with the speaker code and the F0 statistics of another crop. The speaker
    encoder hears the log-mel; the loss is the mean distance to what it makes of the voice, in steps of its codes. It does not
    learn by it: it would forget what tells voices apart. After the speaker consistency loss of Casanova et al. 2022, *YourTTS*
    (arXiv 2112.02418), section 2.
    """
    speaker, learns = model.speaker, next(model.speaker.parameters()).requires_grad
    features, _ = decoded_pitch(pitch, batch | {name: batch[name].roll(1, 0) for name in ("mean", "deviation")})
    with torch.no_grad():
        wanted = model.voice(batch["other"]).roll(1, 0)[..., None]
        voice, _, _ = speaker.quantizer(wanted)
    mel = model.decoder(values, features, voice[..., 0])
    speaker.requires_grad_(False)
    heard = speaker.latent(mel).float()[..., None]
    speaker.requires_grad_(learns)
    return F.l1_loss(speaker.quantizer.bound(heard), speaker.quantizer.bound(wanted))


def content_options(settings: Settings) -> Options:
    """What :func:`unitcodec.content.make_content` is given. Raises UnitcodecError for an unknown family."""
    family, content = settings.content.family, settings.content
    if family in SCALAR:
        # What is usual is left out, as in models that were made when there was nothing else.
        options = {
            "levels": list(content.levels),
            **({"stride": content.stride} if content.stride != 4 else {}),
            **({"ladder": list(content.ladder)} if content.ladder else {}),
        }
        return options if family == "fsq" else {"kind": family, **options, **settings.whisper.encoder}
    encoders = {
        "vqvae": settings.vqvae.encoder,
        "hubert": hubert.encoder_options(settings.hubert),
        "cpc": settings.cpc.encoder,
        "pretrained": settings.pretrained.encoder,
    }
    if family not in encoders:
        raise UnitcodecError(f"unknown family of content encoders '{family}': one of {', '.join([*SCALAR, *encoders])}")
    return {"kind": family, "codes": content.codes, **encoders[family]}


def decoder_options(settings: Settings) -> Options:
    """Arguments of the mel decoder that do not follow from the content encoder; what is usual is left out."""
    return {"memory": list(settings.decoder.memory)} if settings.decoder.memory[0] else {}


def speaker_options(settings: Settings) -> Options:
    """Arguments of the speaker encoder; what is usual is left out."""
    return {} if settings.speaker.levels == 4 else {"levels": settings.speaker.levels}
