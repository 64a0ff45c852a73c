"""Codes of a stream -> what its generator speaks, and what speaks them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import HOP
from ..fields import Fields
from ..model import Networks
from ..pitch.vqvae import STRIDE
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


def make_speech(networks: Networks, fields: Fields) -> Speech:
    """What speaks the codes of a stream with these fields."""
    return networks.generator.speech(Decoded(networks, fields))
