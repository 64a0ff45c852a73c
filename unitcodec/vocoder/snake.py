"""The activation of BigVGAN (Lee et al. 2023, arXiv 2206.04658, section 3): periodic, with little aliasing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TAPS = 12
_BETA = 4.66
"""Shape of the Kaiser window, from the published code: the stop band is 50 dB down."""


def snake(x: Tensor, log_alpha: Tensor) -> Tensor:
    """``x + sin^2(alpha x) / alpha`` of x (B, C, T), log alpha (C,): Ziyin et al. 2020, arXiv 2006.08195."""
    alpha = log_alpha.exp()[:, None]
    return x + torch.sin(alpha * x).square() / alpha


class AntiAliasedSnake(nn.Module):
    """:func:`snake` between a doubling and a halving of the rate: (B, C, T) -> (B, C, T).

    The sine makes harmonics above the Nyquist frequency, which would fold back to where no harmonic is. Twice the rate has
    room for the lowest of them, and the low-pass filter before the halving takes them away. As in convolutions, what lies
    beyond the ends is zero.
    """

    low_pass: Tensor

    REACH = _TAPS // 2 - 1
    """Samples to each side on which a sample of the result depends."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.zeros(channels))
        # Half the Nyquist frequency of the doubled rate. An even number of taps lies between the samples: a quarter of a
        # sample early and late on the way up, and back on the way down.
        sinc = torch.sinc((torch.arange(_TAPS, dtype=torch.float32, device="cpu") - (_TAPS - 1) / 2) / 2)
        taps = sinc * torch.kaiser_window(_TAPS, periodic=False, beta=_BETA, dtype=torch.float32, device="cpu")
        self.register_buffer("low_pass", taps / taps.sum(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # In the precision of the parameters: bfloat16 has two digits for what the sine is taken of.
        with torch.autocast(x.device.type, enabled=False):
            channels = x.shape[1]
            low_pass = self.low_pass.expand(channels, 1, -1)
            doubled = F.conv_transpose1d(x.to(low_pass.dtype), 2 * low_pass, stride=2, padding=self.REACH, groups=channels)
            bent = snake(doubled, self.log_alpha)
            return F.conv1d(bent, low_pass, stride=2, padding=self.REACH, groups=channels).to(x.dtype)
