"""Training that begins with the weights of a model: to go on where a release ended, or to fit it to other voices.

The folder of a model lacks what only training needs: the state of the optimizers, which starts anew, and the discriminators.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import model as models
from ..content.whisper import WhisperContentEncoder
from ..errors import UnitcodecError
from ..pitch.vqvae import PitchVQVAE
from ..vocoder import make_generator
from .autoencoder import SCALAR, Autoencoder, content_options, decoder_options, speaker_options
from .loop import WARM_START
from .settings import Settings
from .teacher import read_whisper

BEGINNING = ("pitch", "content", "vocoder")
"""The stages that may begin with a model's weights. The joint stage begins with what these have."""

ADDED = ("whisper.", "listen.", "neighbours.", "enter.", "leave.", "memory.")
"""Parts of networks that change nothing as they begin: a model without them can be trained on with them."""

ROWS = {"head.2.weight": 0, "head.2.bias": 0, "leave.weight": 0, "leave.bias": 0, "stem.weight": 1}
"""Parameters of content encoder (outputs) and mel decoder (inputs) that have a place for each row, and its axis."""

CODE_COUNT = 100.0
"""Vectors that each F0 code shall seem to have had lately, about as many as in a batch."""


def begin(name: str | Path, out: Path, settings: Settings) -> None:
    """Put a model's weights where the stages BEGINNING of the run ``out`` look for their first ones.

    A stage whose weights shall stay need not be run. A HiFi-GAN with an excitation begins with a model's source-filter generator
    as its source network.

    Args:
        name: of a packaged model, or a folder.
        settings: they must describe the model, but for the levels of its units and voice and the number
            of F0 codes; rows of units may be added. With another number the stage ``pitch`` begins by itself.

    Raises:
        UnitcodecError: there is no such model, it is not what the settings describe, or it cannot be trained on.
    """
    model = models.load(name)
    networks, config = model.networks, model.config
    speaks = settings.vocoder.generator
    excited = speaks.get("excitation") and config.generator.get("kind") == "spectral"
    family = settings.content.family
    if family not in SCALAR:
        raise UnitcodecError(
            f"--warm-start: a content encoder of the family '{family}' cannot begin with a model's weights; "
            f"only {' and '.join(SCALAR)}"
        )
    options = content_options(settings)
    if family == "whisper" and "kind" not in config.content:
        # One without Whisper begins it: what it lacks begins as if it were not there.
        options = {name: value for name, value in options.items() if name in ("levels", "stride")}
    wanted = {
        "content": options,
        "pitch": {"codes": settings.pitch.codes},
        "speaker": config.speaker if config.speaker.get("kind", "encoder") == "encoder" else {},
        "generator": {"kind": "spectral", **speaks.get("source", {})} if excited else speaks,
    }
    if wanted["pitch"] != config.pitch:
        del wanted["pitch"]  # another F0 code: the stage begins by itself, and a decoder hears decoded F0, not its codes
    if len(options["levels"]) >= len(config.content.get("levels", ())) > 0:
        # How finely rows are rounded is no weight, and rows that are added begin unheard.
        has = {name: config.content[name] for name in ("levels", "ladder") if name in config.content}
        wanted["content"] = {name: value for name, value in options.items() if name not in ("levels", "ladder")} | has
    # Nor is how often a waveform is matched to its log-mel.
    matching = {name: config.generator[name] for name in ("matching",) if name in config.generator}
    wanted["generator"] = {name: value for name, value in wanted["generator"].items() if name != "matching"} | matching
    for part, options in wanted.items():
        if json.loads(json.dumps(options)) != getattr(config, part):
            cure = "; --config unitcodec/training/whisper.json describes a model with Whisper" if "kind" in config.content else ""
            raise UnitcodecError(f"{name}: its {part} is made with {getattr(config, part)}; the settings say {options}{cure}")
    if config.generator.get("kind", "spectral") != "spectral":
        raise UnitcodecError(f"{name}: a generator whose weight norm is folded cannot be trained on")
    parts = Autoencoder(content_options(settings), decoder_options(settings), speaker_options(settings))
    try:
        for part in ("content", "speaker", "decoder"):
            missing, unexpected = getattr(parts, part).load_state_dict(
                widened(getattr(networks, part).state_dict(), getattr(parts, part).state_dict()), strict=False
            )
            if unexpected or any(not name.startswith(ADDED) for name in missing):
                raise RuntimeError(f"{missing}, {unexpected}")
            if any(name.startswith("whisper.") for name in missing) and isinstance(parts.content, WhisperContentEncoder):
                parts.content.whisper.load_state_dict(read_whisper(settings.whisper.checkpoint).state_dict())
    except RuntimeError as error:
        raise UnitcodecError(f"{name}: its networks have other widths than those that are trained here") from error
    assert isinstance(networks.pitch, PitchVQVAE)  # as the settings describe it
    codebook = networks.pitch.quantizer
    # Else the first batch would replace it: a folder does not hold the moving averages.
    codebook.counts.fill_(CODE_COUNT)
    codebook.sums.copy_(codebook.codebook * CODE_COUNT)
    generator = cast(nn.Module, networks.generator)
    if excited:
        around: Any = make_generator(**speaks)
        around.source.load_state_dict(generator.state_dict())
        generator = around
    weights = {"pitch": networks.pitch, "content": parts, "vocoder": generator}
    for stage in BEGINNING:
        if stage == "pitch" and "pitch" not in wanted:
            continue
        (out / stage).mkdir(parents=True, exist_ok=True)
        torch.save({"model": weights[stage].state_dict()}, out / stage / WARM_START)


def widened(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The ``weights`` of a model whose units have fewer rows, those of the added rows as they are in ``wanted``.

    What the decoder makes of added rows begins as nothing.
    """
    found = dict(weights)
    for name, axis in ROWS.items():
        if name in weights and name in wanted and weights[name].shape[axis] < wanted[name].shape[axis]:
            added = wanted[name].narrow(axis, weights[name].shape[axis], wanted[name].shape[axis] - weights[name].shape[axis])
            found[name] = torch.cat([weights[name], torch.zeros_like(added) if axis == 1 else added], axis)
    return found
