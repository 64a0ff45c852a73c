"""What a caller hands over, a file or an array -> mono blocks at 16 kHz; whatever is ambiguous is refused before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, SupportsInt

import numpy as np
import torch
from numpy.typing import NDArray

from .audio import Samples, open_reader, to_mono_16k
from .errors import AudioError

Waveform = NDArray[Any] | torch.Tensor
Recording = str | os.PathLike[str] | Waveform
"""The path of a file; or samples (T,), (channels, T) or (T, channels), float in [-1, 1] or integers, NumPy or torch."""

Rate = SupportsInt | None
"""In Hz, a whole number of any type; None for a file, which knows its own."""

MOST_CHANNELS = 8
"""Of an array: one with more is likely to be a batch."""


def mono_blocks(recording: Recording, sample_rate: Rate) -> Iterator[Samples]:
    """Blocks (n,) at 16 kHz, float32.

    Raises AudioError: what can be told without reading a file at once, the rest when blocks are taken.
    """
    if isinstance(recording, (str, os.PathLike)):
        if sample_rate is not None:
            raise AudioError(f"{os.fspath(recording)}: a file states its own sample rate; leave the argument out")
        return _from_file(recording)
    waveform = _channels_first(as_array(recording))
    if sample_rate is None:
        raise AudioError("waveform: an array does not tell its sample rate; say it, as in encode(waveform, 48000)")
    to_mono_16k(waveform[..., :0], sample_rate)  # says now what is wrong with rate and type
    return _from_array(waveform, sample_rate)


def as_array(waveform: Waveform) -> NDArray[Any]:
    """As NumPy knows it: of a tensor whatever its type, device, gradient and view are."""
    if not isinstance(waveform, torch.Tensor):
        return np.asarray(waveform)
    tensor = waveform.detach().cpu().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _channels_first(array: NDArray[Any]) -> NDArray[Any]:
    shape = array.shape
    if len(shape) == 1:
        return array
    if len(shape) == 2 and 1 <= min(shape) <= MOST_CHANNELS and (shape[0] != shape[1] or shape == (1, 1)):
        return array if shape[0] < shape[1] else array.T
    raise AudioError(
        f"waveform: the shape {shape} is not that of one recording: (T,), or (channels, T) or (T, channels) with up to "
        f"{MOST_CHANNELS} channels and more samples than channels; a batch is a list of recordings, list(waveforms) for instance"
    )


def _from_file(path: str | os.PathLike[str]) -> Iterator[Samples]:
    with open_reader(path) as reader:
        yield from reader


def _from_array(waveform: NDArray[Any], sample_rate: SupportsInt) -> Iterator[Samples]:
    yield to_mono_16k(waveform, sample_rate)
