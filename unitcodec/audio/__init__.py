"""What a user brings, files, pipes or arrays -> mono float32 at 16 kHz; and samples -> WAV.

The libraries that read audio are imported with the first name that needs them.

>>> from unitcodec.audio import to_mono_16k
>>> import numpy as np
>>> to_mono_16k(np.zeros((2, 48000)), 48000).shape
(16000,)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitstream.entropy.spec import SAMPLE_RATE

    from ..arrays import Samples
    from .raw import RawFormat
    from .reader import Reader, open_reader
    from .resampling import resampled_length
    from .wav import Sink, write_wav
    from .waveform import to_mono_16k

__all__ = [
    "SAMPLE_RATE",
    "RawFormat",
    "Reader",
    "Samples",
    "Sink",
    "open_reader",
    "resampled_length",
    "to_mono_16k",
    "write_wav",
]

_HOMES = {
    ".arrays": ("Samples",),
    "raw": ("RawFormat",),
    "reader": ("Reader", "open_reader"),
    "resampling": ("SAMPLE_RATE", "resampled_length"),
    "wav": ("Sink", "write_wav"),
    "waveform": ("to_mono_16k",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
