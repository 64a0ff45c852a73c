"""The learned parts as modules of plain tensors, in and out, as ONNX can hold them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..decoder.mel import decode_f0
from ..model import Networks
from ..vocoder import excitation


class Windowed(nn.Module):
    """What Whisper and the convolutional encoder hear -> what is rounded to units, (1, rows, m); see ``latent_seen``."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content: Any = networks.content

    def forward(self, heard: Tensor, mel: Tensor, listened: Tensor, within: Tensor) -> Tensor:
        parts = slice(listened[0], listened[1]), slice(within[0], within[1])
        bounded: Tensor = self.content.quantizer.bound(self.content.latent_seen(heard, mel, *parts))
        return bounded


class Convolutional(nn.Module):
    """Log-mel (1, 80, n) -> what is rounded to units, (1, rows, m)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content: Any = networks.content

    def forward(self, mel: Tensor) -> Tensor:
        bounded: Tensor = self.content.quantizer.bound(self.content.latent(mel))
        return bounded


class F0Decoder(nn.Module):
    """F0 codes (1, m), mean and deviation (1,) -> pitch features (1, 3, 8 m) and F0 (1, 8 m)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.pitch = networks.f0_decoder

    def forward(self, f0: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        return decode_f0(self.pitch, f0[:, None], mean, deviation)


class Mel(nn.Module):
    """Units (1, rows, m), pitch features (1, 3, n) and voice (1, fields) -> log-mel (1, 80, n)."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.content, self.speaker, self.decoder = networks.content, networks.speaker, networks.decoder

    def forward(self, units: Tensor, features: Tensor, voice: Tensor) -> Tensor:
        mel: Tensor = self.decoder(self.content.values(units), features, self.speaker.decode(voice))
        return mel


class Pulses(nn.Module):
    """F0 and voicing (1, n), phase (1,) before sample ``first`` -> pulses (1, 160 n) and the phase at every sample."""

    def forward(self, hz: Tensor, voicing: Tensor, start: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        return excitation.pulses_from(hz, voicing, start, first)


class Filters(nn.Module):
    """Log-mel (1, 80, n) and pitch features (1, 3, n) -> what :meth:`.SpectralGenerator.filters` gives, (1, bins, n) each."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.generator: Any = networks.generator

    def forward(self, mel: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        harmonic, noisy, angle = self.generator.filters(self.generator.hidden(mel, features))
        return harmonic, noisy, angle
