"""A published vocoder -> the networks of a model folder."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..configuration import ModelConfig
from ..errors import ModelError
from ..frames import REFERENCE_LEVEL, active_level
from ..model import Networks, restore
from ..vocoder.hifigan import CodeGenerator
from .checkpoint import Checkpoint

HEARD_SECONDS, HEARD_AT_ONCE = 20, 5
"""Of what the vocoder says of given units, to tell how loud it speaks: in all, and of an utterance at most."""


def assemble(
    name: str,
    checkpoint: Checkpoint,
    content: dict[str, Any] | None = None,
    centroids: NDArray[np.float32] | None = None,
    tracker: str = "swift-f0",
) -> tuple[ModelConfig, Networks]:
    """Configuration and networks (evaluation mode) of a model folder ``name`` that computes what the checkpoint did.

    Args:
        content: options of the content encoder; without any the model only decodes.
        centroids: (codes, dimensions), its codebook.
        tracker: what F0 is encoded from; not looked at where the vocoder is given none.

    Raises:
        ModelError: the content encoder's units are not those that the vocoder knows.
    """
    vocabulary = checkpoint.generator["units"]
    config = ModelConfig(
        name=name,
        content=content or {"kind": "units", "stride": checkpoint.stride, "vocabulary": vocabulary},
        pitch=checkpoint.pitch,
        speaker=checkpoint.speaker,
        generator=checkpoint.generator,
        tracker=tracker if checkpoint.generator["f0"] else "none",
        # Units are to be what their encoder says, whatever they cost.
        limit_rate=False,
        precision="float32",
    )
    networks = Networks(config)
    if (networks.content.stride, list(networks.content.vocabulary)) != (checkpoint.stride, vocabulary):
        raise ModelError(
            f"the content encoder gives {_units(networks.content.vocabulary, networks.content.stride)}; "
            f"the vocoder speaks {_units(vocabulary, checkpoint.stride)}"
        )
    own = {}
    if centroids is not None:
        # What units stand for the vocoder has in its own table.
        own["content.codebook.embedding"] = torch.zeros(len(centroids), 1)
        own["content.codebook.centroids"] = torch.tensor(centroids)
    restore(networks, {**own, **checkpoint.weights})
    networks.eval().requires_grad_(False)
    return config, networks


def code_generator(networks: Networks) -> CodeGenerator:
    """The generator of an imported vocoder, which is fed codes."""
    return cast(CodeGenerator, networks.generator)


@torch.inference_mode()
def measure_gain(networks: Networks, utterances: list[tuple[NDArray[np.int32], NDArray[np.int32]]]) -> float:
    """dB from the level at which the vocoder speaks units (1, n) and F0 codes (m,) to the reference level, 20 dB at most."""
    generator, heard, samples = code_generator(networks), [], 0
    voice = networks.speaker.decode(networks.speaker.encode(torch.zeros(1, 80, 2)))
    for units, f0 in utterances:
        frames = min(units.shape[1], HEARD_AT_ONCE * 16000 // generator.hop)
        codes = -(-frames // generator.frames_per_f0)
        given = torch.tensor(units[None, :, :frames]).long(), torch.tensor(f0[None, :codes]).long()
        heard.append(generator(*given, voice)[0, 0].numpy())
        samples += len(heard[-1])
        if samples >= HEARD_SECONDS * 16000:
            break
    level = active_level(np.concatenate(heard))
    return round(float(np.clip(REFERENCE_LEVEL - level, -20.0, 20.0)), 1) if level > -100.0 else 0.0


def _units(vocabulary: Any, stride: int) -> str:
    return f"{' x '.join(map(str, vocabulary))} units at {100 / stride:g} Hz"
