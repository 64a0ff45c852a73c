"""Files of tensors: what the package safetensors writes is read, what is written is what it writes, and the rest is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from bitstream.tensors import InvalidTensors, TensorFile, write_tensors

ARRAYS = {
    "b": np.arange(6, dtype=np.int8).reshape(2, 3),
    "a": np.arange(5, dtype=np.uint16),
    "long": np.arange(-4, 4, dtype=np.int32).reshape(2, 2, 2),
    "none": np.zeros((0, 3), np.uint32),
    "\u00e9": np.array(7, np.int16),
}


def test_the_bytes_are_those_of_the_package() -> None:
    for metadata in ({"unitcodec": '{"a": "\u00e9\\n"}'}, {"x": ""}):
        assert write_tensors(ARRAYS, metadata) == safetensors.numpy.save(ARRAYS, metadata)


@pytest.mark.parametrize("kind", [*(f"{sign}{size}" for sign in "ui" for size in (1, 2, 4, 8)), "f2", "f4", "f8"])
def test_every_type_is_read(kind: str, tmp_path: Path) -> None:
    array = np.arange(12).astype(kind).reshape(3, 4)
    safetensors.numpy.save_file({"x": array}, tmp_path / "x", {"about": "this"})
    with TensorFile(tmp_path / "x", 1000) as tensors:
        assert tensors.metadata == {"about": "this"}
        assert list(tensors) == ["x"]
        assert tensors["x"].dtype == array.dtype
        assert np.array_equal(tensors["x"], array)


def test_damage_is_refused_or_harmless() -> None:
    data, rng = safetensors.numpy.save(ARRAYS, {"x": "y"}), np.random.default_rng(0)
    for size in range(len(data)):
        with pytest.raises(InvalidTensors):
            TensorFile(data[:size], 10**6)
    for _ in range(3000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 2):
            damaged[place] = rng.integers(256)
        try:
            read = dict(TensorFile(bytes(damaged), 10**6))
        except InvalidTensors as error:
            message = str(error)
            assert len(message) < 200  # most are refused, not all
        else:
            assert sum(array.nbytes for array in read.values()) < len(data)


def test_only_regular_files_of_a_size_are_opened(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1001))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "large", tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"not a regular file|1000 is the limit"):
            TensorFile(path, 1000)
