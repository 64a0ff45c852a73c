"""Codes -> waveform: a mel decoder, then one of two generators behind one interface."""

from __future__ import annotations

from typing import Any

from .hifigan import MelGenerator
from .spectral import SpectralGenerator

WaveformGenerator = SpectralGenerator | MelGenerator


def make_generator(kind: str = "spectral", **options: Any) -> WaveformGenerator:
    """The generator of a model's configuration: "spectral" (source-filter, inverse STFT) or "hifigan" (Polyak et al. 2021).

    Raises ValueError for another kind, TypeError for an option that the kind does not have.
    """
    kinds = {"spectral": SpectralGenerator, "hifigan": MelGenerator}
    if kind not in kinds:
        raise ValueError(f"unknown generator '{kind}': one of {', '.join(kinds)}")
    generator: WaveformGenerator = kinds[kind](**options)
    return generator
