"""What a caller hands over, files or arrays -> mono blocks at 16 kHz; whatever is ambiguous is refused before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any, BinaryIO, SupportsInt, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..arrays import Samples
from ..errors import AudioError
from .waveform import to_mono_16k

if TYPE_CHECKING:
    import torch

Waveform: TypeAlias = "NDArray[Any] | torch.Tensor"
File = str | os.PathLike[str] | BinaryIO
Recording: TypeAlias = "File | Waveform"
"""The path of a file, or the file, open for reading bytes (io.BytesIO for one in memory); or samples (T,), (channels, T) or
(T, channels), float in [-1, 1] or integers: NumPy, torch or whatever else has ``__array__``."""

Rate = SupportsInt | None
"""In Hz, a whole number of any type; None for a file, which knows its own."""

MOST_CHANNELS = 8
"""Of an array: one with more is likely to be a batch."""


def batch_blocks(recordings: Sequence[Recording], sample_rate: Rate) -> list[Iterator[Samples]]:
    """:func:`mono_blocks` of each; where files and arrays are mixed, the rate is the arrays'. Raises AudioError as it does."""
    numbers = [isinstance(one, Number) for one in recordings]
    if len(recordings) == 2 and numbers[0] != numbers[1]:
        rate = recordings[numbers.index(True)]
        raise AudioError(
            f"audio is a pair of which one is a number; a rate is an argument of its own: encode(waveform, {rate!r:.20})"
        )
    if recordings and all(numbers):
        raise AudioError("audio is a list of numbers, and a list is a batch; one recording is np.array(audio, 'float32')")
    files = [_is_file(one) for one in recordings]
    alike = all(files)
    return [
        mono_blocks(one, None if file and not alike else sample_rate, f"audio[{index}]")
        for index, (one, file) in enumerate(zip(recordings, files, strict=True))
    ]


def mono_blocks(recording: Recording, sample_rate: Rate, name: str = "audio") -> Iterator[Samples]:
    """Blocks (n,) at 16 kHz, float32; ``name`` is what messages call a recording that has none.

    Raises AudioError: what can be told without reading a file at once, the rest when blocks are taken.
    """
    if _is_file(recording):
        name = _file_name(recording, name)
        if sample_rate is not None:
            raise AudioError(f"{name}: a file states its own sample rate; leave the argument out")
        if isinstance(recording, (str, os.PathLike)) and (os.path.isdir(recording) or not os.path.exists(recording)):
            _reader()(recording).close()  # says what is wrong
        return _from_file(recording, name)
    if not _is_array(recording):
        raise AudioError(f"{name} is {_kind(recording)}, neither a file nor an array; {_cure(recording)}")
    waveform = _channels_first(_as_array(recording, name), name)
    if sample_rate is None:
        raise AudioError(f"{name}: an array does not tell its sample rate; say it, as in encode(waveform, 48000)")
    if isinstance(sample_rate, (list, tuple)) or getattr(sample_rate, "ndim", None) not in (None, 0):
        raise AudioError(f"{name}: {sample_rate!r:.40} is no sample rate; a batch has one number, so code other rates apart")
    to_mono_16k(waveform[..., :0], sample_rate, name)  # says now what is wrong with rate and type
    return _from_array(waveform, sample_rate, name)


def as_block(block: object) -> Samples:
    """Part of a stream, floats (n,), as float32. Raises AudioError for anything else, also for what is NaN or infinite."""
    array = _as_array(block, "a block") if _is_array(block) else None
    if array is None or array.ndim != 1 or array.dtype.kind != "f":
        given = _kind(block) if array is None else f"{array.dtype} {array.shape}"
        cure = "; blocks are a list of such" if array is None or not array.ndim else ""
        cure = "; divide it by 32768.0" if array is not None and array.ndim == 1 and array.dtype == np.int16 else cure
        raise AudioError(f"a block is an array (n,) of floats from -1 to 1, mono and at 16 kHz, and this one is {given}{cure}")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite
        samples: Samples = array.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise AudioError("a block holds samples that are NaN or infinite; repair the audio first")
    return samples


def _reader() -> Any:
    """:func:`.reader.open_reader`; what it reads files with is imported when there is one."""
    from .reader import open_reader

    return open_reader


def _is_tensor(given: object) -> TypeGuard[torch.Tensor]:
    """Without an import of PyTorch: where nobody has imported it there are no tensors."""
    imported = sys.modules.get("torch")
    return imported is not None and isinstance(given, imported.Tensor)


def _is_array(given: object) -> TypeGuard[Waveform]:
    return _is_tensor(given) or hasattr(given, "__array__")


def _as_array(waveform: Waveform, name: str) -> NDArray[Any]:
    """As NumPy knows it: of a tensor whatever its type, device, gradient and view are."""
    try:
        return _of_tensor(waveform, name) if _is_tensor(waveform) else np.asarray(waveform)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name}: NumPy cannot make an array of it: {str(error).splitlines()[0]}") from error


def _of_tensor(tensor: torch.Tensor, name: str) -> NDArray[Any]:
    kinds = {"meta": tensor.is_meta, "nested": tensor.is_nested, "quantized": tensor.is_quantized}
    for kind, so in {**kinds, "sparse": str(tensor.layout) != "torch.strided"}.items():
        if so:
            raise AudioError(f"{name} is a {kind} tensor; hand over a plain one, such as to_dense() or dequantize() makes")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _is_file(given: object) -> TypeGuard[File]:
    return isinstance(given, (str, os.PathLike)) or hasattr(given, "read")


def _file_name(file: File, name: str) -> str:
    """What messages call a file. Raises AudioError for one that is open and does not give bytes."""
    if isinstance(file, (str, os.PathLike)):
        return os.fsdecode(file)
    try:
        start: object = file.read(0)
    except ValueError as error:  # it is closed, or open for writing
        raise AudioError(f"{name}: cannot be read ({error}); open a file as in open(path, 'rb')") from error
    if not isinstance(start, bytes):
        raise AudioError(f"{name} is {_kind(file)}, which does not give bytes; open a file as in open(path, 'rb')")
    own = getattr(file, "name", None)
    return own if isinstance(own, str) else name


def _kind(given: object) -> str:
    return "None" if given is None else f"of type {type(given).__name__}"


def _cure(given: object) -> str:
    """What to hand over in its place."""
    if isinstance(given, (bytes, bytearray, memoryview)):
        return "a file's bytes are handed over as io.BytesIO(data), samples as np.frombuffer(data, 'int16')"
    if isinstance(given, (list, tuple)):
        return "of samples in a list make np.array(samples, 'float32')"
    if isinstance(given, Mapping):
        return "hand over its parts, as in encode(audio['array'], audio['sampling_rate'])"
    if isinstance(given, Iterator):
        return "a batch is a list of recordings, and blocks of one recording are for encode_blocks"
    return "it takes a path, a file open for reading bytes, a NumPy array or a tensor; or a list of such, which is a batch"


def _channels_first(array: NDArray[Any], name: str) -> NDArray[Any]:
    shape = array.shape
    if array.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if len(shape) == 1:
        return array
    if len(shape) == 2 and 1 <= min(shape) <= MOST_CHANNELS and (shape[0] != shape[1] or shape == (1, 1)):
        return array if shape[0] < shape[1] else array.T
    raise AudioError(
        f"{name}: the shape {shape} is not that of one recording: (T,), or (channels, T) or (T, channels) with up to "
        f"{MOST_CHANNELS} channels and more samples than channels; a batch is a list of recordings, list(waveforms) for instance"
    )


def _from_file(file: File, name: str) -> Iterator[Samples]:
    with _reader()(file, None if isinstance(file, (str, os.PathLike)) else name) as reader:
        yield from reader


def _from_array(waveform: NDArray[Any], sample_rate: SupportsInt, name: str) -> Iterator[Samples]:
    yield to_mono_16k(waveform, sample_rate, name)
