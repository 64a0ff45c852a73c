"""Codes -> waveform: a mel decoder, then one of three generators behind one interface; or one generator fed by codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .speech import CodeVocoder as CodeVocoder
from .speech import MelVocoder as MelVocoder

if TYPE_CHECKING:
    from .excited import ExcitedGenerator
    from .hifigan import CodeGenerator, MelGenerator
    from .spectral import SpectralGenerator

WaveformGenerator: TypeAlias = "SpectralGenerator | MelGenerator | ExcitedGenerator"


def make_generator(kind: str = "spectral", **options: Any) -> WaveformGenerator:
    """The generator of a model's configuration: "spectral" (source-filter, inverse STFT) or "hifigan" (Polyak et al. 2021).

    With ``"excitation": true`` among its options "hifigan" is :class:`.excited.ExcitedGenerator`, which has the former within it.

    Raises ValueError for another kind, TypeError for an option that the kind does not have.
    """
    from .excited import ExcitedGenerator
    from .hifigan import MelGenerator
    from .spectral import SpectralGenerator

    excited = kind == "hifigan" and options.pop("excitation", False)
    kinds = {"spectral": SpectralGenerator, "hifigan": ExcitedGenerator if excited else MelGenerator}
    if kind not in kinds:
        raise ValueError(f"unknown generator '{kind}': one of {', '.join(kinds)}, code")
    generator: WaveformGenerator = kinds[kind](**options)
    return generator


def make_code_generator(
    units: Sequence[int],
    f0: int = 0,
    speaker: int = 0,
    embedding: int = 128,
    frames_per_f0: int = 4,
    durations: Mapping[str, int] | None = None,
    **options: Any,
) -> CodeGenerator:
    """The generator of kind "code": fed by codes themselves, without a mel decoder between.

    Args:
        units: alphabet of each codebook row.
        f0: alphabet of the F0 codes, 0 without F0.
        speaker: channels of the speaker vector, 0 without a speaker.
        embedding: channels of each of the three.
        frames_per_f0: unit frames an F0 code.
        durations: options of the :class:`.duration.DurationPredictor`, if there is one.
        options: of the :class:`.hifigan.Generator`.

    Raises ValueError or TypeError for options that do not fit.
    """
    from .duration import DurationPredictor
    from .hifigan import CodeGenerator, Generator

    generator = Generator(embedding * (1 + (f0 > 0) + (speaker > 0)), **options)
    predictor = None if durations is None else DurationPredictor(embedding, **durations)
    return CodeGenerator(generator, units, f0, speaker, embedding, frames_per_f0, predictor)
