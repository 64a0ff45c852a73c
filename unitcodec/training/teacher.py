"""Whisper as a teacher: its published weights, rounded as a model folder will hold them. It teaches, so it never judges."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..content.whisper import WhisperEncoder
from ..errors import UnitcodecError
from ..model import INT8_SIZE, from_int8, to_int8

PREFIX = "model.encoder."


def read_whisper(folder: str | Path | None) -> WhisperEncoder:
    """The encoder of Whisper tiny.en from a folder in the layout of transformers (``model.safetensors``).

    What a content encoder hears with in training is what it will hear with when it is read from a model folder.
    Raises UnitcodecError, naming the folder, if it is none of these.
    """
    if folder is None:
        raise UnitcodecError("whisper.checkpoint: a folder with Whisper tiny.en (model.safetensors, as transformers has it)")
    path = Path(folder) / "model.safetensors"
    network = WhisperEncoder()
    try:
        with safe_open(path, "pt") as file:
            weights = {
                name.removeprefix(PREFIX): file.get_tensor(name).float()
                for name in list(file.keys())
                if name.startswith(PREFIX)
            }
        weights.pop("embed_positions.weight", None)  # sinusoids, which are computed
        for name, value in weights.items():
            large = value.ndim > 1 and value.numel() >= INT8_SIZE
            weights[name] = from_int8(*to_int8(value)) if large else value.half().float()
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnitcodecError(f"{path}: not the weights of Whisper tiny.en: {reason}") from error
    return network.eval().requires_grad_(False)
