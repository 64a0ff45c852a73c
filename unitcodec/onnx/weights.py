"""``model.safetensors`` as NumPy computes with it: one weight at a time, and none is kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bitstream.errors import BitstreamError, shown
from bitstream.tensors import TensorFile

from ..errors import ModelError

MAX_TENSOR = 2**24
"""Entries of one tensor, as in :mod:`unitcodec.weights`."""
SCALE = ".scale_int8"
"""What the name of an int8 tensor's scale ends in."""


class Weights:
    """The weights of a file by name, each read when it is asked for, by as many threads as one likes.

    Attributes:
        names: of all of them.

    Raises ModelError, naming the file: when it is opened, if it is no safetensors file; when a weight is read that is not there,
    or no number.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        try:
            with TensorFile(path, limit) as file:
                self._places = file.places
        except (OSError, BitstreamError) as error:
            raise ModelError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        self.names = tuple(self._places)

    def read(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """In a type of floats."""
        values = self._stored(name)
        if values.dtype == np.int8:
            scale = self._stored(name + SCALE).astype(np.float32)
            values = values * scale.reshape(-1, *[1] * (values.ndim - 1))
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ModelError(f"{self._path}: {shown(name)} holds what is no number")
        return values.astype(np.float32, copy=False).astype(dtype, copy=False)

    def _stored(self, name: str) -> NDArray[Any]:
        if name not in self._places:
            raise ModelError(f"{self._path}: not what config.json asks for: weights missing: {shown(name)}")
        dtype, shape, start = self._places[name]
        if math.prod(shape) > MAX_TENSOR:
            raise ModelError(f"{self._path}: {shown(name)} is larger than any that is read")
        try:
            return np.fromfile(self._path, dtype, math.prod(shape), offset=start).reshape(shape)
        except (OSError, ValueError) as error:
            raise ModelError(f"{self._path}: {getattr(error, 'strerror', None) or 'cut short'}") from error
