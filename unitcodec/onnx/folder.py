"""A folder of graphs: what its index says, held against limits and against the files, before anything is made of them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bitstream import BitstreamError, EntropyModel
from bitstream.errors import shown
from bitstream.regular import open_regular

from ..configuration import ModelConfig, read_object
from ..errors import ModelError
from .contents import look_through
from .weights import Weights

FORMAT = 2
INDEX = "onnx.json"
MAX_INDEX, MAX_GRAPH, MAX_WEIGHTS = 2**16, 2**23, 2**29

GRAPHS = ("content", "tracker", "f0_decoder", "mel", "pulses", "filters")

SIZES = {
    "stride": (2, 8),
    "context": (0, 1024),
    "f0_context": (0, 4096),
    "f0_decoder_context": (0, 256),
    "decoder_context": (0, 256),
    "generator_context": (0, 256),
    "matching": (0, 16),
    "reach": (0, 256),
    "near": (0, 16),
}
"""The least and the most of each, of frames and passes; see :func:`.export.sizes_of`."""


@dataclass(frozen=True)
class Index:
    """What ``onnx.json`` holds: its format, the model's fingerprint, sizes of its networks, the SHA-256 of every other file."""

    format: int
    model: str
    sizes: dict[str, int]
    files: dict[str, str]

    @staticmethod
    def read(path: Path) -> Index:
        """Raises ModelError, naming the file."""
        return read_object(path, MAX_INDEX, Index._of)

    @staticmethod
    def _of(values: dict[str, Any]) -> Index:
        if values.get("format") != FORMAT:
            raise ModelError(
                f"format {shown(values.get('format'))}; this version of unitcodec reads {FORMAT}: export the model once more, or "
                "code with the version that exported it"
            )
        if not isinstance(model := values.get("model"), str):
            raise ModelError(f"model is {shown(model)}; it must be the fingerprint of the model that was exported")
        return Index(FORMAT, model, _sizes(values.get("sizes")), _files(values.get("files")))


def _sizes(values: Any) -> dict[str, int]:
    if not isinstance(values, dict) or values.keys() != SIZES.keys():
        raise ModelError(f"sizes: must be {', '.join(SIZES)}")
    for name, (least, most) in SIZES.items():
        if type(values[name]) is not int or not least <= values[name] <= most:
            raise ModelError(f"{name} is {shown(values[name])}; it must be a whole number from {least} to {most}")
    return values


def _files(values: Any) -> dict[str, str]:
    wanted = {"config.json", "entropy.safetensors", "model.safetensors", *(f"{name}.onnx" for name in GRAPHS)}
    if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
        raise ModelError("files: must be an object of the SHA-256 of each file")
    if missing := wanted - values.keys():
        raise ModelError(f"files: {min(missing)} is missing")
    return values


class Folder:
    """A folder of graphs.

    Attributes:
        path: of it.
        sizes: see :class:`Index`.
        config, entropy, weights: of the model.

    Raises ModelError, naming the file, for one that is missing, damaged, or not as the index says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._index = path, Index.read(path / INDEX)
        self.sizes = self._index.sizes
        self.check("config.json", MAX_INDEX)
        self.config = ModelConfig.read(path / "config.json")
        self.check("entropy.safetensors", MAX_WEIGHTS)
        self.check("model.safetensors", MAX_WEIGHTS)
        try:
            self.entropy = EntropyModel.load(path / "entropy.safetensors")
        except (OSError, BitstreamError) as error:
            raise ModelError(f"{path / 'entropy.safetensors'}: {getattr(error, 'strerror', None) or error}") from error
        if self.entropy.fingerprint != self._index.model:
            raise ModelError(
                f"{path / INDEX}: of the model {shown(self._index.model)}; the one beside it is {self.entropy.fingerprint}"
            )
        self.weights = Weights(path / "model.safetensors", MAX_WEIGHTS)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Within it is computed with the weights. Raises ModelError for those that do not fit each other."""
        try:
            with np.errstate(all="ignore"):
                yield
        except ModelError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise ModelError(f"{self.path / 'model.safetensors'}: not the weights that config.json asks for: {reason}") from error

    def check(self, name: str, limit: int) -> Path:
        """The path of a file of at most so many bytes. Raises ModelError unless it is the one that was exported."""
        path, found = self.path / name, hashlib.sha256()
        try:
            with open_regular(path, limit) as file:
                while block := file.read(1 << 20):
                    found.update(block)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}") from error
        if found.hexdigest() != self._index.files[name]:
            raise ModelError(f"{path}: damaged, or not the file that was exported; export the model once more")
        return path

    def graph(self, name: str) -> Path:
        """The path of one of :data:`GRAPHS`. Raises ModelError as :meth:`check`, and for one that does what none of them does."""
        path = self.check(f"{name}.onnx", MAX_GRAPH)
        try:
            look_through(path.read_bytes())
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        return path
