"""HiFi-GAN that is given its excitation: after NSF-HiFiGAN, HiFTNet and SiFi-GAN.

A plain HiFi-GAN has to find the oscillator in its own weights, which takes days; the source-filter generator, which is given
one, speaks within minutes but cannot do more than filter it. Source-filter HiFi-GAN (Yoneyama et al. 2023, arXiv 2210.15533,
section 2.2) puts a source network, which makes an excitation, before HiFi-GAN, which takes it in at every scale. Here

- the source network is :class:`SpectralGenerator`: filters of 40 ms at the frame rate shape pulses and noise. Its hidden layer
  is what HiFi-GAN starts from in place of the log-mel;
- HiFi-GAN's upsampling and multi-receptive-field fusion run up to 1 kHz, and strided convolutions add pulses and noise as they
  are after each upsampling, so that it knows where in a period it is;
- the head is an inverse STFT of windows of 4 ms, as in HiFTNet (Li et al. 2023, arXiv 2309.09493). Each bin has gain and phase
  for what the source network made of the pulses, a gain for what it made of the noise, and magnitude and phase of its own,
  which are added. These say what 40 ms cannot: how noise comes and goes within a period, onsets, and irregular voices.

All of the head begins next to nothing, so what is spoken at first is the source network's speech. It learns as fast as it does
alone, a trained one can be put in its place, and HiFi-GAN learns what is to be mended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..frames import HOP
from . import excitation
from .hifigan import Generator
from .spectral import FFT, SpectralGenerator
from .speech import ExcitedSpeech, FedLogMel, MelSource

QUIET = -6.0
"""Log magnitude with which the head's own spectra begin: 70 dB below a waveform of full scale."""


class ExcitedGenerator(FedLogMel, nn.Module):
    """Normalised log-mel (B, 80, n), pitch features (B, 3, n) and an excitation -> waveform (B, 160 n).

    Args:
        initial_channels, upsample_rates, istft, resblock_kernels, resblock_dilations, options: of the :class:`Generator`.
        source: options of the :class:`SpectralGenerator`.

    Raises ValueError if rates and `istft` do not make 160 samples of a frame, and as :class:`Generator` does.
    """

    def __init__(
        self,
        initial_channels: int = 192,
        upsample_rates: Sequence[int] = (5, 2),
        istft: int = 16,
        resblock_kernels: Sequence[int] = (3, 7),
        resblock_dilations: Sequence[Sequence[int]] = ((1, 3), (1, 3)),
        source: Mapping[str, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if istft < 1 or math.prod(upsample_rates) * istft != HOP:
            raise ValueError(f"upsample_rates and istft make {math.prod(upsample_rates) * istft} samples of a frame, not {HOP}")
        self.source = SpectralGenerator(**(source or {}))
        options |= {"resblock_kernels": resblock_kernels, "resblock_dilations": resblock_dilations, "istft": istft}
        self.generator = Generator(self.source.head.in_channels, upsample_rates, initial_channels=initial_channels, **options)
        self.downs = nn.ModuleList()
        channels, stride = initial_channels, HOP
        for rate in upsample_rates:
            channels, stride = channels // 2, stride // rate
            # As long as HiFi-GAN's upsampling kernels: every sample is seen twice.
            kernel = 2 * stride + stride % 2
            self.downs.append(nn.Conv1d(2, channels, kernel, stride, padding=(kernel - stride) // 2))
        self.bins = 2 * istft + 1
        head = nn.Conv1d(channels, 5 * self.bins, 7, padding=3)
        with torch.no_grad():
            head.weight.mul_(0.1)
            nn.init.zeros_(cast(Tensor, head.bias))
            cast(Tensor, head.bias)[3 * self.bins : 4 * self.bins] = QUIET
        self.generator.conv_post = weight_norm(head)

    @property
    def context(self) -> int:
        """Frames (100 Hz) to each side on which a frame of output depends."""
        hidden = self.source.context - FFT // HOP
        # A sample lies in the head's windows, and these in frames of the source network.
        shaped = FFT // HOP + -(-4 * self.generator.istft // HOP)
        return hidden + max(shaped, self.generator.receptive_field)

    def speech(self, source: MelSource) -> ExcitedSpeech:
        """What speaks the codes of a stream."""
        return ExcitedSpeech(self, source)

    excite = staticmethod(excitation.excite)

    def finish(self) -> None:
        """Fold what only training needs."""
        self.generator.remove_weight_norm()

    def generate(self, mel: Tensor, pitch: Tensor, pulses: Tensor, noise: Tensor) -> Tensor:
        """Normalised log-mel (B, 80, n), pitch features (B, 3, n), excitations (B, 160 n) -> waveform (B, 160 n)."""
        hidden = self.source.hidden(mel, pitch)
        both = torch.stack([pulses, noise], 1)
        x = self.generator.hidden(hidden, [down(both) for down in self.downs])
        voiced, hiss = self.source.shaped(hidden, pulses, noise)
        with torch.autocast(mel.device.type, enabled=False):
            gain, angle, noisy, own = x.float().split([self.bins, self.bins, self.bins, 2 * self.bins], 1)
            spectra = excitation.filtered(self._fine(voiced), gain, angle) + excitation.filtered(self._fine(hiss), noisy)
            spectra = spectra + self.generator.spectra(own)
            hop = self.generator.istft
            return excitation.overlap_add(spectra, 4 * hop, hop, self.generator.window)

    def _fine(self, spectra: Tensor) -> Tensor:
        """Spectra of the source network (B, 321, n) -> of the same waveform in the head's windows."""
        hop = self.generator.istft
        waveform = excitation.overlap_add(spectra, FFT, HOP, self.source.window)
        return excitation.overlap_frames(waveform, 4 * hop, hop, self.generator.window)

    def forward(self, mel: Tensor, pitch: Tensor, f0: Tensor) -> Tensor:
        """As :meth:`generate` with F0 (B, n) in Hz, positive everywhere, and a random start of phase and noise."""
        with torch.autocast(mel.device.type, enabled=False):
            pulses, noise = excitation.random_start(f0, pitch[:, 2])
        return self.generate(mel, pitch, pulses, noise)
