"""Codes -> sound, by way of a predicted log-mel (F0 decoder, mel decoder, generator) or by a generator that is fed codes."""

from __future__ import annotations

import torch
from torch import Tensor

from .features import HOP
from .fields import Fields
from .model import Networks
from .pitch.vqvae import STRIDE, mean_and_deviation
from .vocoder.mel_decoder import F0_RANGE, pitch_features
from .vocoder.speech import Speech


def decode_pitch(networks: Networks, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor]:
    """F0 codes (1, m) -> pitch features (1, 3, 8 m) and F0 (1, 8 m) in Hz, positive also where unvoiced."""
    output = networks.pitch.decode(f0[:, None])
    mean, deviation = (output.new_tensor([value]) for value in mean_and_deviation(fields.mean, fields.deviation))
    track = torch.stack([output[:, 0], (output[:, 1] > 0).to(output.dtype)], 1)
    hz = torch.exp(track[:, 0] * deviation[:, None] + mean[:, None]).clamp(*F0_RANGE)
    return pitch_features(track, mean, deviation), hz


def decode_mel(networks: Networks, units: Tensor, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor, Tensor]:
    """Units (1, rows, m) and F0 codes (1, k) -> normalised log-mel (1, 80, n), pitch features (1, 3, n), F0 (1, n) in Hz."""
    features, hz = decode_pitch(networks, f0, fields)
    frames = units.shape[2] * networks.content.stride
    features, hz = features[..., :frames], hz[:, :frames]
    voice = torch.tensor([fields.voice], device=units.device)
    return networks.decoder(networks.content.values(units), features, networks.speaker.decode(voice)), features, hz


class Decoded:
    """What the networks before the generator make of the codes of a stream; a :class:`.vocoder.speech.Source`."""

    def __init__(self, networks: Networks, fields: Fields):
        self.networks, self.fields = networks, fields
        self.unit_hop = networks.content.stride * HOP
        self.device = next(networks.parameters()).device

    @property
    def context(self) -> int:
        """Unit frames to each side that the log-mel of a frame depends on: mel decoder and F0 decoder, one after the other."""
        return self.networks.decoder.context + self.networks.pitch.decoder_context * (STRIDE * HOP // self.unit_hop)

    def voice(self) -> Tensor:
        """(1, channels)."""
        return self.networks.speaker.decode(torch.tensor([self.fields.voice], device=self.device))

    def decode(self, units: Tensor, f0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :func:`decode_mel`."""
        return decode_mel(self.networks, units, f0, self.fields)

    def lost_f0(self) -> float:
        """Hz, of code 0, which stands for what is lost."""
        reach = self.networks.pitch.decoder_context + 1
        codes = torch.zeros(1, 2 * reach, dtype=torch.long, device=self.device)
        hz = decode_pitch(self.networks, codes, self.fields)[1]
        return float(hz[0, reach * STRIDE : (reach + 1) * STRIDE].double().mean())


def make_speech(networks: Networks, fields: Fields) -> Speech:
    """What speaks the codes of a stream with these fields."""
    return networks.generator.speech(Decoded(networks, fields))
