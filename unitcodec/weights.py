"""``model.safetensors`` of a model folder: weights from anywhere, held against the networks before either takes any memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bitstream.errors import BitstreamError, shown
from bitstream.tensors import TensorFile

from .errors import ModelError

MAX_FILE = 2**29
MAX_TENSOR = 2**24
"""Entries of one tensor. Together with their number they are what looking through a file can cost."""

TRAINING_ONLY = (".counts", ".sums")
SCALE = ".scale_int8"
_FLOATS = (np.dtype("<f2"), np.dtype("<f4"))


class Weights(Mapping[str, Tensor]):
    """The tensors of a file by name, float16, float32 or int8, each read when it is asked for.

    Raises ModelError, naming the file: when it is opened, if it is no regular file or its header does not fit it; when a tensor
    is read, if that is not finite.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._file = TensorFile(path, MAX_FILE)
        except (OSError, BitstreamError) as error:
            raise ModelError(f"{path}: {getattr(error, 'strerror', None) or error}") from error

    def __getitem__(self, name: str) -> Tensor:
        try:
            values = self._file[name]
        except (OSError, BitstreamError) as error:
            raise ModelError(f"{self.path}: {getattr(error, 'strerror', None) or error}") from error
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelError(f"{self.path}: {shown(name)} holds weights that are NaN or infinite")
        return torch.from_numpy(values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()

    def check(self, networks: nn.Module) -> None:
        """Raise ModelError unless these are the weights that ``networks`` have, by names, shapes and types."""
        wanted = {name: tuple(value.shape) for name, value in networks.state_dict().items() if not name.endswith(TRAINING_ONLY)}
        layout = self._file.layout
        held = {name for name in layout if not (name.endswith(SCALE) and name.removesuffix(SCALE) in layout)}
        if held != wanted.keys():
            missing, unknown = (shown(sorted(names)[:3]) for names in (wanted.keys() - held, held - wanted.keys()))
            raise ModelError(f"{self.path}: not what config.json asks for: weights missing: {missing}, not known: {unknown}")
        for name, shape in wanted.items():
            dtype, found = layout[name]
            if found != shape or not 0 < int(np.prod(shape, dtype=object)) <= MAX_TENSOR:
                raise ModelError(f"{self.path}: {name} has the shape {found}; config.json asks for {shape}")
            scale = layout.get(name + SCALE)
            scaled = dtype == np.int8 and scale is not None and scale[0] in _FLOATS and scale[1] == shape[:1] != ()
            if not scaled and dtype not in _FLOATS:
                raise ModelError(f"{self.path}: {name} is {dtype}; it must be float16, float32, or int8 with a scale")


class Outline(TorchFunctionMode):
    """Networks within it are made without memory for their weights (on the device "meta"), by so many calls of PyTorch at most.

    A configuration from anywhere can ask for networks without end. Raises ModelError where it does.
    """

    def __init__(self, calls: int):
        super().__init__()
        self._left = calls

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ModelError("asks for networks much larger than the weights beside it")
        # Some functions would import a compiler on this device, and of none the result matters but its shape.
        name = getattr(function, "__name__", "")
        with torch.device("meta"):
            if name in ("normal_", "uniform_"):
                return arguments[0] if arguments else options["tensor"]
            if name == "norm_except_dim":
                vectors, _, kept = arguments
                return torch.empty([size if axis == kept else 1 for axis, size in enumerate(vectors.shape)])
            if name == "_weight_norm":
                return torch.empty(arguments[0].shape)
            return function(*arguments, **(options or {}))
