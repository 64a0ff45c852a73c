"""The centroids of a k-means codebook out of the files that others publish them in.

Pickles are read as data (:mod:`unitcodec.formats.pickles`): no code that a file might carry is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from bitstream.regular import read_regular

NAMES = ("centroids", "codebook.centroids", "content.codebook.centroids", "cluster_centers_")
"""What the centroids may be called where a file holds several arrays."""

MAX_CODES = 2**15


def read_centroids(source: str | PathLike[str] | bytes) -> Any:
    """The centroids (codes, dimensions), float32, of a file, given as its path or its bytes.

    Raises ValueError with the reason where there are none; OSError where the path names no regular file that can be read.
    """
    import numpy as np

    from .arrays import MAX_BYTES

    found = _find(_read(source if isinstance(source, bytes) else read_regular(source, MAX_BYTES)))
    if found.ndim != 2 or found.dtype.kind not in "fiu" or 0 in found.shape:
        raise ValueError(f"its centroids have the shape {found.shape} and type {found.dtype}, not that of a list of vectors")
    if len(found) > MAX_CODES:
        raise ValueError(f"{len(found)} centroids; a unit's alphabet ends at {MAX_CODES}")
    with np.errstate(over="ignore"):
        centroids = np.ascontiguousarray(found, np.float32)
    if found.dtype.kind == "f" and not np.isfinite(centroids).all():
        raise ValueError("a centroid is NaN or infinite")
    return centroids


def _read(data: bytes) -> Any:
    """Whatever the file holds: an array, arrays by name, or a :class:`unitcodec.formats.pickles.Made`."""
    from bitstream.tensors import TensorFile

    from .arrays import MAX_BYTES, NPY, NPZ, read_npy, read_npz, unfolded
    from .pickles import read_pickle

    if not data:
        raise ValueError("the file is empty")
    if data.startswith(NPY):
        return read_npy(data)
    if data.startswith(NPZ):
        return read_npz(data, unfolded(len(data)))
    if data[8:9] == b"{":
        return dict(TensorFile(data, MAX_BYTES))
    return read_pickle(data)


def _find(value: Any) -> Any:
    """The array of centroids in what was read."""
    import numpy as np

    from .pickles import Made, as_value

    value = as_value(value)
    if isinstance(value, np.ndarray):
        return value
    parts = value.state if isinstance(value, Made) else value
    if not isinstance(parts, Mapping):
        raise ValueError("holds no k-means codebook")
    arrays = {name: array for name, array in ((name, as_value(part)) for name, part in parts.items()) if hasattr(array, "ndim")}
    for name in NAMES:
        if name in arrays:
            return arrays[name]
    matrices = [array for array in arrays.values() if array.ndim == 2]
    if len(matrices) == 1 and not isinstance(value, Made):
        return matrices[0]
    raise ValueError(f"holds no array named {' or '.join(NAMES[:1] + NAMES[-1:])}; is it a k-means codebook, and fitted?")
