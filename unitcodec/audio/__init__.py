"""What a user brings, files, pipes or arrays -> mono float32 at 16 kHz; and samples -> WAV.

>>> from unitcodec.audio import open_reader
>>> with open_reader("examples/speech.wav") as reader:
...     samples = sum(len(block) for block in reader)

The libraries that read audio are imported with the first name that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .raw import RawFormat

if TYPE_CHECKING:
    from .reader import SAMPLE_RATE, Reader, Samples, Sink, open_reader, resampled_length, to_mono_16k, write_wav

__all__ = [
    "SAMPLE_RATE", "RawFormat", "Reader", "Samples", "Sink", "open_reader", "resampled_length", "to_mono_16k", "write_wav",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from . import reader

    if name in __all__:
        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
