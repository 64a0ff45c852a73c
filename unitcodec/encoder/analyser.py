"""The encoder's side of a model's networks, by PyTorch: an :class:`.packet.Analyser`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from bitstream.arrays import IntArray

from ..content import ContentFamily
from ..content.decision import Decision
from ..content.rungs import Candidates
from ..features import log_mel
from ..fields import Fields
from ..frames import HOP, normalise
from ..model import Networks
from ..pitch import PitchFamily
from ..pitch.track import mean_and_deviation
from .excerpt import Excerpt
from .packet import content_samples, whole_codes, whole_f0
from .together import Window
from .voice import find_voice

Doubles = NDArray[np.float64]


class NetworkAnalyser:
    """See :class:`.packet.Analyser`.

    Args:
        networks: the model's own in float64, on the device of choice.
        fast: the same in float32, which may stand in for them.
    """

    def __init__(self, networks: Networks, fast: Networks | None = None) -> None:
        self._networks, self._fast = networks, fast
        self._decision = Decision(lambda: networks.content, None if fast is None else fast.content)
        # Of those in float64 the parts that are there may have no weights: units alone, or one voice.
        self._device = next((fast or networks).parameters()).device
        self.context = context_samples((fast or networks).content)
        self.f0_context = whole_codes(networks.pitch.context * HOP)

    def candidates_of(self, windows: Sequence[Window]) -> list[Candidates]:
        return self._decision.candidates_of([(torch.from_numpy(waveform).to(self._device), own) for waveform, own in windows])

    def f0_codes(self, f0: NDArray[np.float32], fields: Fields) -> IntArray:
        return encode_f0(self._networks.pitch, f0, fields, self._device)

    @torch.inference_mode()
    def mel(self, waveform: Doubles) -> Doubles:
        mel: Doubles = normalise(log_mel(torch.from_numpy(waveform).to(self._device))).cpu().numpy()
        return mel

    @torch.inference_mode()
    def voice(self, mel: Doubles) -> tuple[int, ...]:
        return tuple(self._networks.speaker.encode(torch.from_numpy(mel).to(self._device))[0].tolist())

    def find_voice(self, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
        return find_voice(self._networks, self._fast, fields, excerpts, steps)


def encode_f0(
    pitch: PitchFamily,
    f0: NDArray[np.float32],
    fields: Fields,
    device: torch.device | str = "cpu",
    dtype: DTypeLike = np.float64,
) -> IntArray:
    """F0 (n,) in Hz at 100 Hz, 0 where unvoiced -> its codes (ceil(n / 8),), computed in ``dtype``, that of ``pitch``."""
    channels = pitch.channels(whole_f0(f0), *mean_and_deviation(fields.mean, fields.deviation))
    with torch.inference_mode():
        codes: NDArray[Any] = pitch.encode(torch.from_numpy(channels.astype(dtype))[None].to(device))[0, 0].cpu().numpy()
    return codes.astype(np.int32)


def context_samples(content: ContentFamily) -> int:
    """Samples on either side of a packet in its window: the encoder's context and half a spectrum's window, in whole F0 codes."""
    return content_samples(content.context)
