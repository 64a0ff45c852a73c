"""Speech at a typical 353 bit/s, capped at 365 for files from 5 s on.

>>> import unitcodec
>>> codec = unitcodec.load()
>>> data = codec.compress(waveform, 48000)
>>> waveform, sample_rate = codec.decompress(data)

PyTorch is imported with the first use of a name that needs it, not with the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AudioError, ModelError, UnitcodecError, UnitcodecWarning

if TYPE_CHECKING:
    from pathlib import Path

    from .codec import Codec

__version__ = "0.2.0.dev0"
__all__ = ["AudioError", "Codec", "ModelError", "UnitcodecError", "UnitcodecWarning", "load"]


def load(model: str | Path = "default", device: str = "auto") -> Codec:
    """The codec with a packaged model (by name) or a model folder (by path). Raises ModelError."""
    from .codec import Codec

    return Codec.load(model, device)


def __getattr__(name: str) -> Any:
    if name == "Codec":
        from .codec import Codec

        return Codec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
