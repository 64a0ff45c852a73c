"""Waveform -> units. Every family of content encoders offers what :class:`ContentFamily` asks for, one file a family."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class ContentFamily(Protocol):
    """What the codec needs of a content encoder; the log-mel front end of :mod:`unitcodec.features` is shared by all.

    Attributes:
        stride: log-mel frames (100 Hz) a unit frame; the frame rate is ``100 / stride`` Hz, at most 50.
        vocabulary: alphabet of each codebook row.
        context: log-mel frames that a unit depends on before and after its own, together the receptive field.
    """

    @property
    def stride(self) -> int: ...

    @property
    def vocabulary(self) -> tuple[int, ...]: ...

    @property
    def context(self) -> int: ...

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n) normalised log-mel, n a multiple of the stride -> units (B, codebooks, n / stride), int64."""
        ...

    def values(self, units: Tensor) -> Tensor:
        """Units (B, codebooks, frames) -> what the vocoder is fed, (B, channels, frames)."""
        ...
