"""Training, stage by stage: ``unitcodec train STAGE --data MANIFEST --out DIR``.

``pitch`` needs only the audio, ``content`` and ``vocoder`` also ``pitch``, ``joint`` all three; ``entropy`` codes the corpus
and learns its codes, ``export`` turns what is there into a model folder ``DIR/model``; ``all`` does them in order. Every stage
keeps its state in ``DIR/STAGE`` and goes on from there when called again. Under ``torchrun`` several processes train as one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import UnitcodecError

OPTIONS = "options.json"
"""In the content stage's folder: what the content encoder was made with."""

STAGES = ("pitch", "content", "vocoder", "joint", "entropy", "export")

FORMER = {"warp": "vtlp", "judge_rate": "discriminator_rate", "ears": "feature_loss"}
"""Settings of earlier versions, and what they are called now."""

LEARNED_WITH_DECODER = ("fsq", "whisper", "vqvae")
"""Families of content encoders."""


def run(
    stage: str,
    data: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    resume: bool = True,
    seed: int = 0,
    device: str = "auto",
    validation: str | Path | None = None,
    family: str | None = None,
    warm_start: str | Path | None = None,
) -> None:
    """Run one stage, or all.

    Args:
        stage: one of STAGES, or "all".
        data: TSV with a header line and the columns path (relative to it), speaker and, optionally, transcript.
        out: folder of the run; ``out/corpus`` caches audio and F0.
        config: JSON file, stage -> settings that differ from ``default.json`` beside this module.
        resume: go on from ``out/STAGE``; False starts the stage anew.
        seed: of initial weights and of the batches.
        device: "cpu", "cuda", or "auto": CUDA where there is one.
        validation: TSV on which ``export`` reports the rate.
        family: of the content encoder, "fsq", "whisper", "vqvae", "hubert", "cpc" or "pretrained"; None: as the settings say.
        warm_start: a model, by name or folder, whose weights the stages begin with; see :mod:`.warm_start`.

    Raises:
        UnitcodecError: an unknown stage, a setting that a stage does not have, an earlier stage that is missing, or an
            ``warm_start`` model that is not what the settings describe.
    """
    if stage not in (*STAGES, "all"):
        raise UnitcodecError(f"unknown stage '{stage}': one of {', '.join(STAGES)} or all")
    import torch

    from . import parallel
    from .warm_start import begin

    settings = _settings(config)
    if family is not None:
        settings["content"]["family"] = family
    if settings["content"]["family"] not in LEARNED_WITH_DECODER:
        # What other ears would hear teaches an encoder. A decoder of finished units needs these as they will be.
        for stage_settings in (settings["content"], settings["joint"]):
            stage_settings.update(equalizer=0.0, vtlp=0.0)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    parallel.start(device)
    for name in STAGES if stage == "all" else (stage,):
        folder = Path(out) / name
        if not resume and parallel.rank() == 0:
            shutil.rmtree(folder, ignore_errors=True)
        if warm_start is not None and parallel.rank() == 0:
            begin(warm_start, Path(out), settings)
        parallel.wait()
        _Stages(Path(data), Path(out), settings, seed, device, validation).run(name)


def _settings(config: str | Path | None) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "default.json").read_text(encoding="utf-8"))
    if config is not None:
        try:
            changes = json.loads(Path(config).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnitcodecError(f"{config}: not a readable JSON file: {error}") from error
        if not isinstance(changes, dict):
            raise UnitcodecError(f"{config}: not a JSON object of stages and their settings")
        for name, values in changes.items():
            for former in FORMER.keys() & set(values if isinstance(values, dict) else ()):
                raise UnitcodecError(f"{config}: {name}.{former} is called {name}.{FORMER[former]} now")
            unknown = set(values) - set(settings.get(name, {})) if isinstance(values, dict) else {name}
            if name not in settings or unknown:
                raise UnitcodecError(f"{config}: no such setting: {name} {', '.join(sorted(unknown))}")
            settings[name].update(values)
    return settings


class _Stages:
    """The stages of one run folder, each taking from the others' states what it needs."""

    def __init__(
        self, data: Path, out: Path, settings: dict[str, dict[str, Any]], seed: int, device: str, validation: str | Path | None
    ):
        from . import parallel
        from .corpus import prepare

        self.out, self.settings, self.seed, self.device, self.validation = out, settings, seed, device, validation
        if parallel.rank() == 0:
            prepare(data, out / "corpus", settings["corpus"]["tracker"])
        parallel.wait()
        self.corpus = prepare(data, out / "corpus", settings["corpus"]["tracker"])

    def run(self, name: str) -> None:
        from . import parallel

        # What codes the corpus and writes the model is done once; its sums have an order.
        if name not in ("entropy", "export") or parallel.rank() == 0:
            getattr(self, f"_{name}")()
        parallel.wait()

    def _state(self, name: str) -> dict[str, Any]:
        from .loop import read_state

        state, path = read_state(self.out / name)
        if state is None:
            raise UnitcodecError(f"{path} is missing: run the stage '{name}' first")
        return state

    def _trained_pitch(self) -> Any:
        from ..pitch.vqvae import PitchVQVAE

        model = PitchVQVAE(self.settings["pitch"]["codes"])
        model.load_state_dict(self._state("pitch")["model"])
        return model.eval()

    def _autoencoder(self) -> Any:
        from .content import Autoencoder, decoder_options, speaker_options

        model = Autoencoder(self._content_options(), decoder_options(self.settings), speaker_options(self.settings))
        model.load_state_dict(self._state("content")["model"])
        return model

    def _teacher(self, wanted: bool | float) -> Any:
        from .teacher import read_whisper

        return read_whisper(self.settings["whisper"]["checkpoint"]) if wanted else None

    def _word_loss(self, wanted: bool | float) -> Any:
        from .words import WordLoss, read_decoder

        return WordLoss(read_decoder(self.settings["whisper"]["decoder"])) if wanted else None

    def _content_options(self) -> dict[str, Any]:
        """Of the encoder that the content stage trained, whatever the settings are now."""
        from .content import content_options

        path = self.out / "content" / OPTIONS
        if not path.exists():
            return content_options(self.settings)
        options: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return options

    def _pitch(self) -> None:
        from .pitch import train

        train(self.corpus, self.out / "pitch", self.settings["pitch"], self.seed)

    def _content(self) -> None:
        from . import parallel
        from .content import SCALAR, content_options, decoder_options, pretrained, speaker_options, train

        folder, options, settings = self.out / "content", content_options(self.settings), self.settings["content"]
        if (folder / "state.pt").exists() and self._content_options() != json.loads(json.dumps(options)):
            raise UnitcodecError(f"{folder}: a content encoder with other settings: take another --out, or --restart")
        for name in ("bits", "ctc", "ladder", "nested", "steady"):
            if settings[name] and settings["family"] not in SCALAR:
                raise UnitcodecError(f"content.{name}: only for scalar codes (the families fsq and whisper)")
        if settings["bits"] and settings["ladder"]:
            raise UnitcodecError("content.bits: not for codes with a ladder; their step sets the rate")
        encoder = pretrained(self.corpus, folder, self.settings, self.seed, self.device)
        teacher = self._teacher(settings["feature_loss"] or settings["word_loss"] or settings["family"] == "whisper")
        word_loss = self._word_loss(settings["word_loss"])
        if parallel.rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / OPTIONS).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
        decoder, speaker = decoder_options(self.settings), speaker_options(self.settings)
        pitch = self._trained_pitch()
        train(
            self.corpus, pitch, folder, options, settings, encoder, self.seed, self.device, teacher, decoder, speaker, word_loss
        )

    def _vocoder(self) -> None:
        from .vocoder import train

        train(
            self.corpus, self._trained_pitch(), self.out / "vocoder", self.settings["vocoder"], seed=self.seed, device=self.device
        )

    def _joint(self) -> None:
        from .vocoder import train

        nested = self.settings["content"]["nested"]
        settings = {**self.settings["joint"], "generator": self.settings["vocoder"]["generator"], "nested": nested}
        pitch, autoencoder, begun = self._trained_pitch(), self._autoencoder(), self._state("vocoder")
        teacher = self._teacher(settings["feature_loss"] or settings["word_loss"])
        word_loss = self._word_loss(settings["word_loss"])
        train(self.corpus, pitch, self.out / "joint", settings, autoencoder, begun, self.seed, self.device, teacher, word_loss)

    def _entropy(self) -> None:
        from .entropy_stage import CODES, code_corpus, describe, fit, save_codes

        folder = self.out / "entropy"
        if not (folder / CODES).exists():
            parts, nested = self._autoencoder().eval(), self.settings["content"]["nested"]
            save_codes(folder, code_corpus(self.corpus, parts.content, self._trained_pitch(), parts.speaker, nested, self.seed))
        speaker = self._autoencoder().speaker.alphabets
        content = self._autoencoder().content
        spec = describe(content.vocabulary, content.stride, self.settings["pitch"]["codes"], speaker)
        fit(folder, spec, self.settings["entropy"], self.seed)

    def _export(self) -> None:
        from ..content import make_content
        from ..model import ModelConfig
        from .content import decoder_options, speaker_options
        from .corpus import prepare
        from .export import export, gather, part_of

        options = self._content_options()
        content = make_content(**options)
        config = ModelConfig(
            name="model",
            content=options,
            pitch={"codes": self.settings["pitch"]["codes"]},
            speaker=speaker_options(self.settings),
            decoder={"rows": content.channels, "stride": content.stride, **decoder_options(self.settings)},
            generator=self.settings["vocoder"]["generator"],
            tracker=self.settings["corpus"]["tracker"],
            voice_search=self.settings["export"]["voice_search"],
        )
        spoken = self._state("joint" if self.settings["export"]["joint"] else "vocoder")
        autoencoder = self._state("content")["model"]
        decoder = spoken["decoder"] if "decoder" in spoken else part_of(autoencoder, "decoder")
        networks = gather(self._state("pitch")["model"], autoencoder, decoder, spoken["model"], config)
        check = None if self.validation is None else prepare(Path(self.validation), self.out / "validation", config.tracker)
        self._state("entropy")
        export(self.corpus, self.out / "entropy", self.settings["entropy"], networks, config, self.out / "model", check)
