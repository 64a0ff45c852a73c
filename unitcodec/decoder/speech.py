"""Codes -> sound, by way of a predicted log-mel (F0 decoder, mel decoder, generator) or by a generator that is fed codes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import HOP
from ..fields import Fields
from ..model import Networks
from ..pitch.vqvae import STRIDE, mean_and_deviation
from ..vocoder import excitation
from ..vocoder.hifigan import CodeGenerator
from ..vocoder.mel_decoder import F0_RANGE, pitch_features


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


class MelSpeech:
    """One stream's voice. Pieces are spoken in order: the phase at the end of one is where the next begins."""

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

    def speak(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        """Units (1, rows, n) from unit frame ``low`` of the stream on, F0 codes (1, m) -> their samples [begin, end), (k,)."""
        mel, features, hz = decode_mel(self.networks, units, f0, self.fields)
        generator = self.networks.generator
        hz = excitation.sample_f0(hz)
        # The phase is counted from this piece's first own sample; its surroundings run on to both sides.
        cycles = torch.cumsum(hz.double() / 16000.0, 1)
        origin = cycles[:, begin - 1] if begin else torch.zeros_like(cycles[:, 0])
        cycles = torch.remainder(cycles - origin[:, None] + self.phase, 1.0)
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
        """So many are silent and not spoken. The phase goes on at the F0 of code 0, which stands for what is lost."""
        if self._lost_hz is None:
            reach = self.networks.pitch.decoder_context + 1
            codes = torch.zeros(1, 2 * reach, dtype=torch.long, device=self.device)
            hz = decode_pitch(self.networks, codes, self.fields)[1]
            self._lost_hz = float(hz[0, reach * STRIDE : (reach + 1) * STRIDE].double().mean())
        self.phase = (self.phase + samples * self._lost_hz / 16000.0) % 1.0


class CodeSpeech:
    """One stream's voice where the generator is fed codes: nothing is carried from piece to piece."""

    def __init__(self, networks: Networks, fields: Fields):
        self.generator: CodeGenerator = networks.generator
        device = next(networks.parameters()).device
        self.voice: Tensor = networks.speaker.decode(torch.tensor([fields.voice], device=device))

    @property
    def context(self) -> int:
        """Unit frames to each side that a piece has to be given."""
        return self.generator.context

    def speak(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        """As :meth:`MelSpeech.speak`; ``low`` makes no difference."""
        waveform: Tensor = self.generator(units, f0, self.voice)[0, 0, begin:end]
        return waveform

    def skip(self, samples: int) -> None:
        """As :meth:`MelSpeech.skip`."""


def make_speech(networks: Networks, fields: Fields) -> MelSpeech | CodeSpeech:
    """What speaks the codes of a stream with these fields."""
    if isinstance(networks.generator, CodeGenerator):
        return CodeSpeech(networks, fields)
    return MelSpeech(networks, fields)
