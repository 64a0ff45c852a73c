"""Stage ``content``: content encoder, speaker encoder and mel decoder, trained together as an autoencoder of log-mel.

Content encoders of self-supervised families are trained before, and stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..centroids import read_centroids
from ..content import hear, make_content
from ..content.fsq import ContentEncoder
from ..content.whisper import WhisperEncoder
from ..errors import UnitcodecError
from ..features import log_mel, normalise
from ..pitch.vqvae import PitchVQVAE
from ..quantize import straight_through
from ..speaker.encoder import SpeakerEncoder
from ..vocoder.mel_decoder import F0_RANGE, MelDecoder, pitch_features
from . import cpc, hubert, parallel
from .augmentation import Augmentation
from .batches import Batches, held_out_speakers, validation_batches
from .corpus import Corpus
from .ctc import CTCLoss
from .feature_loss import FeatureLoss, difference, fit_map
from .kmeans import codebook, encoder_features
from .loop import Run, cosine, set_rate
from .optimizer import make_optimizer
from .prior import RateTerm
from .vtlp import warped
from .words import WordLoss

FAMILIES = ("fsq", "whisper", "vqvae", "hubert", "cpc", "pretrained")


SCALAR = ("fsq", "whisper")
"""Those whose codes are scalar: their codebook does not move with what it is given."""


class Autoencoder(nn.Module):
    """The three parts that share one loss."""

    def __init__(self, content: dict[str, Any], decoder: dict[str, Any] | None = None, speaker: dict[str, Any] | None = None):
        """The arguments of :func:`unitcodec.content.make_content`, those of the mel decoder that do not follow from them, and
        those of the speaker encoder."""
        super().__init__()
        self.content: Any = make_content(**content)
        self.speaker = SpeakerEncoder(**speaker or {})
        self.decoder = MelDecoder(rows=self.content.channels, stride=self.content.stride, **decoder or {})

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
        latent: Tensor = self.content.latent(self._heard(waveform, vtlp)).float()
        return latent

    def quantized(self, latent: Tensor, nested: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Of scalar codes: :meth:`latent` -> as :meth:`coded`."""
        values, units, loss = self.content.quantizer(latent)
        if nested is not None:
            ladder = self.content.ladder_codes(latent)
            rungs = torch.ceil(nested * (ladder.shape[1] - 1)).long()
            units = ladder[torch.arange(len(ladder)), rungs]
            values = straight_through(values, self.content.values(units))
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
            wanted = self.content.quantizer.bound(self.latent(batch["clean"][changed]))
        return F.mse_loss(self.content.quantizer.bound(latent[changed]), wanted)

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
    output = model.decode(model.encode(batch["track"]))
    track = torch.stack([output[:, 0], (output[:, 1] > 0).float()], 1)
    hz = torch.exp(track[:, 0] * batch["deviation"][:, None] + batch["mean"][:, None]).clamp(*F0_RANGE)
    return pitch_features(track, batch["mean"], batch["deviation"]), hz


AUGMENTED = ("speed", "voice", "equalizer", "vtlp", "heard_tract", "nested", "hours_power", "noise", "babble", "room")
"""Settings of the stage that say how its crops are made."""


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


def content_options(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What :func:`unitcodec.content.make_content` is given, of all stages' settings. Raises UnitcodecError."""
    family = settings["content"]["family"]
    if family in SCALAR:
        stride = settings["content"]["stride"]
        # What is usual is left out, as in models that were made when there was nothing else.
        ladder = settings["content"]["ladder"]
        options = {
            "levels": settings["content"]["levels"],
            **({"stride": stride} if stride != 4 else {}),
            **({"ladder": ladder} if ladder else {}),
        }
        return options if family == "fsq" else {"kind": family, **options, **settings[family]["encoder"]}
    if family not in settings or "encoder" not in settings[family]:
        raise UnitcodecError(f"unknown family of content encoders '{family}': one of {', '.join(FAMILIES)}")
    options = hubert.encoder_options(settings[family]) if family == "hubert" else settings[family]["encoder"]
    return {"kind": family, "codes": settings["content"]["codes"], **options}


def decoder_options(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Arguments of the mel decoder that do not follow from the content encoder; what is usual is left out."""
    return {} if not settings["decoder"]["memory"][0] else dict(settings["decoder"])


def speaker_options(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Arguments of the speaker encoder; what is usual is left out."""
    return {} if settings["speaker"]["levels"] == 4 else dict(settings["speaker"])


def pretrained(
    corpus: Corpus, folder: Path, settings: dict[str, dict[str, Any]], seed: int = 0, device: str = "cpu"
) -> nn.Module | None:
    """The content encoder of a family that is trained before its decoder; its state is in ``folder``. None for the others."""
    family, codes = settings["content"]["family"], settings["content"]["codes"]
    if family == "pretrained":
        return _another(corpus, folder, content_options(settings), settings["pretrained"]["centroids"], seed, device)
    stages = {"hubert": hubert.train, "cpc": cpc.train}
    return stages[family](corpus, folder, settings[family], codes, seed, device) if family in stages else None


def _another(corpus: Corpus, folder: Path, options: dict[str, Any], centroids: str | None, seed: int, device: str) -> nn.Module:
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


def train(
    corpus: Corpus,
    pitch: PitchVQVAE,
    folder: Path,
    options: dict[str, Any],
    settings: dict[str, Any],
    encoder: nn.Module | None = None,
    seed: int = 0,
    device: str = "cpu",
    teacher: WhisperEncoder | None = None,
    decoder: dict[str, Any] | None = None,
    speaker: dict[str, Any] | None = None,
    word_loss: WordLoss | None = None,
) -> Autoencoder:
    """Train encoders and mel decoder.

    Args:
        options, decoder, speaker: of the content encoder, the mel decoder and the speaker encoder.
        encoder: the first itself, if it is trained already.
        teacher: whose opinion the feature loss is, and which is part of a content encoder of the family whisper.
        word_loss: by the decoder of the same teacher, if ``settings["word_loss"]`` is not 0.
    """
    torch.manual_seed(seed)
    model = Autoencoder(options, decoder, speaker).to(device)
    if encoder is not None:
        model.content.load_state_dict(encoder.state_dict())
    if teacher is not None and settings["family"] == "whisper":
        model.content.whisper.load_state_dict(teacher.state_dict())
    learned = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and (encoder is None or not name.startswith("content.") or name == "content.codebook.embedding")
    ]
    feature_loss = None
    if settings["feature_loss"] or settings["word_loss"]:
        assert teacher is not None
        feature_loss = FeatureLoss(teacher, *fit_map(corpus)).to(device)
    if settings["word_loss"]:
        assert word_loss is not None
        word_loss = word_loss.to(device)
    pitch = pitch.to(device).eval()
    held_out = held_out_speakers(corpus)
    augmentation = Augmentation(**{name: settings[name] for name in AUGMENTED})
    parts: dict[str, Any] = {"model": model}
    networks, ctc = nn.ModuleList([model]), None
    if settings["ctc"]:
        content = model.content
        ctc = CTCLoss(corpus, augmentation, content.channels, content.stride, settings["ctc_utterances"], seed, held_out)
        parts["speller"] = ctc.network.to(device)
        networks.append(ctc.network)
        learned += list(ctc.network.parameters())
    optimizer = make_optimizer(settings["optimizer"], networks, learned, settings["rate"])
    parts["optimizer"] = optimizer
    rate = None
    if settings["bits"]:
        rate = RateTerm(model.content.vocabulary, settings["bits"] * model.content.stride / 100, device=device)
        parts["rate"] = rate
    run = Run(folder, parts, settings["steps"])
    batches = Batches(corpus, settings["seconds"], augmentation, seed, held_out)
    test = validation_batches(corpus, 5.12, held_out)

    def tensors(batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(device) for name, value in batch.items()}

    test_batch = tensors(test.batch(24))

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            mel, (pitched, _) = normalise(log_mel(test_batch["clean"])), decoded_pitch(pitch, test_batch)
            values, units, _ = model.coded(test_batch["clean"])
            output = model.decoded(values, test_batch["other"], pitched)
        np.save(run.folder / "samples.npy", torch.stack([mel[:4], output[:4]], 1).cpu().numpy())
        found = {"test_l1": F.l1_loss(output, mel).item(), "bits": conditional_entropy(units, max(model.content.vocabulary))}
        if settings["conversion"]:
            with torch.no_grad():
                found["test_conversion"] = conversion_loss(model, pitch, values, test_batch).item()
        if feature_loss is not None:
            with torch.no_grad():
                wanted, heard = feature_loss.states(mel), feature_loss.states(output)
                found["test_feature_loss"] = difference(wanted, heard).mean().item()
                if word_loss is not None:
                    found["test_words"] = word_loss(wanted[-1], heard[-1]).mean().item()
        if settings["nested"]:
            with torch.no_grad():
                rough, _, _ = model.coded(test_batch["clean"], None, torch.full((len(mel),), 0.5, device=device))
                output = model.decoded(rough, test_batch["other"], pitched)
                found["coarse_l1"] = F.l1_loss(output, mel).item()
                if feature_loss is not None:
                    found["coarse_feature_loss"] = feature_loss(mel, output).mean().item()
        if rate is not None:
            found["test_bits"] = rate.cost(values, units)
        model.train()
        return found

    for step in run.steps(validate):
        set_rate(optimizer, cosine(step, settings["steps"], settings["rate"]))
        batch = tensors(batches.batch(settings["batch"], step))
        with torch.no_grad():
            target = normalise(log_mel(batch["clean"]))
        # Not in bfloat16, where the nearest codevector would often be another than in the codec.
        features, _ = decoded_pitch(pitch, batch)
        with torch.autocast(device, torch.bfloat16, enabled=settings["bfloat16"]):
            vtlp = batch["vtlp"] if settings["vtlp"] else None
            if settings["family"] in SCALAR:
                latent = model.latent(batch["heard"], vtlp)
                values, units, commitment = model.quantized(latent, batch["nested"] if settings["nested"] else None)
            else:
                values, units, commitment = model.coded(batch["heard"], vtlp)
            output = model.decoded(values, batch["other"], features).float()
        # What noisy recordings sound like is nothing that a decoder should learn.
        share = batch["clean_target"] / batch["clean_target"].sum().clamp(min=1.0)
        error = output - target
        l1 = (error.abs().mean((1, 2)) * share).sum()
        loss = l1 + 0.5 * (error.square().mean((1, 2)) * share).sum() + commitment
        logged: dict[str, float | Tensor] = {"l1": l1, "commitment": commitment}
        if settings["steady"]:
            with torch.autocast(device, torch.bfloat16, enabled=settings["bfloat16"]):
                logged["unsteadiness"] = model.unsteadiness(latent, batch)
            loss = loss + settings["steady"] * logged["unsteadiness"]
        if settings["conversion"]:
            with torch.autocast(device, torch.bfloat16, enabled=settings["bfloat16"]):
                logged["conversion"] = conversion_loss(model, pitch, values, batch)
            loss = loss + settings["conversion"] * logged["conversion"]
        if ctc is not None:
            waveforms, vtlp, spoken = ctc.draw(step)
            with torch.autocast(device, torch.bfloat16, enabled=settings["bfloat16"]):
                said, _, _ = model.coded(waveforms.to(device), vtlp.to(device) if settings["vtlp"] else None)
                logged["ctc"] = ctc.loss(said, spoken)
            loss = loss + settings["ctc"] * logged["ctc"]
        if feature_loss is not None:
            with torch.autocast(device, torch.bfloat16, enabled=settings["bfloat16"]):
                with torch.no_grad():
                    wanted = feature_loss.states(target)
                heard = feature_loss.states(output)
                logged["feature_loss"] = difference(wanted, heard).mean()
                if word_loss is not None:
                    read = slice(settings["word_crops"])
                    logged["words"] = word_loss(wanted[-1][read], heard[-1][read]).mean()
                    loss = loss + settings["word_loss"] * logged["words"]
            loss = loss + settings["feature_loss"] * logged["feature_loss"]
        if rate is not None:
            term, told = rate.step(values, units, batch["nested"] == 0)
            loss = loss + term
            logged |= told
        optimizer.zero_grad()
        loss.backward()
        parallel.average_gradients(learned)
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        run.log(**logged)
    return model.eval()
