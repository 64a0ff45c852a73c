"""Graphs of a folder, each loaded when it is first run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelError
from .folder import Folder

Array = NDArray[Any]
Shape = tuple[int | None, ...]


class Graphs:
    """The graphs of a folder by name.

    Args:
        folder: of them.
        threads: that each computes with.
    """

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self._threads = folder, threads
        self._sessions: dict[str, Any] = {}

    def run(
        self, name: str, given: Mapping[str, Array], shapes: Sequence[Shape], outputs: Sequence[str] | None = None
    ) -> list[Array]:
        """What a graph makes of its inputs, all of it by default, in these shapes; None is of any size.

        Raises ModelError for a graph that cannot be loaded or run, or that gives what has other shapes or is no number.
        """
        try:
            if name not in self._sessions:
                self._sessions[name] = self._open(name)
            made: list[Array] = self._sessions[name].run(outputs, dict(given))
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime has a class for each of its own
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise ModelError(f"{self.folder.path / name}.onnx: ONNX Runtime says: {reason}") from error
        if len(made) != len(shapes) or not all(map(_is_sound, made, shapes)):
            raise ModelError(f"{self.folder.path / name}.onnx: gives other than the graph of such a model: export it again")
        return made

    def _open(self, name: str) -> Any:
        path = self.folder.graph(name)
        # ONNX Runtime from 1.29 on tells its maker of each session, over the network, unless this is set before its import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Memory is given back, and taken as it is needed: sizes vary.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _is_sound(array: object, shape: Shape) -> bool:
    return (
        isinstance(array, np.ndarray)
        and array.ndim == len(shape)
        and all(wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True))
        and (array.dtype.kind == "i" or (array.dtype.kind == "f" and bool(np.isfinite(array).all())))
    )


def singles(array: ArrayLike) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
