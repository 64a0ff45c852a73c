"""A published file of weights, ``torch.save({"generator": state dict})`` or of the state dict alone, read without running it."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError

_NORMED = ((".weight_v", ".weight_g"), (".parametrizations.weight.original1", ".parametrizations.weight.original0"))
"""Names of direction and length of a weight under weight norm, by PyTorch's older and newer one."""

_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict, under "generator" or by itself, on the CPU, weight norm folded, float32.

    Names that all begin with "module.", as of a model that was trained in several processes, are freed of it.

    Raises:
        ModelError: the file cannot be read, holds other things than weights, weights that are not finite, or ones that claim
            to be larger than the file.
    """
    try:
        _refuse_compressed(path)
        with warnings.catch_warnings():
            # What PyTorch has to say about a file's age is for whoever wrote it.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except ModelError:
        raise
    except Exception as error:  # whatever PyTorch makes of bytes from anywhere
        raise ModelError(f"{path}: damaged, or not a file of weights alone") from error
    state = content.get("generator", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(_is_weight(name, value) for name, value in state.items()):
        raise ModelError(f"{path}: holds no weights, neither under 'generator' nor by themselves")
    if sum(value.numel() * value.element_size() for value in state.values()) > path.stat().st_size:
        raise ModelError(f"{path}: its weights claim to be larger than the file")
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ModelError(f"{path}: holds weights that are not finite")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return _folded({name.removeprefix(prefix): value.detach().float() for name, value in state.items()}, path)


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_weight(name: Any, value: Any) -> bool:
    usual = isinstance(value, Tensor) and value.dtype in _TYPES and value.layout == torch.strided and value.device.type == "cpu"
    return isinstance(name, str) and usual


def _refuse_compressed(path: Path) -> None:
    """PyTorch stores without compression: what is compressed could be a thousand times its size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
                raise ModelError(f"{path}: a compressed archive, which PyTorch does not write")


def _folded(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    folded = dict(state)
    for direction, length in _NORMED:
        for name in [name for name in folded if name.endswith(direction)]:
            stem = name.removesuffix(direction)
            v, g = folded.pop(name), folded.pop(stem + length, None)
            if g is None or v.ndim < 1 or g.shape != (len(v), *[1] * (v.ndim - 1)):
                raise ModelError(f"{path}: '{stem}' has no length that fits its direction (weight norm)")
            # What PyTorch's own weight norm computes, so that the result is the same to the last bit.
            folded[stem + ".weight"] = torch._weight_norm(v.contiguous(), g.contiguous(), 0)
    return folded
