"""What each stage takes of the others' states in a run's folder, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from ..configuration import ModelConfig
from ..content import make_content
from ..errors import UnitcodecError
from ..model import digest
from ..pitch.vqvae import PitchVQVAE
from ..vocoder import make_generator
from . import entropy_stage, parallel
from . import pitch as pitch_stage
from .autoencoder import SCALAR, Autoencoder, content_options, decoder_options, speaker_options
from .content import ContentTraining, pretrained
from .corpus import Corpus, prepare
from .encoder import EncoderTraining
from .export import export, gather
from .feature_loss import FeatureLoss, Listener, fit_map
from .loop import STATE, read_state
from .precision import pays
from .settings import ContentSettings, JointSettings, Options, Settings
from .teacher import read_teachers, read_whisper
from .vocoder import Decoding, Discriminators, GeneratorTraining
from .words import WordLoss, read_decoder

OPTIONS = "options.json"
"""In the content stage's folder: what the content encoder was made with."""


@dataclass(frozen=True)
class Folder:
    """A run: its corpus, its folder ``out`` with a folder a stage, and what it goes by.

    Each method that takes of another stage raises UnitcodecError where that has not been run.
    """

    corpus: Corpus
    out: Path
    settings: Settings
    seed: int
    device: str
    validation: str | Path | None

    def state(self, stage: str) -> dict[str, Any]:
        """What a stage left, or what it begins with."""
        state, path = read_state(self.out / stage)
        if state is None:
            raise UnitcodecError(f"{path} is missing: run the stage '{stage}' first")
        return state

    def pitch(self) -> PitchVQVAE:
        model = PitchVQVAE(self.settings.pitch.codes)
        model.load_state_dict(self.state("pitch")["model"])
        return model.eval()

    def autoencoder(self) -> Autoencoder:
        model = Autoencoder(self.content_options(), decoder_options(self.settings), speaker_options(self.settings))
        model.load_state_dict(self.state("content")["model"])
        return model

    def taught(self) -> Autoencoder:
        """As the stage ``encoder`` left it, if the settings ask for that stage: the content encoder and, if it learned, the mel
        decoder."""
        model = self.autoencoder()
        if self.settings.encoder.steps:
            state = self.state("encoder")
            if ("decoder" in state) != self.settings.encoder.decoder:
                raise UnitcodecError(f"{self.out / 'encoder'}: of another encoder.decoder: take another --out, or --restart")
            model.scalar.load_state_dict(state["content"])
            if "decoder" in state:
                model.decoder.load_state_dict(state["decoder"])
        return model.eval()

    def spoken(self) -> dict[str, Any]:
        """What makes the sound: generator and, after the joint stage, mel decoder."""
        return self.state("joint" if self.settings.export.joint else "vocoder")

    def content_options(self) -> Options:
        """Of the encoder that the content stage trained, whatever the settings are now."""
        path = self.out / "content" / OPTIONS
        if not path.exists():
            return content_options(self.settings)
        options: Options = json.loads(path.read_text(encoding="utf-8"))
        return options

    def listener(self, stage: ContentSettings | JointSettings) -> Listener | None:
        """Whose opinion a stage's losses ask for; None where they do not."""
        if not (stage.feature_loss or stage.word_loss):
            return None
        dtype = torch.bfloat16 if pays(self.device) else torch.float32
        words = WordLoss(read_decoder(self.settings.whisper.decoder), dtype) if stage.word_loss else None
        teachers = read_teachers(self.settings.whisper)
        return Listener(FeatureLoss(teachers, *fit_map(self.corpus)), words, stage.word_crops).to(self.device)


def _pitch(run: Folder) -> None:
    pitch_stage.train(run.corpus, run.out / "pitch", run.settings.pitch, run.seed)


def _content(run: Folder) -> None:
    folder, settings, stage = run.out / "content", run.settings, run.settings.content
    options = content_options(settings)
    if (folder / STATE).exists() and run.content_options() != json.loads(json.dumps(options)):
        raise UnitcodecError(f"{folder}: a content encoder with other settings: take another --out, or --restart")
    for name in ("bits", "ctc", "ladder", "nested", "steady"):
        if vars(stage)[name] and stage.family not in SCALAR:
            raise UnitcodecError(f"content.{name}: only for scalar codes (the families {' and '.join(SCALAR)})")
    if stage.bits and stage.ladder:
        raise UnitcodecError("content.bits: not for codes with a ladder; their step sets the rate")
    encoder = pretrained(run.corpus, folder, settings, run.seed, run.device)
    teacher = read_whisper(settings.whisper.checkpoint) if stage.family == "whisper" else None
    listener = run.listener(stage)
    if parallel.rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OPTIONS).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
    ContentTraining(run.corpus, run.pitch(), settings, encoder, teacher, listener, run.seed, run.device).train(folder)


def _vocoder(run: Folder) -> None:
    stage, pitch = run.settings.vocoder, run.pitch()
    torch.manual_seed(run.seed)
    model = make_generator(**stage.generator).to(run.device)
    discriminators = Discriminators(stage).to(run.device)
    training = GeneratorTraining(run.corpus, pitch, model, discriminators, stage, seed=run.seed, device=run.device)
    training.train(run.out / "vocoder")


def _joint(run: Folder) -> None:
    stage, pitch, autoencoder, begun = run.settings.joint, run.pitch(), run.autoencoder(), run.state("vocoder")
    listener = run.listener(stage)
    torch.manual_seed(run.seed)
    model = make_generator(**run.settings.vocoder.generator).to(run.device)
    discriminators = Discriminators(stage).to(run.device)
    model.load_state_dict(begun["model"])
    if "discriminators" in begun:
        discriminators.load_state_dict(begun["discriminators"])
    decoding = Decoding(autoencoder.to(run.device), pitch, stage, run.settings.content.nested)
    GeneratorTraining(run.corpus, pitch, model, discriminators, stage, decoding, listener, run.seed, run.device).train(
        run.out / "joint"
    )


def _encoder(run: Folder) -> None:
    settings, stage = run.settings, run.settings.encoder
    if not stage.steps:
        return
    autoencoder, spoken = run.autoencoder(), run.spoken()
    if "decoder" in spoken:
        autoencoder.decoder.load_state_dict(spoken["decoder"])
    generator = make_generator(**settings.vocoder.generator)
    generator.load_state_dict(spoken["model"])
    teacher = read_teachers(settings.whisper)
    EncoderTraining(run.corpus, run.pitch(), autoencoder, generator, teacher, stage, run.seed, run.device).train(
        run.out / "encoder"
    )


def _coders(run: Folder, autoencoder: Autoencoder, pitch: PitchVQVAE) -> str:
    """Digest of the weights that code the corpus. Raises UnitcodecError if its codes are there and were made by others."""
    folder = run.out / "entropy"
    coders = torch.nn.ModuleList([cast(torch.nn.Module, autoencoder.content), pitch, autoencoder.speaker])
    weights = digest({name: value.detach() for name, value in coders.state_dict().items()})
    if (folder / entropy_stage.CODES).exists() and entropy_stage.coded_by(folder) not in ("", weights):
        raise UnitcodecError(
            f"{folder / entropy_stage.CODES}: made by other weights than those that are there now: run 'entropy' with --restart"
        )
    return weights


def _entropy(run: Folder) -> None:
    folder, autoencoder, pitch = run.out / "entropy", run.taught(), run.pitch()
    content, speaker = autoencoder.content, autoencoder.speaker
    weights = _coders(run, autoencoder, pitch)
    if not (folder / entropy_stage.CODES).exists():
        nested = run.settings.content.nested
        codes = entropy_stage.code_corpus(run.corpus, content, pitch, speaker, nested, run.seed)
        entropy_stage.save_codes(folder, codes, weights)
    spec = entropy_stage.describe(content.vocabulary, content.stride, run.settings.pitch.codes, speaker.alphabets)
    entropy_stage.fit(folder, spec, replace(run.settings.entropy, seed=run.seed))


def _export(run: Folder) -> None:
    settings, options = run.settings, run.content_options()
    content = make_content(**options)
    config = ModelConfig(
        name="model",
        content=options,
        pitch={"codes": settings.pitch.codes},
        speaker=speaker_options(settings),
        decoder={"rows": content.channels, "stride": content.stride, **decoder_options(settings)},
        generator=settings.vocoder.generator,
        tracker=settings.corpus.tracker,
        voice_search=settings.export.voice_search,
    )
    spoken, autoencoder = run.spoken(), run.taught()
    if "decoder" in spoken and not (settings.encoder.steps and settings.encoder.decoder):
        autoencoder.decoder.load_state_dict(spoken["decoder"])
    networks = gather(run.state("pitch")["model"], autoencoder.state_dict(), spoken["model"], config)
    check = None if run.validation is None else prepare(Path(run.validation), run.out / "validation", config.tracker)
    run.state("entropy")
    _coders(run, autoencoder, run.pitch())
    entropy = replace(settings.entropy, seed=run.seed)
    export(run.corpus, run.out / "entropy", entropy, networks, config, run.out / "model", check)


TABLE: dict[str, Callable[[Folder], None]] = {
    "pitch": _pitch,
    "content": _content,
    "vocoder": _vocoder,
    "joint": _joint,
    "encoder": _encoder,
    "entropy": _entropy,
    "export": _export,
}
"""The stages in their order: what :data:`unitcodec.training.STAGES` names."""
