"""HiFi-GAN's generator (Kong et al. 2020, arXiv 2010.05646) at the rates of Polyak et al. 2021 (arXiv 2104.00355).

`Generator` takes any features at 50 Hz to a waveform at 16 kHz; `CodeGenerator` puts the embeddings of units, F0 codes and a
speaker vector before it. Module names (`conv_pre`, `ups`, `resblocks.N.convs1.M`, `conv_post`) are those in which HiFi-GAN
and speech-resynthesis publish their checkpoints, so that such a state dict, old-style weight norm included, loads as it is.
Two later ideas are options: the activation of BigVGAN (Lee et al. 2023, arXiv 2206.04658) and the inverse-STFT head of iSTFTNet
(Kaneko et al. 2022, arXiv 2203.02395).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from ..frames import HOP
from ..layers import fold
from ..pitch.track import STRIDE
from . import excitation
from .duration import DurationPredictor
from .snake import AntiAliasedSnake
from .speech import CodeSpeech, FedLogMel, MelSource, MelSpeech, VoiceSource

if TYPE_CHECKING:
    from ..content import ContentFamily
    from ..pitch import PitchFamily
    from ..speaker import SpeakerFamily

_SLOPE = 0.1  # of the leaky ReLU: HiFi-GAN section 2.2


def _activation(kind: str, channels: int, slope: float = _SLOPE) -> nn.Module:
    return AntiAliasedSnake(channels) if kind == "snake" else nn.LeakyReLU(slope)


class ResidualBlock(nn.Module):
    """One residual block of the multi-receptive field fusion (HiFi-GAN appendix A.1): (B, C, T) -> (B, C, T).

    For each dilation d: activation, convolution dilated by d, activation, convolution, added to its input. `kernel` is odd.
    """

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int], activation: str = "leaky_relu") -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Module:
            padding = dilation * (kernel - 1) // 2
            module: nn.Module = weight_norm(nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation))
            return module

        self.convs1 = nn.ModuleList(conv(d) for d in dilations)
        self.convs2 = nn.ModuleList(conv(1) for _ in dilations)
        self.acts1 = nn.ModuleList(_activation(activation, channels) for _ in dilations)
        self.acts2 = nn.ModuleList(_activation(activation, channels) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for act1, first, act2, second in zip(self.acts1, self.convs1, self.acts2, self.convs2, strict=True):
            x = x + second(act2(first(act1(x))))
        return x


class Generator(nn.Module):
    """Features (B, in_channels, frames) -> waveform (B, 1, frames * hop) in [-1, 1]; HiFi-GAN section 2.2.

    Each entry of `upsample_rates` halves the channels, from `initial_channels`, and multiplies the rate; the product of
    the rates is `hop`, in samples a frame: 320 by default, 50 Hz -> 16 kHz (Polyak et al. 2021, section 3.3). After each
    follow residual blocks, one for each of `resblock_kernels`, whose outputs are averaged. 14.2, 3.9 and 1.1 M parameters at
    `initial_channels` 512, 256 and 128. `upsample_kernels` are by default twice the rates, or one more to be odd.

    `activation`: "leaky_relu", or "snake" as in BigVGAN (section 3 and figure 1): the periodic activation in the residual blocks
    and before `conv_post`, and none before the upsampling.

    `istft`: 0, or the hop in samples of an inverse STFT, whose windows are four hops long, in place of the last upsampling:
    iSTFTNet. `conv_post` then gives the log magnitudes and phases of the spectra, `hop` is the product of the rates
    times `istft`, and the waveform may exceed [-1, 1].

    Weights are weight-normed for training; `remove_weight_norm()` folds them for inference.

    Raises ValueError for a kernel that cannot keep the length exact: an upsampling one smaller than its rate or of other
    parity, an even one in a residual block; for `initial_channels` that cannot be halved so often; for another activation
    and a negative `istft`.
    """

    window: Tensor

    def __init__(
        self,
        in_channels: int,
        upsample_rates: Sequence[int] = (5, 4, 4, 2, 2),
        upsample_kernels: Sequence[int] | None = None,
        initial_channels: int = 512,
        resblock_kernels: Sequence[int] = (3, 7, 11),
        resblock_dilations: Sequence[Sequence[int]] = ((1, 3, 5),) * 3,
        activation: str = "leaky_relu",
        istft: int = 0,
    ) -> None:
        super().__init__()
        if upsample_kernels is None:
            upsample_kernels = tuple(2 * rate + rate % 2 for rate in upsample_rates)
        if any(k < r or (k - r) % 2 for r, k in zip(upsample_rates, upsample_kernels, strict=True)):
            raise ValueError("an upsampling kernel must be at least its rate, and odd or even as it is")
        if any(k % 2 == 0 for k in resblock_kernels):
            raise ValueError("residual kernels must be odd")
        if initial_channels % 2 ** len(upsample_rates):
            raise ValueError(f"initial_channels must be divisible by {2 ** len(upsample_rates)}")
        if activation not in ("leaky_relu", "snake"):
            raise ValueError(f"unknown activation '{activation}': one of leaky_relu, snake")
        if istft < 0:
            raise ValueError("istft must be 0 or a number of samples")
        self.upsample_rates, self.upsample_kernels = tuple(upsample_rates), tuple(upsample_kernels)
        self.resblock_kernels = tuple(resblock_kernels)
        self.resblock_dilations = tuple(tuple(d) for d in resblock_dilations)
        self.activation, self.istft = activation, istft
        # PyTorch's own initialization throughout. HiFi-GAN's N(0, 0.01) would let the signal of a narrow generator vanish,
        # and its published code, which draws it after weight norm is in place, does not train from it either.
        self.conv_pre = weight_norm(nn.Conv1d(in_channels, initial_channels, 7, padding=3))
        self.act_up = nn.Identity() if activation == "snake" else nn.LeakyReLU(_SLOPE)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        channels = initial_channels
        for rate, kernel in zip(upsample_rates, upsample_kernels, strict=True):
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(weight_norm(up))
            channels //= 2
            for k, dilations in zip(self.resblock_kernels, self.resblock_dilations, strict=True):
                self.resblocks.append(ResidualBlock(channels, k, dilations, activation))
        # Slope 0.01 here, not 0.1: the published code has PyTorch's default in this one place, and checkpoints rely on it.
        self.act_post = _activation(activation, channels, slope=0.01)
        self.conv_post = weight_norm(nn.Conv1d(channels, 2 * (2 * istft + 1) if istft else 1, 7, padding=3))
        if istft:
            self.register_buffer("window", torch.hann_window(4 * istft, dtype=torch.float32, device="cpu"), persistent=False)

    @property
    def hop(self) -> int:
        """Samples of waveform a frame of features."""
        return math.prod(self.upsample_rates) * max(self.istft, 1)

    @property
    def receptive_field(self) -> int:
        """Frames needed before and after a frame for its samples to be what the whole signal would give."""
        # The samples of frame 0, followed back layer by layer to the interval of frames that they depend on.
        low, high = 0, self.hop - 1
        if self.istft:
            # Sample t lies in the windows that are centred less than two hops from it: they begin and end with a zero.
            half = 2 * self.istft
            low, high = -((half - 1 - low) // self.istft), (high + half - 1) // self.istft
        filters = AntiAliasedSnake.REACH if self.activation == "snake" else 0
        low, high = low - 3 - filters, high + 3 + filters
        reach = max(
            (k - 1) // 2 * sum(d + 1 for d in dilations) + 2 * filters * len(dilations)
            for k, dilations in zip(self.resblock_kernels, self.resblock_dilations, strict=True)
        )
        for rate, kernel in zip(reversed(self.upsample_rates), reversed(self.upsample_kernels), strict=True):
            # Output t of a transposed convolution sums inputs i with 0 <= t + padding - rate * i < kernel.
            padding = (kernel - rate) // 2
            low = -((kernel - 1 - padding - (low - reach)) // rate)
            high = (high + reach + padding) // rate
        return max(3 - low, high + 3)

    def forward(self, features: Tensor) -> Tensor:
        x = self.hidden(features)
        return self._inverse_stft(x) if self.istft else torch.tanh(x)

    def hidden(self, features: Tensor, added: Sequence[Tensor] = ()) -> Tensor:
        """Features (B, in_channels, n) -> the output of `conv_post`, n times the product of the rates long.

        `added`: what is added after each upsampling, (B, channels, length) as its output; nothing by default.
        """
        x = self.conv_pre(features)
        fused = len(self.resblock_kernels)
        blocks: Iterator[nn.Module] = iter(self.resblocks)
        for scale, up in enumerate(self.ups):
            x = up(self.act_up(x))
            if added:
                x = x + added[scale]
            total = next(blocks)(x)
            for _ in range(fused - 1):
                total = total + next(blocks)(x)
            x = total / fused
        x = self.conv_post(self.act_post(x))
        return x

    def spectra(self, x: Tensor) -> Tensor:
        """Log magnitudes and phases (B, 2 (2 istft + 1), n) -> spectra (B, 2 istft + 1, n), complex."""
        log_magnitude, phase = x.to(self.window.dtype).chunk(2, 1)
        # The sum of the window is the most that a bin of a waveform in [-1, 1] can have.
        magnitude = log_magnitude.clamp(max=math.log(2 * self.istft)).exp()
        # A sine for the phase, as in the paper. It keeps every bin within one radian of a pulse where its window begins, but
        # with four windows over each sample their sum can still be any waveform.
        phase = torch.sin(phase)
        return torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))

    def _inverse_stft(self, x: Tensor) -> Tensor:
        """Log magnitudes and phases (B, 2 (2 istft + 1), n) -> waveform (B, 1, n * istft)."""
        with torch.autocast(x.device.type, enabled=False):
            return excitation.overlap_add(self.spectra(x), 4 * self.istft, self.istft, self.window)[:, None]

    def remove_weight_norm(self) -> None:
        """Fold weight norm into plain weights, for good: same output, less work and a smaller state dict.

        To load a folded state dict, fold a fresh generator first. Harmless when done twice.
        """
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")


class CodeGenerator(nn.Module):
    """Units, F0 codes and a speaker vector -> waveform: the vocoder of Polyak et al. 2021, section 3.3.

    Units are embedded (the embeddings of several codebook rows are summed), F0 codes are embedded and repeated
    `frames_per_f0` times (4: 12.5 Hz -> 50 Hz), the speaker vector is projected and repeated over time; the three are
    concatenated in this order, `embedding_dim` channels each, and spoken by `generator`. A vocoder without F0 has
    `f0_size` 0, one without a speaker `speaker_dim` 0; `generator` must have `in_channels` to match (ValueError otherwise).

    A speaker table, as the paper trains one, is a one-hot vector before the projection. With a `duration_predictor`, units
    whose repetitions were dropped can be spoken as well: see `durations`.
    """

    def __init__(
        self,
        generator: Generator,
        unit_sizes: Sequence[int] = (100,),
        f0_size: int = 20,
        speaker_dim: int = 256,
        embedding_dim: int = 128,
        frames_per_f0: int = 4,
        duration_predictor: DurationPredictor | None = None,
    ) -> None:
        super().__init__()
        given = embedding_dim * (1 + (f0_size > 0) + (speaker_dim > 0))
        if generator.conv_pre.in_channels != given:
            raise ValueError(f"generator takes {generator.conv_pre.in_channels} channels, codes give {given}")
        self.unit_sizes, self.f0_size, self.speaker_dim = tuple(unit_sizes), f0_size, speaker_dim
        self.frames_per_f0 = frames_per_f0
        self.units = nn.ModuleList(nn.Embedding(size, embedding_dim) for size in unit_sizes)
        self.f0 = nn.Embedding(f0_size, embedding_dim) if f0_size else None
        # No bias: `conv_pre` has one.
        self.speaker = nn.Linear(speaker_dim, embedding_dim, bias=False) if speaker_dim else None
        self.duration_predictor = duration_predictor
        self.generator = generator

    fed: Literal["codes"] = "codes"

    def fits(self, content: ContentFamily, pitch: PitchFamily, speaker: SpeakerFamily) -> bool:
        """Whether alphabets and rates are its own."""
        return (
            self.unit_sizes == content.vocabulary
            # One code says nothing: a generator may do without it.
            and (self.f0_size or 1) == pitch.codes
            and self.speaker_dim == speaker.channels
            and self.hop == content.stride * HOP
            and self.hop * self.frames_per_f0 == STRIDE * HOP
        )

    def speech(self, source: VoiceSource) -> CodeSpeech:
        """What speaks the codes of a stream."""
        return CodeSpeech(self, source)

    @property
    def hop(self) -> int:
        """Samples of waveform a unit frame."""
        return self.generator.hop

    @property
    def context(self) -> int:
        """Unit frames to each side on which a frame of output depends."""
        return self.generator.receptive_field

    def embed(self, units: Tensor, f0: Tensor | None = None, speaker: Tensor | None = None) -> Tensor:
        """Codes, as for `forward` -> features (B, in_channels, frames)."""
        frames = units.shape[-1]
        if units.shape[1] != len(self.units):
            raise ValueError(f"units {tuple(units.shape)} do not fit this model")
        features = [self._content(units)]
        if self.f0 is not None:
            if f0 is None or f0.shape[-1] != -(-frames // self.frames_per_f0):
                given = "none" if f0 is None else tuple(f0.shape)
                raise ValueError(f"units {tuple(units.shape)} and f0 {given} do not fit together or this model")
            features.append(self.f0(f0).repeat_interleave(self.frames_per_f0, dim=1)[:, :frames])
        if self.speaker is not None:
            if speaker is None or speaker.shape[-1] != self.speaker_dim:
                given = "none" if speaker is None else tuple(speaker.shape)
                raise ValueError(f"speaker {given} does not fit this model")
            features.append(self.speaker(speaker).unsqueeze(1).expand(-1, frames, -1))
        return torch.cat(features, dim=-1).transpose(1, 2)

    def _content(self, units: Tensor) -> Tensor:
        """Units (B, codebooks, frames) -> (B, frames, embedding_dim)."""
        return torch.stack([table(row) for table, row in zip(self.units, units.unbind(1), strict=True)]).sum(0)

    def durations(self, units: Tensor) -> Tensor | None:
        """Units without repetitions (B, codebooks, n) -> frames that each is predicted to last (B, n), at least one.

        None from a model that cannot tell.
        """
        if self.duration_predictor is None:
            return None
        return self.duration_predictor.predict(self._content(units).transpose(1, 2))

    def forward(self, units: Tensor, f0: Tensor | None = None, speaker: Tensor | None = None) -> Tensor:
        """Codes -> waveform (B, 1, frames * hop).

        Args:
            units: (B, codebooks, frames).
            f0: codes (B, ceil(frames / frames_per_f0)); not looked at by a model without F0.
            speaker: (B, speaker_dim); not looked at by a model without a speaker.

        Raises ValueError when the number of codebooks or of F0 codes, or the speaker's dimensions, do not fit.
        """
        waveform: Tensor = self.generator(self.embed(units, f0, speaker))
        return waveform

    def remove_weight_norm(self) -> None:
        """Fold the generator's weight norm: see `Generator.remove_weight_norm`."""
        self.generator.remove_weight_norm()

    def finish(self) -> None:
        """Fold what only training needs."""
        self.remove_weight_norm()


class MelGenerator(FedLogMel, nn.Module):
    """`Generator` on normalised log-mel and pitch features at 100 Hz -> waveform.

    Two neighbouring frames make one of the generator's at 50 Hz. There is no excitation. `options` are those of
    :class:`Generator`.

    Raises ValueError if rates and `istft` do not make 320 samples of two frames, and as :class:`Generator` does.
    """

    def __init__(
        self,
        bands: int = 80,
        pitch: int = 3,
        initial_channels: int = 128,
        upsample_rates: Sequence[int] = (5, 4, 4, 2, 2),
        istft: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        samples = math.prod(upsample_rates) * max(istft, 1)
        if samples != 2 * HOP:
            raise ValueError(f"upsample_rates and istft make {samples} samples of two frames, not {2 * HOP}")
        self.generator = Generator(2 * (bands + pitch), upsample_rates, initial_channels=initial_channels, istft=istft, **options)

    @property
    def context(self) -> int:
        """Frames (100 Hz) to each side on which a frame of output depends."""
        return 2 * self.generator.receptive_field

    def speech(self, source: MelSource) -> MelSpeech:
        """What speaks the codes of a stream."""
        return MelSpeech(self, source)

    def finish(self) -> None:
        """Fold what only training needs."""
        self.generator.remove_weight_norm()

    def generate(self, mel: Tensor, pitch: Tensor) -> Tensor:
        """Normalised log-mel (B, 80, n), pitch features (B, 3, n), n even, -> waveform (B, 160 n)."""
        waveform: Tensor = self.generator(fold(torch.cat([mel, pitch], 1), 2)).float()[:, 0]
        return waveform

    def forward(self, mel: Tensor, pitch: Tensor, f0: Tensor) -> Tensor:
        """As :meth:`generate`, called as generators with an excitation are trained: F0 (B, n) in Hz is not used."""
        return self.generate(mel, pitch)
