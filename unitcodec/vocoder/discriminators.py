"""Discriminators: signal -> scores and feature maps, for the losses in `unitcodec.vocoder.losses`.

Every discriminator returns a list of verdicts, one for each sub-discriminator, so that lists of several discriminators can
be concatenated. One pass over real and generated signals stacked along the batch, split by `split_verdicts`, saves half
the weight normalizations.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Verdict = tuple[Tensor, list[Tensor]]
"""(scores (B, N), one each place that the sub-discriminator looked at; feature maps, each (B', ...) with its own shape)."""

_SLOPE = 0.1  # of the leaky ReLU, as in the generator


def split_verdicts(both: Sequence[Verdict]) -> tuple[list[Verdict], list[Verdict]]:
    """Verdicts on a batch that stacks two halves along axis 0 -> (verdicts on the first half, on the second)."""
    first: list[Verdict] = []
    second: list[Verdict] = []
    for score, maps in both:
        scores = score.chunk(2)
        halves = [m.chunk(2) for m in maps]
        first.append((scores[0], [h[0] for h in halves]))
        second.append((scores[1], [h[1] for h in halves]))
    return first, second


def _scaled(channels: Sequence[int], width: float) -> list[int]:
    return [max(1, round(c * width)) for c in channels]


class _Stack(nn.Module):
    """Convolutions with leaky ReLUs between; every output, the last (the score map) included, is a feature map."""

    def __init__(self, convs: Sequence[nn.Module]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps: list[Tensor] = []
        for conv in self.convs[:-1]:
            # Maps are matched after the activation, as in HiFi-GAN's published code; the score map has none.
            x = F.leaky_relu(conv(x), _SLOPE)
            maps.append(x)
        x = self.convs[-1](x)
        maps.append(x)
        return x, maps


class PeriodDiscriminator(nn.Module):
    """Sees every `period`-th sample (HiFi-GAN section 2.3): waveform (B, 1, T) -> verdict.

    The paper folds the waveform into a (T / period, period) picture and convolves it with kernels of width 1. Columns never
    mix, so here they join the batch as one-dimensional signals: the same sums, and up to thrice as fast on a CPU.
    """

    def __init__(self, period: int, channels: Sequence[int], kernel: int = 5, stride: int = 3) -> None:
        super().__init__()
        self.period = period
        ins = [1, *channels[:-1]]
        convs = [
            weight_norm(nn.Conv1d(i, o, kernel, stride if n + 1 < len(channels) else 1, kernel // 2))
            for n, (i, o) in enumerate(zip(ins, channels, strict=True))
        ]
        self.stack = _Stack([*convs, weight_norm(nn.Conv1d(channels[-1], 1, 3, 1, 1))])

    def forward(self, waveform: Tensor) -> Verdict:
        batch = waveform.shape[0]
        padded = F.pad(waveform, (0, -waveform.shape[-1] % self.period), "reflect")
        columns = padded.reshape(batch, -1, self.period).transpose(1, 2).reshape(batch * self.period, 1, -1)
        score, maps = self.stack(columns)
        return score.reshape(batch, -1), maps


class MultiPeriodDiscriminator(nn.Module):
    """HiFi-GAN's multi-period discriminator (section 2.3): waveform (B, 1, T) -> one verdict a period.

    `periods` are in samples, prime so that they overlap little. `width` scales the paper's `channels` (41.1 M parameters at
    1, about 1/64 of them at 1/8).
    """

    def __init__(
        self,
        periods: Sequence[int] = (2, 3, 5, 7, 11),
        channels: Sequence[int] = (32, 128, 512, 1024, 1024),
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(p, _scaled(channels, width)) for p in periods)

    def forward(self, waveform: Tensor) -> list[Verdict]:
        return [d(waveform) for d in self.discriminators]


class SpectrogramDiscriminator(nn.Module):
    """Sees one compressed magnitude spectrogram: waveform (B, 1, T) -> verdict; feature maps are (B, C, frames, bins).

    Two-dimensional convolutions strided along frequency only, as in UnivNet (Jang et al. 2021, arXiv 2106.07889, section
    2.2); time is seen through dilation, as in EnCodec (Défossez et al. 2022, arXiv 2210.13438, section 3.4). Magnitudes are
    raised to POWER. T must exceed n_fft / 2 (RuntimeError otherwise).
    """

    window: Tensor

    POWER = 0.3
    """Of a magnitude: about loudness."""

    def __init__(self, n_fft: int, hop: int, channels: int = 16) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        window = torch.hann_window(n_fft)
        # Normalized, so that speech gives magnitudes near 1 whatever n_fft is.
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        convs: list[nn.Module] = [nn.Conv2d(1, channels, (3, 9), (1, 2), (1, 4))]
        convs += [nn.Conv2d(channels, channels, (3, 7), (1, 2), (d, 3), dilation=(d, 1)) for d in (1, 2, 4)]
        convs += [nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, 1, 3, 1, 1)]
        self.stack = _Stack([weight_norm(conv) for conv in convs])

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """Waveform (B, 1, T) -> compressed magnitudes (B, 1, frames, bins), float32 whatever autocast says."""
        with torch.autocast(waveform.device.type, enabled=False):
            spectrum = torch.stft(
                waveform.float().squeeze(1), self.n_fft, self.hop, window=self.window.float(), return_complex=True
            )
            energy = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2).unsqueeze(1)
            # The floor bounds the slope of the root in digital silence.
            return (energy + 1e-7).pow(self.POWER / 2)

    def forward(self, waveform: Tensor) -> Verdict:
        score, maps = self.stack(self.spectrogram(waveform))
        return score.flatten(1), maps


class MultiResolutionDiscriminator(nn.Module):
    """UnivNet's multi-resolution spectrogram discriminator (section 2.2): waveform (B, 1, T) -> one verdict a resolution.

    `resolutions` are (FFT size, hop) in samples.
    """

    def __init__(
        self,
        resolutions: Sequence[tuple[int, int]] = ((1024, 256), (512, 128), (256, 64)),
        channels: int = 16,
    ) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(SpectrogramDiscriminator(n, hop, channels) for n, hop in resolutions)

    def forward(self, waveform: Tensor) -> list[Verdict]:
        return [d(waveform) for d in self.discriminators]


class MelDiscriminator(nn.Module):
    """Patch discriminator on log-mel spectrograms (B, bands, T), to sharpen predicted ones: -> a list of one verdict.

    Strided 2-D convolutions after the patch discriminator of Isola et al. 2017 (arXiv 1611.07004, section 3.2): each score
    judges a patch of 77 bands by 21 frames. Raises ValueError for another number of bands.
    """

    def __init__(self, bands: int = 80, channels: int = 32) -> None:
        super().__init__()
        self.bands = bands
        c = channels
        # (in, out, kernel, stride), each pair (bands, frames): frequency is thinned first, being finer than what is judged.
        layers: list[tuple[int, int, tuple[int, int], tuple[int, int]]] = [
            (1, c, (5, 5), (2, 1)),
            (c, c, (5, 3), (2, 1)),
            (c, 2 * c, (5, 3), (2, 2)),
            (2 * c, 2 * c, (3, 3), (1, 1)),
            (2 * c, 2 * c, (3, 3), (1, 1)),
            (2 * c, 1, (3, 3), (1, 1)),
        ]
        self.stack = _Stack([weight_norm(nn.Conv2d(i, o, k, s, (k[0] // 2, k[1] // 2))) for i, o, k, s in layers])

    def forward(self, mel: Tensor) -> list[Verdict]:
        if mel.shape[1] != self.bands:
            raise ValueError(f"expected {self.bands} bands, not {mel.shape[1]}")
        score, maps = self.stack(mel[:, None])
        return [(score.flatten(1), maps)]
