"""Arrays by name in the safetensors format: 8 bytes of length, a JSON header of that length, the arrays' bytes.

Read without the package of that name, and without belief: nothing is allocated before the header fits the file's size.
https://huggingface.co/docs/safetensors describes the format.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import BitstreamError, shown
from bitstream.regular import open_regular

MAX_HEADER = 2**20
MAX_TENSORS = 1024
MAX_AXES = 8

_TYPES = {
    **{f"{kind.upper()}{8 * size}": np.dtype(f"<{kind}{size}") for kind in "ui" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_WRITTEN = ("U8", "I8", "I16", "U16", "I32", "U32")
"""Types of entropy models, smallest first as the package orders them."""


class InvalidTensors(BitstreamError):
    """Bytes that are no safetensors file, or one with types or sizes that are not read."""


class TensorFile(Mapping[str, NDArray[Any]]):
    """The arrays of a file or of bytes by name; each is read when it is asked for, into memory of its own.

    Args:
        source: a path, or the file's bytes.
        limit: bytes that the file may have.

    Attributes:
        metadata: the texts that the header carries.
        places: name -> (type, shape, where it begins in the file), known without reading any array.
        layout: the same without the places.

    Raises InvalidTensors; OSError where the path names no regular file of that size.
    """

    def __init__(self, source: str | PathLike[str] | bytes, limit: int) -> None:
        self._file: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else open_regular(source, limit)
        try:
            size = self._file.seek(0, io.SEEK_END)
            if size > limit:
                raise InvalidTensors(f"{size} bytes; {limit} is the limit")
            self.metadata, self.places = _header(self._file, size)
        except BaseException:
            self._file.close()
            raise
        self.layout = {name: (dtype, shape) for name, (dtype, shape, _) in self.places.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        dtype, shape, start = self.places[name]
        values = np.empty(math.prod(shape), dtype)
        self._file.seek(start)
        if self._file.readinto(values.view(np.uint8)) != values.nbytes:  # type: ignore[attr-defined]
            raise InvalidTensors("the file was cut short while it was read")
        return values.reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _header(file: BinaryIO, size: int) -> tuple[dict[str, str], dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]]:
    """Metadata, and of each array type, shape and the byte where it begins."""
    file.seek(0)
    # What is that small holds no header; and of files whose size is not true nothing is read.
    length = int.from_bytes(file.read(8), "little") if size >= 10 else 0
    if not 2 <= length <= min(size - 8, MAX_HEADER):
        raise InvalidTensors("not a safetensors file")
    try:
        header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        entries = [(name, *_entry(value)) for name, value in header.items()]
        texts = isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())
    except InvalidTensors:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidTensors("not a safetensors file: its header is damaged") from error
    if not texts or len(entries) > MAX_TENSORS:
        raise InvalidTensors(f"its header holds {len(entries)} tensors" if texts else "its metadata is not text")
    places, end = {}, 0
    for name, dtype, shape, start, stop in sorted(entries, key=lambda entry: entry[3:]):
        # End to end, as the format has it: so no byte of the file counts twice, and none is left over.
        if start != end or stop - start != math.prod(shape) * dtype.itemsize:
            raise InvalidTensors(f"the place of {shown(name)} does not fit its shape and type")
        places[name], end = (dtype, shape, 8 + length + start), stop
    if 8 + length + end != size:
        raise InvalidTensors(f"{size} bytes, where its header speaks of {8 + length + end}")
    return metadata, places


def _entry(value: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    shape, (start, stop) = value["shape"], value["data_offsets"]
    for number in (*shape, start, stop):
        if type(number) is not int or not 0 <= number < 2**40:
            raise InvalidTensors(f"a size of {shown(number)}")
    if len(shape) > MAX_AXES or value["dtype"] not in _TYPES:
        raise InvalidTensors(f"a tensor of {len(shape)} axes and type {shown(value['dtype'])}, which is not read")
    return _TYPES[value["dtype"]], tuple(shape), start, stop


def write_tensors(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The file of integer arrays, the bytes that the package safetensors gives: large types first, then by name."""
    names = {dtype: name for name, dtype in _TYPES.items()}
    order = sorted(tensors, key=lambda name: (-_WRITTEN.index(names[tensors[name].dtype]), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    start = 0
    for name in order:
        tensor = tensors[name]
        stop = start + tensor.nbytes
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(tensors[name].tobytes() for name in order)])
