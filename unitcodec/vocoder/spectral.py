"""Log-mel and F0 -> waveform: a source-filter generator with an inverse STFT head.

A variant of the HiFi-GAN generator for models that must train within hours: like iSTFTNet (Kaneko et al. 2022) and Vocos
(Siuzdak 2023) the network runs at the frame rate and an inverse STFT makes the samples; like the neural source-filter
models (Wang et al. 2019) the phase comes from an F0-driven pulse train, so the network has only filters to learn.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..frames import BANDS, FLOOR, HOP, WINDOW, denormalise, mel_filters
from ..layers import ConvNeXtBlock, masked, through
from . import excitation
from .speech import ExcitedSpeech, FedLogMel, MelSource

FFT = 640

TINY = 1e-14
"""Added to a power before its root, the slope of which is to be finite in silence."""

MOST_MATCHED = 3.0
"""Of a band's gain in one pass of :meth:`SpectralGenerator.matched`, up or down, as a natural logarithm: 26 dB."""


class SpectralGenerator(FedLogMel, nn.Module):
    """Normalised log-mel (B, 80, n) and pitch features (B, 3, n) -> filters; with an excitation -> waveform (B, 160 n)."""

    window: Tensor
    bands: Tensor
    shares: Tensor

    def __init__(self, channels: int = 224, blocks: int = 6, kernel: int = 5, pitch: int = 3, matching: int = 0):
        """``matching``: passes of :meth:`matched`."""
        super().__init__()
        self.kernel, self.matching = kernel, matching
        self.stem = nn.Conv1d(BANDS + pitch, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(channels, kernel) for _ in range(blocks)])
        self.norm = nn.LayerNorm(channels)
        bins = FFT // 2 + 1
        self.head = nn.Conv1d(channels, bins * 3, 1)
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            # Both filters begin quiet, 35 dB down.
            nn.init.constant_(cast(Tensor, self.head.bias)[: 2 * bins], -4.0)
            nn.init.zeros_(cast(Tensor, self.head.bias)[2 * bins :])
        self.register_buffer("window", torch.hann_window(FFT, dtype=torch.float32, device="cpu"), persistent=False)
        # As in features.log_mel, but for its longer FFT.
        filters = torch.from_numpy(mel_filters(fft=FFT) * (10.0 * 2.0 / WINDOW)).float()
        self.register_buffer("bands", filters, persistent=False)
        self.register_buffer("shares", filters / filters.sum(0).clamp(min=1e-12), persistent=False)

    @property
    def context(self) -> int:
        """Frames (100 Hz) to each side on which a frame of output depends."""
        return 1 + len(self.blocks) * (self.kernel // 2) + (1 + self.matching) * (FFT // HOP)

    def hidden(self, mel: Tensor, pitch: Tensor, there: Tensor | None = None) -> Tensor:
        """What the filters are read from, (B, channels, n)."""
        hidden = through(self.blocks, self.stem(masked(torch.cat([mel, pitch], 1), there)), there)
        return self.norm(hidden.transpose(1, 2)).transpose(1, 2)

    def filters(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log amplitude of the harmonic filter, of the noise filter, and phase of the harmonic filter; each (B, 321, n)."""
        harmonic, noise, angle = self.head(hidden).float().chunk(3, 1)
        return harmonic, noise, angle

    def speech(self, source: MelSource) -> ExcitedSpeech:
        """What speaks the codes of a stream."""
        return ExcitedSpeech(self, source)

    excite = staticmethod(excitation.excite)

    def finish(self) -> None:
        """Fold what only training needs: nothing here."""

    def shaped(self, hidden: Tensor, pulses: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Excitations (B, 160 n) -> the filtered spectra of the pulses and of the noise, (B, 321, n) each."""
        harmonic, noisy, angle = self.filters(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            source = excitation.overlap_frames(pulses, FFT, HOP, self.window)
            hiss = excitation.overlap_frames(noise, FFT, HOP, self.window)
            return excitation.filtered(source, harmonic, angle), excitation.filtered(hiss, noisy)

    def generate(self, mel: Tensor, pitch: Tensor, pulses: Tensor, noise: Tensor, there: Tensor | None = None) -> Tensor:
        """Normalised log-mel (B, 80, n), pitch features (B, 3, n), excitations (B, 160 n) -> waveform (B, 160 n).

        ``there`` (B, 1, n): 1 up to the end of each row, 0 behind it, where rows of several lengths are spoken together. The
        excitations are 0 there, too; the waveform may be anything.
        """
        voiced, hiss = self.shaped(self.hidden(mel, pitch, there), pulses, noise)
        with torch.autocast(mel.device.type, enabled=False):
            return self.matched(excitation.overlap_add(masked(voiced + hiss, there), FFT, HOP, self.window), mel, there)

    def matched(self, waveform: Tensor, mel: Tensor, there: Tensor | None = None) -> Tensor:
        """Bring the log-mel of a waveform (B, 160 n) near to the normalised one that it shall have, (B, 80, n).

        Noise is louder and softer from frame to frame and band to band than its filter, and so is what it adds to pulses. A
        recogniser hears that. Each pass filters the waveform once more, by what its bands lack.
        """
        target = denormalise(mel.float()).transpose(1, 2)
        samples = None if there is None else there[:, 0].repeat_interleave(HOP, 1)
        for _ in range(self.matching):
            # Frames before bins, as the transform has them, and real numbers: that is half of the time.
            framed = excitation.overlap_frames(masked(waveform, samples), FFT, HOP, self.window)
            spectra = torch.view_as_real(framed.transpose(1, 2))
            magnitude = (spectra[..., 0].square() + spectra[..., 1].square() + TINY).sqrt()
            lacks = target - torch.log(magnitude @ self.bands.T + FLOOR)
            gain = torch.exp(lacks.clamp(-MOST_MATCHED, MOST_MATCHED) @ self.shares)
            changed = torch.view_as_complex(spectra * gain[..., None]).transpose(1, 2)
            waveform = excitation.overlap_add(masked(changed, there), FFT, HOP, self.window)
        return waveform

    def forward(self, mel: Tensor, pitch: Tensor, f0: Tensor) -> Tensor:
        """As :meth:`generate` with F0 (B, n) in Hz, positive everywhere, and a random start of phase and noise."""
        with torch.autocast(mel.device.type, enabled=False):
            pulses, noise = excitation.random_start(f0, pitch[:, 2])
        return self.generate(mel, pitch, pulses, noise)
