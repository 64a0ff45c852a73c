"""Codes of a piece of a stream -> its samples: by way of a predicted log-mel, or by a generator that is fed codes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import HOP, SAMPLE_RATE
from ..fields import Fields
from ..model import Networks
from ..pitch.vqvae import STRIDE
from ..vocoder import excitation
from ..vocoder.hifigan import CodeGenerator
from .mel import decode_mel, decode_pitch


class MelPieceDecoder:
    """By way of log-mel. Pieces are decoded in order: the phase at the end of one is where the next begins."""

    def __init__(self, networks: Networks, fields: Fields):
        self.networks, self.fields = networks, fields
        self.unit_hop: int = networks.content.stride * HOP
        self.device = next(networks.parameters()).device
        self.phase = 0.0
        self._lost_hz: float | None = None

    @property
    def context(self) -> int:
        """Unit frames to each side that a piece has to be given: generator, mel decoder and F0 decoder, one after the other."""
        generator = -(-self.networks.generator.context * HOP // self.unit_hop)
        f0 = self.networks.pitch.decoder_context * (STRIDE * HOP // self.unit_hop)
        return generator + self.networks.decoder.context + f0

    def decode(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        """Units (1, rows, n) from unit frame ``low`` of the stream on, F0 codes (1, m) -> their samples [begin, end), (k,)."""
        mel, features, hz = decode_mel(self.networks, units, f0, self.fields)
        generator = self.networks.generator
        hz = excitation.sample_f0(hz)
        cycles = excitation.phase(hz, torch.tensor([self.phase], dtype=torch.float64, device=self.device), begin)
        self.phase = float(cycles[0, end - 1])
        pulses = excitation.voiced_pulses(hz, cycles, features[:, 2])
        # The mel decoder sees further than the generator, which costs more.
        first = max(0, begin // HOP - generator.context)
        part, samples = slice(first, -(-end // HOP) + generator.context), slice(first * HOP, end + generator.context * HOP)
        pulses = pulses[:, samples]
        noise = excitation.white_noise(low * self.unit_hop + first * HOP, pulses.shape[1], self.device)[None]
        waveform: Tensor = generator.generate(mel[..., part], features[..., part], pulses, noise)
        return waveform[0, begin - first * HOP : end - first * HOP]

    def skip(self, samples: int) -> None:
        """So many are silent and not decoded. The phase goes on at the F0 of code 0, which stands for what is lost."""
        if self._lost_hz is None:
            reach = self.networks.pitch.decoder_context + 1
            codes = torch.zeros(1, 2 * reach, dtype=torch.long, device=self.device)
            hz = decode_pitch(self.networks, codes, self.fields)[1]
            self._lost_hz = float(hz[0, reach * STRIDE : (reach + 1) * STRIDE].double().mean())
        self.phase = (self.phase + samples * self._lost_hz / SAMPLE_RATE) % 1.0


class CodePieceDecoder:
    """By a generator that is fed codes: nothing is carried from piece to piece."""

    def __init__(self, networks: Networks, fields: Fields):
        self.generator: CodeGenerator = networks.generator
        device = next(networks.parameters()).device
        self.voice: Tensor = networks.speaker.decode(torch.tensor([fields.voice], device=device))

    @property
    def context(self) -> int:
        """Unit frames to each side that a piece has to be given."""
        return self.generator.context

    def decode(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        """As :meth:`MelPieceDecoder.decode`; ``low`` makes no difference."""
        waveform: Tensor = self.generator(units, f0, self.voice)[0, 0, begin:end]
        return waveform

    def skip(self, samples: int) -> None:
        """As :meth:`MelPieceDecoder.skip`."""


def make_piece_decoder(networks: Networks, fields: Fields) -> MelPieceDecoder | CodePieceDecoder:
    """What decodes the codes of a stream with these fields."""
    if isinstance(networks.generator, CodeGenerator):
        return CodePieceDecoder(networks, fields)
    return MelPieceDecoder(networks, fields)
