"""Whisper as a teacher: its published weights, rounded as a model folder holds them. It teaches, so it never judges."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .. import model as models
from ..content.whisper import HEAD, WhisperEncoder
from ..errors import UnitcodecError
from ..model import INT8_SIZE, from_int8, to_int8
from ..weights import SCALE
from .settings import WhisperSettings

PUBLISHED, OURS = "model.encoder.", "content.whisper."
"""What the names of the encoder's weights begin with: as transformers has them, and in a model folder."""


class Teachers(nn.Module):
    """Recognisers that hear the same: Whisper's log-mel (B, 80, n), n even -> the states of all layers of the first, then of the
    others, as :class:`.WhisperEncoder` gives them."""

    def __init__(self, *networks: WhisperEncoder):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, mel: Tensor) -> list[Tensor]:
        return [state for network in self.networks for state in network(mel)]


def read_teachers(settings: WhisperSettings) -> Teachers:
    """Those that ``whisper.teachers`` names, or else what is inside the content encoder. Raises as :func:`read_whisper`."""
    names = settings.teachers
    if not all(names):
        raise UnitcodecError("whisper.teachers: an empty name; a folder with a Whisper, or a model with Whisper inside")
    return Teachers(*(read_whisper(name, any_size=True) for name in names) if names else (read_whisper(settings.checkpoint),))


def read_whisper(name: str | Path | None, any_size: bool = False) -> WhisperEncoder:
    """The encoder of Whisper tiny.en or, with ``any_size``, of any Whisper whose log-mel has 80 bands.

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
    what = "a Whisper" if any_size else "Whisper tiny.en"
    try:
        weights = load_file(path)
        found = _part(weights, OURS) or {each: _rounded(value) for each, value in _part(weights, PUBLISHED).items()}
        found.pop("embed_positions.weight", None)  # sinusoids, which are computed
        network = WhisperEncoder()
        if any_size and "conv1.weight" in found:
            width = len(found["conv1.weight"])
            count = sum(each.endswith(".fc1.weight") for each in found)
            network = WhisperEncoder(count, width, width // HEAD)
        network.load_state_dict(found)
    except (OSError, SafetensorError, RuntimeError, TypeError) as error:
        # PyTorch's first line says no more than that something is wrong.
        reason = " ".join((str(error).splitlines() or [type(error).__name__])[:2])
        raise UnitcodecError(f"{path}: not the weights of {what}: {reason}") from error
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
