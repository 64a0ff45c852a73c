"""NumPy's files, read without unpickling anything and without believing what a header says of sizes."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
"""How the two kinds of file begin."""

MAX_BYTES = 2**30
"""The arrays of a file may hold no more, together: what is compressed can be a thousand times as large as it looks."""

MAX_ARRAYS, WRITTEN = 1000, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unfolded(size: int) -> int:
    """Bytes that a compressed file of ``size`` may stand for: numbers that mean something cannot be packed much further."""
    return min(MAX_BYTES, max(2**24, 8 * size))


def read_npy(data: bytes) -> Array:
    """The array of a ``.npy`` file's bytes, read-only. Raises ValueError for anything else, and for Python objects."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran_order, dtype = read_header(stream)
    except Exception as error:  # whatever NumPy makes of a header that is none, a tokenizer's errors among it
        raise ValueError("not a NumPy array") from error
    return as_array(data[stream.tell() :], dtype, shape, fortran_order)


def as_array(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], fortran_order: bool) -> Array:
    """Bytes as an array, read-only. Raises ValueError unless they are exactly as many as its shape and type ask for."""
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are not read")
    if not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape) or len(shape) > 32:
        raise ValueError(f"cannot have the shape {shape}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"holds {len(data)} bytes; its shape {shape} and type {dtype} ask for another number")
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)


def read_npz(data: bytes, limit: int | None = None) -> dict[str, Array]:
    """The arrays of a ``.npz`` file's bytes by name, read-only, of ``limit`` (MAX_BYTES) bytes at most. Raises ValueError."""
    limit = MAX_BYTES if limit is None else limit
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > limit:
                raise ValueError(f"its arrays hold more than {limit} bytes")
            if len(members) > MAX_ARRAYS or any(member.compress_type not in WRITTEN for member in members):
                raise ValueError(f"more than {MAX_ARRAYS} arrays, or compressed as NumPy does not")
            return {member.filename.removesuffix(".npy"): read_npy(archive.read(member)) for member in members}
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError("not a NumPy archive") from error


def write_npz(arrays: Mapping[str, Array]) -> bytes:
    """The compressed ``.npz`` file of arrays by name, of numbers or text. The same arrays give the same bytes."""
    plain: dict[str, Any] = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    if any(array.dtype.hasobject for array in plain.values()):
        raise ValueError("Python objects are not written")
    stream = io.BytesIO()
    np.savez_compressed(stream, **plain)
    return stream.getvalue()
