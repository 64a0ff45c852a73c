"""What training goes by, one frozen dataclass a stage or network; its defaults are what a recipe leaves out.

A recipe is a JSON file: stage -> settings. The packaged ones lie beside this module.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import UnitcodecError
from .recurrent_training import Settings as EntropySettings

Options = dict[str, Any]
"""Arguments of a network's constructor."""

LEAST = {"steps": 0, "batch": 1, "seconds": 0.16}
"""Of a stage's steps, of the crops of a step and of their length, which a window of the log-mel has to fit into."""

FORMER = {"warp": "vtlp", "judge_rate": "discriminator_rate", "ears": "feature_loss"}
"""Settings of earlier versions, and what they are called now."""


@dataclass(frozen=True)
class CorpusSettings:
    tracker: str = "swift-f0"


@dataclass(frozen=True)
class PitchSettings:
    codes: int = 20
    steps: int = 2000
    batch: int = 32
    seconds: float = 5.12
    rate: float = 0.002


@dataclass(frozen=True)
class ContentSettings:
    """See ``docs/content-encoders.md``."""

    family: str = "fsq"
    levels: tuple[int, ...] = (10, 10, 10, 10)
    ladder: tuple[int, ...] = ()
    stride: int = 4
    codes: int = 100
    steps: int = 6500
    batch: int = 16
    seconds: float = 2.56
    optimizer: Literal["adamw", "muon"] = "muon"
    rate: float = 0.003
    bfloat16: bool = True
    bits: float | None = None
    nested: float = 0.0
    speed: float = 0.5
    voice: float = 0.5
    equalizer: float = 0.5
    vtlp: float = 0.5
    conversion: float = 0.3
    heard_tract: float = 0.0
    noise: float = 0.15
    babble: float = 0.0
    room: float = 0.1
    steady: float = 0.0
    hours_power: float = 0.5
    feature_loss: float = 0.0
    word_loss: float = 0.0
    word_crops: int = 4
    ctc: float = 0.0
    ctc_utterances: int = 3


@dataclass(frozen=True)
class SpeakerSettings:
    levels: int = 4


@dataclass(frozen=True)
class DecoderSettings:
    memory: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class WhisperSettings:
    """``teachers``: whose opinion the feature losses are; none: that of ``checkpoint``, which the content encoder has inside."""

    encoder: Options = field(default_factory=dict)
    checkpoint: str | None = None
    decoder: str | None = None
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubertSettings:
    encoder: Options = field(default_factory=lambda: {"channels": 256, "layers": 5})
    layer: int = 4
    targets: tuple[int, ...] = (100, 200)
    warm: bool = True
    steps: int = 1500
    batch: int = 16
    seconds: float = 5.12
    rate: float = 0.001
    mask_probability: float = 0.065
    mask_length: int = 10
    masked_weight: float = 0.8
    bfloat16: bool = True


@dataclass(frozen=True)
class CPCSettings:
    encoder: Options = field(default_factory=lambda: {"channels": 256, "layers": 3})
    ahead: int = 6
    negatives: int = 64
    negatives_from: Literal["utterance", "others", "both"] = "both"
    steps: int = 2000
    batch: int = 16
    seconds: float = 5.12
    rate: float = 0.0006
    bfloat16: bool = True


@dataclass(frozen=True)
class VQVAESettings:
    encoder: Options = field(default_factory=lambda: {"stride": 2})


@dataclass(frozen=True)
class PretrainedSettings:
    encoder: Options = field(default_factory=lambda: {"checkpoint": "facebook/hubert-base-ls960", "layer": 6})
    centroids: str | None = None


@dataclass(frozen=True)
class AdversarialSettings:
    """Of both stages that train the generator. The weights of the loss's terms are called as the terms are."""

    steps: int = 1800
    batch: int = 16
    seconds: float = 1.28
    rate: float = 0.001
    discriminator_rate: float = 0.001
    adversarial_from: float = 1.0
    """Share of the steps after which discriminators take part."""
    adversarial: float = 1.0
    feature_matching: float = 2.0
    stft: float = 2.5
    mel: float = 15.0
    spectrogram_channels: int = 0
    period_width: float = 0.0
    mel_channels: int = 32


@dataclass(frozen=True)
class VocoderSettings(AdversarialSettings):
    generator: Options = field(default_factory=lambda: {"kind": "spectral"})


@dataclass(frozen=True)
class JointSettings(AdversarialSettings):
    steps: int = 2400
    batch: int = 12
    rate: float = 0.0005
    adversarial_from: float = 0.0
    predicted_mel: float = 15.0
    voice: float = 0.5
    equalizer: float = 0.5
    vtlp: float = 0.5
    conversion: float = 2.0
    feature_loss: float = 0.0
    word_loss: float = 0.0
    word_crops: int = 4


@dataclass(frozen=True)
class EncoderSettings:
    """The weights of the loss's terms are called as the terms are; ``bits``: of a bit for each frame of units.

    ``steps``: 0 leaves the encoder as the stage ``content`` made it. ``decoder``: the mel decoder learns too.
    """

    steps: int = 0
    batch: int = 8
    seconds: float = 3.84
    optimizer: Literal["adamw", "muon"] = "muon"
    rate: float = 0.0005
    bfloat16: bool = True
    mel: float = 1.0
    feature_loss: float = 10.0
    conversion: float = 0.0
    bits: float = 0.0
    decoder: bool = False
    nested: float = 0.5
    voice: float = 0.3
    equalizer: float = 0.3
    heard_tract: float = 0.2
    noise: float = 0.1
    babble: float = 0.5
    room: float = 0.1
    hours_power: float = 0.5


@dataclass(frozen=True)
class ExportSettings:
    joint: bool = True
    voice_search: int = 12


@dataclass(frozen=True)
class Settings:
    """Of a whole run."""

    corpus: CorpusSettings = CorpusSettings()
    pitch: PitchSettings = PitchSettings()
    content: ContentSettings = ContentSettings()
    speaker: SpeakerSettings = SpeakerSettings()
    decoder: DecoderSettings = DecoderSettings()
    whisper: WhisperSettings = field(default_factory=WhisperSettings)
    hubert: HubertSettings = field(default_factory=HubertSettings)
    cpc: CPCSettings = field(default_factory=CPCSettings)
    vqvae: VQVAESettings = field(default_factory=VQVAESettings)
    pretrained: PretrainedSettings = field(default_factory=PretrainedSettings)
    vocoder: VocoderSettings = field(default_factory=VocoderSettings)
    joint: JointSettings = JointSettings()
    encoder: EncoderSettings = EncoderSettings()
    entropy: EntropySettings = field(
        default_factory=lambda: EntropySettings(embedding=32, epochs=18, lanes=128, rate=0.004, drop_input=0.1)
    )
    export: ExportSettings = ExportSettings()


def read_settings(recipe: str | Path | None) -> Settings:
    """The settings of a recipe; None: as they stand here.

    Raises UnitcodecError, naming file and setting: no JSON object of stages, an unknown setting, or a value of another type.
    """
    settings = Settings()
    if recipe is None:
        return settings
    try:
        changes = json.loads(Path(recipe).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnitcodecError(f"{recipe}: not a readable JSON file: {error}") from error
    if not isinstance(changes, dict):
        raise UnitcodecError(f"{recipe}: not a JSON object of stages and their settings")
    stages: dict[str, Any] = vars(settings)
    changed = {}
    for name, values in changes.items():
        if name not in stages or not isinstance(values, dict):
            raise UnitcodecError(f"{recipe}: no such setting: {name}")
        kinds = get_type_hints(type(stages[name]))
        for key, value in values.items():
            if key in FORMER:
                raise UnitcodecError(f"{recipe}: {name}.{key} is called {name}.{FORMER[key]} now")
            # The seed is a run's, not a recipe's.
            if key not in kinds or key == "seed":
                raise UnitcodecError(f"{recipe}: no such setting: {name} {key}")
            if not _fits(value, kinds[key]):
                kind = next(each.type for each in fields(stages[name]) if each.name == key)
                raise UnitcodecError(f"{recipe}: {name}.{key} is {json.dumps(value):.40}; it must be {kind}")
            if key in LEAST and value < LEAST[key]:
                raise UnitcodecError(f"{recipe}: {name}.{key} is {value}; it must be at least {LEAST[key]}")
        changed[name] = replace(
            stages[name], **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        )
    return replace(settings, **changed)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a field's type; its lists stand for tuples, and whole numbers are numbers."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        each = inner[:1] * len(value) if isinstance(value, list) and inner[1:] == (...,) else inner
        return isinstance(value, list) and len(value) == len(each) and all(map(_fits, value, each))
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is (origin or kind)
