"""NumPy's files: what NumPy writes is read, and nothing that lies about its size or carries objects."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from unitcodec.formats import arrays


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(7, ">i2"),
    np.zeros((0, 5), np.int64),
    np.array(["a", "bcd", "\udcff"]),
    np.array([True, False]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[f"{array.dtype} {array.shape}" for array in ARRAYS])
def test_what_numpy_writes_is_read(array: np.ndarray) -> None:
    read = arrays.read_npy(_npy(array))
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert np.array_equal(read, array)
    assert not read.flags.writeable


def test_archives() -> None:
    values = {"units": np.arange(6).reshape(2, 3), "audio": np.array(["x.wav"])}
    data = arrays.write_npz(values)
    assert data.startswith(arrays.NPZ)
    assert data == arrays.write_npz(values)
    for read in (arrays.read_npz(data), dict(np.load(io.BytesIO(data)))):
        assert list(read) == list(values)
        assert all(np.array_equal(read[name], value) for name, value in values.items())


def _header(text: str, data: bytes = b"") -> bytes:
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00" + bytes(100),
        _npy(np.arange(3.0))[:-1],
        _npy(np.arange(3.0)) + b"\0",
        _npy(np.array([{}], object)),
        _npy(np.array([(1, {})], [("a", "i4"), ("b", "O")])),
        _header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        _header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", bytes(8)),
        _header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1099511627775, 1099511627775)}"),
        _header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "0," * 33 + ")}"),
        _header("{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os').getcwd()}"),
        _header("[" * 100),
    ],
)
def test_what_is_no_array_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        arrays.read_npy(data)
    assert "\n" not in str(caught.value)


def _archive(**options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        archive.writestr("x.npy", _npy(np.zeros(100000, np.uint8)))
        archive.writestr("notes.txt", "no array, passed over")
    return stream.getvalue()


def test_an_archive_that_would_unfold_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _archive(compression=zipfile.ZIP_DEFLATED)
    assert list(arrays.read_npz(data)) == ["x"]
    monkeypatch.setattr(arrays, "MAX_BYTES", 100000)
    with pytest.raises(ValueError, match="more than 100000 bytes"):
        arrays.read_npz(data)


def test_damaged_archives() -> None:
    data = _archive()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, 200, 3):
            damaged[-place - 1 if rng.random() < 0.7 else place] = rng.integers(256)
        try:
            arrays.read_npz(bytes(damaged))
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017
    for size in (0, 4, 50, len(data) - 1):
        with pytest.raises(ValueError, match="not a NumPy archive"):
            arrays.read_npz(data[:size])
