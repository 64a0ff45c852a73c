"""What may be sent of one packet: candidates for its units, and its F0 codes, each from a window of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bitstream import EntropySpec
from bitstream.arrays import IntArray

from ..arrays import FloatArray
from ..content.rungs import Candidates
from ..fields import Fields
from ..frames import HOP, WINDOW, level_gain
from ..pitch.track import STRIDE
from .buffer import Buffer, F0Track
from .excerpt import Excerpt
from .together import Window

CODE_SAMPLES = HOP * STRIDE
"""Samples an F0 code: the grid that every window lies on."""

Doubles = NDArray[np.float64]


class Analyser(Protocol):
    """What the encoder asks of a model's networks, whatever computes them: NumPy in and out.

    Attributes:
        context, f0_context: samples on either side of a packet in the windows for its units and for its F0 codes.
    """

    @property
    def context(self) -> int: ...

    @property
    def f0_context(self) -> int: ...

    def candidates_of(self, windows: Sequence[Window]) -> list[Candidates]:
        """What may be sent for each of some windows; how many there are cannot show in it."""
        ...

    def f0_codes(self, f0: FloatArray, fields: Fields) -> IntArray:
        """F0 (n,) in Hz at 100 Hz, 0 where unvoiced -> its codes (ceil(n / 8),)."""
        ...

    def mel(self, waveform: Doubles) -> Doubles:
        """Waveform (1, 1280 n) at the reference level -> normalised log-mel (1, 80, 8 n)."""
        ...

    def voice(self, mel: Doubles) -> tuple[int, ...]:
        """Normalised log-mel (1, 80, n) -> the code of who speaks."""
        ...

    def find_voice(self, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
        """The fields with a voice with which the decoder comes nearer to what was said; see :mod:`.voice`."""
        ...


class PacketEncoder:
    """Analyses packets in windows of their own, always in the same shapes and as in float64.

    Args:
        analyser: of the model.
        spec: of the streams.

    Attributes:
        context, f0_context: as of :class:`Analyser`.
    """

    def __init__(self, analyser: Analyser, spec: EntropySpec) -> None:
        self._analyser, self._packet, self._unit_hop = analyser, spec.packet_samples, spec.unit_hop
        self.context, self.f0_context = analyser.context, analyser.f0_context

    def candidates(self, samples: Buffer, level: int, start: int, end: int) -> Candidates:
        """What may be sent of the unit frames of samples [start, end), at most a packet, of a stream of that ``level``."""
        return self.decide([self.window(samples, level, start, end)])[0]

    def window(self, samples: Buffer, level: int, start: int, end: int) -> Window:
        """What :meth:`decide` is given for :meth:`candidates`."""
        window, own = packet_window(start, end, self._packet, self.context, self._unit_hop)
        return at_reference_level(samples.window(window.start, window.stop), level), own

    def decide(self, windows: Sequence[Window]) -> list[Candidates]:
        """Windows of any packets, of this stream or of others -> the candidates for each."""
        return self._analyser.candidates_of(windows)

    def f0_codes(self, f0: F0Track, fields: Fields, start: int, end: int) -> IntArray:
        """F0 codes of samples [start, end), at most a packet, (m,)."""
        window, own = packet_window(start, end, self._packet, self.f0_context, CODE_SAMPLES)
        return self._analyser.f0_codes(f0.window(window.start, window.stop), fields)[own]


def packet_window(start: int, end: int, packet: int, context: int, hop: int) -> tuple[slice, slice]:
    """The samples of the window of a packet that has samples [start, end), and the frames of ``hop`` samples that are its own.

    ``packet``: samples of a full packet; ``context``: samples on either side of one.
    """
    left = max(0, start - context)
    first = (start - left) // hop
    return slice(left, start + packet + context), slice(first, first + -(-(end - start) // hop))


def at_reference_level(samples: NDArray[np.floating[Any]], level: int, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Samples (n,) of a stream of that ``level`` code -> (1, 1280 m) of ``dtype`` at the reference level, padded with zeros."""
    padded = np.pad(samples, (0, -len(samples) % CODE_SAMPLES)).astype(dtype)
    scaled: NDArray[Any] = (padded * padded.dtype.type(level_gain(level)))[None]
    return scaled


def whole_f0(f0: FloatArray) -> FloatArray:
    """F0 (n,) -> (8 m,), as much as whole codes take."""
    return np.pad(f0, (0, -len(f0) % STRIDE))


def content_samples(frames: int) -> int:
    """Samples on either side of a packet in the window of an encoder of so much context (10 ms), in whole F0 codes."""
    return whole_codes(frames * HOP + WINDOW // 2)


def whole_codes(samples: int) -> int:
    """Rounded up to whole F0 codes."""
    return -(-samples // CODE_SAMPLES) * CODE_SAMPLES
