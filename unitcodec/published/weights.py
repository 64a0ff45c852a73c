"""A published file of weights, ``torch.save({"generator": state dict})`` or of the state dict alone, read without running it."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from bitstream.regular import open_regular

from ..errors import ModelError
from ..formats.pickles import run

_NORMED = ((".weight_v", ".weight_g"), (".parametrizations.weight.original1", ".parametrizations.weight.original0"))
"""Names of direction and length of a weight under weight norm, by PyTorch's older and newer one."""

MAX_FILE, MAX_MEMBERS, MAX_OPERATIONS = 2**30, 2**13, 2**18
OLD_PICKLES = 5
"""With which a file begins that PyTorch wrote before it wrote archives."""

NAMES = re.compile(r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor_v2|parameter)|torch\.[A-Z][A-Za-z0-9]{2,20}Storage")
"""What a state dict refers to."""

_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict, under "generator" or by itself, on the CPU, weight norm folded, float32.

    Names that all begin with "module.", as of a model that was trained in several processes, are freed of it.

    Raises:
        ModelError: the file cannot be read, holds other things than weights, weights that are not finite, or ones that claim
            to be larger than the file.
    """
    try:
        with open_regular(path, MAX_FILE) as file, warnings.catch_warnings():
            _check_program(file, path)
            # What PyTorch has to say about a file's age is for whoever wrote it.
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
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
    with open_regular(path, MAX_FILE) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_weight(name: Any, value: Any) -> bool:
    usual = isinstance(value, Tensor) and value.dtype in _TYPES and value.layout == torch.strided and value.device.type == "cpu"
    return isinstance(name, str) and usual


def _check_program(file: BinaryIO, path: Path) -> None:
    """Raise ModelError or PickleRefused where reading a file would take more than its size calls for.

    PyTorch runs nothing either, but it counts neither operations nor bytes.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    archived = file.read(4) == b"PK\x03\x04"  # what PyTorch looks at
    file.seek(0)
    if not archived:
        for _ in range(OLD_PICKLES):
            run(file, size, NAMES, MAX_OPERATIONS)
    else:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(each.compress_type != zipfile.ZIP_STORED for each in members):
                raise ModelError(f"{path}: a compressed archive, which PyTorch does not write")
            if len(members) > MAX_MEMBERS or sum(each.file_size for each in members) > size:
                raise ModelError(f"{path}: its parts claim to be larger than the file")
            (program,) = (each for each in members if each.filename.endswith("/data.pkl"))
            run(io.BytesIO(archive.read(program)), program.file_size, NAMES, MAX_OPERATIONS)
    file.seek(0)


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
