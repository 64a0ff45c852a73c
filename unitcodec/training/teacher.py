"""Whisper as a teacher: its published weights, rounded as a model folder holds them. It teaches, so it never judges."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .. import model as models
from ..content.whisper import WhisperEncoder
from ..errors import UnitcodecError
from ..model import INT8_SIZE, from_int8, to_int8
from ..weights import SCALE

PUBLISHED, OURS = "model.encoder.", "content.whisper."
"""What the names of the encoder's weights begin with: as transformers has them, and in a model folder."""


def read_whisper(name: str | Path | None) -> WhisperEncoder:
    """The encoder of Whisper tiny.en.

    What a content encoder hears with in training is what it will hear with when it is read from a model folder.

    Args:
        name: a folder with ``model.safetensors`` in the layout of transformers, or a model of ours that has Whisper inside, by
            name or folder.

    Raises:
        UnitcodecError: it is none of these; names it.
    """
    if name is None:
        raise UnitcodecError(
            "whisper.checkpoint: needs a folder with Whisper tiny.en (model.safetensors, as transformers has it), "
            "or a model with Whisper inside, such as 'default'"
        )
    path = Path(name) / "model.safetensors"
    if not path.is_file():
        path = models.find(name) / path.name
    network = WhisperEncoder()
    try:
        weights = load_file(path)
        found = _part(weights, OURS) or {each: _rounded(value) for each, value in _part(weights, PUBLISHED).items()}
        found.pop("embed_positions.weight", None)  # sinusoids, which are computed
        network.load_state_dict(found)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnitcodecError(f"{path}: not the weights of Whisper tiny.en: {reason}") from error
    return network.eval().requires_grad_(False)


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below ``prefix``, in float32."""
    names = [name for name in weights if name.startswith(prefix) and not name.endswith(SCALE)]
    scales = {name: weights.get(name + SCALE) for name in names}
    return {
        name.removeprefix(prefix): weights[name].float() if scale is None else from_int8(weights[name], scale)
        for name, scale in scales.items()
    }


def _rounded(value: Tensor) -> Tensor:
    return from_int8(*to_int8(value)) if value.ndim > 1 and value.numel() >= INT8_SIZE else value.half().float()
