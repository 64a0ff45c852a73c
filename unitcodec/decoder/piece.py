"""Codes of a stream -> what its generator speaks, and what speaks them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitstream.arrays import IntArray

from ..fields import Fields
from ..frames import HOP
from ..model import Networks
from ..pitch.track import STRIDE
from ..vocoder.speech import Speech
from .mel import decode_mel_of, decode_pitch


class Decoded:
    """What the networks before the generator make of the codes of a stream; a :class:`.vocoder.speech.Source`."""

    def __init__(self, networks: Networks, fields: Fields):
        self.networks, self.fields = networks, fields
        self.unit_hop = networks.content.stride * HOP
        self.device = next(networks.parameters()).device

    @property
    def context(self) -> int:
        """Unit frames to each side that the log-mel of a frame depends on: mel decoder and F0 decoder, one after the other."""
        return self.networks.decoder.context + self.networks.f0_decoder.decoder_context * (STRIDE * HOP // self.unit_hop)

    def voice(self) -> Tensor:
        """(1, channels)."""
        return self.networks.speaker.decode(torch.tensor([self.fields.voice], device=self.device))

    def decode(self, units: Tensor, f0: Tensor, own: slice) -> tuple[Tensor, Tensor, Tensor]:
        """See :func:`decode_mel_of`."""
        statistics = [(self.fields.mean, self.fields.deviation)]
        return decode_mel_of(self.networks, units, f0, statistics, self.fields.voice, own)

    def steady_f0(self, code: int) -> float:
        """Hz, of an F0 code among its like."""
        reach = self.networks.f0_decoder.decoder_context + 1
        codes = torch.full((1, 2 * reach), code, device=self.device)
        hz = decode_pitch(self.networks, codes, self.fields)[1]
        return float(hz[0, reach * STRIDE : (reach + 1) * STRIDE].double().mean())


class NetworkVoice:
    """What speaks the codes of a stream, by PyTorch: a :class:`.stream.Voice`."""

    def __init__(self, networks: Networks, fields: Fields):
        """``networks`` are the model's own in float32, on the device of choice."""
        self.decoded = Decoded(networks, fields)
        self.speech: Speech = networks.generator.speech(self.decoded)
        self._device = next(networks.parameters()).device

    @property
    def context(self) -> int:
        return self.speech.context

    @torch.inference_mode()
    def speak(self, units: IntArray, f0: IntArray, low: int, begin: int, end: int) -> NDArray[np.float32]:
        symbols, f0_symbols = (torch.from_numpy(np.ascontiguousarray(part)).long()[None].to(self._device) for part in (units, f0))
        # In float32 whatever the caller casts to: in fewer digits the phase runs away.
        with torch.autocast(self._device.type, enabled=False):
            samples: NDArray[np.float32] = self.speech.speak(symbols, f0_symbols, low, begin, end).cpu().numpy()
        return samples

    def skip(self, samples: int, f0: int) -> None:
        self.speech.skip(samples, partial(self.decoded.steady_f0, f0))
