"""What may be sent of one packet: candidates for its units, and its F0 codes, each from a window of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from bitstream import EntropySpec

from ..content import ContentFamily
from ..content.decision import Candidates, Decision
from ..features import HOP, WINDOW, level_gain
from ..fields import Fields, IntArray
from ..model import Networks
from ..pitch import PitchFamily
from ..pitch.vqvae import STRIDE, mean_and_deviation
from .buffer import Buffer
from .f0 import F0Track
from .together import Window

CODE_SAMPLES = HOP * STRIDE
"""Samples an F0 code: the grid that every window lies on."""

FloatArray = NDArray[np.float32]


class PacketEncoder:
    """Analyses packets in windows of their own, always in the same shapes and as in float64.

    Args:
        networks: in float64.
        fast: the same in float32, which may stand in for them.
        spec: of the streams.

    Attributes:
        context, f0_context: samples on either side of a packet in the windows for its units and for its F0 codes.
    """

    def __init__(self, networks: Networks, fast: Networks | None, spec: EntropySpec) -> None:
        self._pitch, self._packet, self._unit_hop = networks.pitch, spec.packet_samples, spec.unit_hop
        self._decision = Decision(networks.content, None if fast is None else fast.content)
        self._device = next(networks.parameters()).device
        self.context = context_samples(networks.content)
        self.f0_context = _whole_codes(networks.pitch.context * HOP)

    def candidates(self, samples: Buffer, level: int, start: int, end: int) -> Candidates:
        """What may be sent of the unit frames of samples [start, end), at most a packet, of a stream of that ``level``."""
        return self.decide([self.window(samples, level, start, end)])[0]

    def window(self, samples: Buffer, level: int, start: int, end: int) -> Window:
        """What :meth:`decide` is given for :meth:`candidates`."""
        window, own = packet_window(start, end, self._packet, self.context, self._unit_hop)
        return self.waveform(samples.window(window.start, window.stop), level), own

    def decide(self, windows: Sequence[Window]) -> list[Candidates]:
        """Windows of any packets, of this stream or of others -> the candidates for each."""
        return self._decision.candidates_of(windows)

    def f0_codes(self, f0: F0Track, fields: Fields, start: int, end: int) -> IntArray:
        """F0 codes of samples [start, end), at most a packet, (m,)."""
        window, own = packet_window(start, end, self._packet, self.f0_context, CODE_SAMPLES)
        return encode_f0(self._pitch, f0.window(window.start, window.stop), fields, self._device)[own]

    def waveform(self, window: FloatArray, level: int) -> Tensor:
        """Samples (n,) of a stream of that ``level`` -> as the networks take them; see :func:`at_reference_level`."""
        return at_reference_level(window, level).to(self._device)


def packet_window(start: int, end: int, packet: int, context: int, hop: int) -> tuple[slice, slice]:
    """The samples of the window of a packet that has samples [start, end), and the frames of ``hop`` samples that are its own.

    ``packet``: samples of a full packet; ``context``: samples on either side of one.
    """
    left = max(0, start - context)
    first = (start - left) // hop
    return slice(left, start + packet + context), slice(first, first + -(-(end - start) // hop))


def at_reference_level(samples: NDArray[np.floating[Any]], level: int, dtype: DTypeLike = np.float64) -> Tensor:
    """Samples (n,) of a stream of that ``level`` code -> (1, 1280 m) of ``dtype`` at the reference level, padded with zeros."""
    padded = np.pad(samples, (0, -len(samples) % CODE_SAMPLES)).astype(dtype)
    return torch.from_numpy(padded * padded.dtype.type(level_gain(level)))[None]


def encode_f0(
    pitch: PitchFamily, f0: FloatArray, fields: Fields, device: torch.device | str = "cpu", dtype: DTypeLike = np.float64
) -> IntArray:
    """F0 (n,) in Hz at 100 Hz, 0 where unvoiced -> its codes (ceil(n / 8),), computed in ``dtype``, that of ``pitch``."""
    padded = np.pad(f0, (0, -len(f0) % STRIDE))
    channels = pitch.channels(padded, *mean_and_deviation(fields.mean, fields.deviation))
    with torch.inference_mode():
        codes: NDArray[Any] = pitch.encode(torch.from_numpy(channels.astype(dtype))[None].to(device))[0, 0].cpu().numpy()
    return codes.astype(np.int32)


def context_samples(content: ContentFamily) -> int:
    """Samples on either side of a packet in its window: the encoder's context and half a spectrum's window, in whole F0 codes."""
    return _whole_codes(content.context * HOP + WINDOW // 2)


def _whole_codes(samples: int) -> int:
    return -(-samples // CODE_SAMPLES) * CODE_SAMPLES
