"""Vocal tract length perturbation (VTLP): the units that an encoder of log-mel hears should not depend on the speaker's size.

Jaitly and Hinton 2013, *Vocal tract length perturbation (VTLP) improves speech recognition*.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bitstream.entropy.spec import SAMPLE_RATE

from ..frames import BANDS

KNEE = 4800.0
"""Hz; formants below it move together, what is above only as far as the spectrum has room."""


def unwarped_frequency(hertz: Tensor, factor: Tensor) -> Tensor:
    """Where what lies at ``hertz`` was before formants were moved by ``factor``; both of any shapes that fit, Hz up to 8 kHz."""
    nyquist = SAMPLE_RATE / 2
    knee = KNEE * factor.clamp(max=1.0)
    above = knee / factor + (hertz - knee) * (nyquist - knee / factor) / (nyquist - knee)
    return torch.where(hertz <= knee, hertz / factor, above)


def warped(mel: Tensor, factor: Tensor) -> Tensor:
    """Log-mel (B, 80, n) and factors (B,) -> (B, 80, n) whose formants below 4.8 kHz lie ``factor`` times as high."""
    top = 2595.0 * torch.log10(torch.tensor(1.0 + SAMPLE_RATE / 2 / 700.0))
    bands = torch.arange(1, BANDS + 1, dtype=torch.float32, device=mel.device)
    hertz = 700.0 * (10.0 ** (bands * top / (BANDS + 1) / 2595.0) - 1.0)
    source = unwarped_frequency(hertz, factor.float()[:, None])
    position = (2595.0 * torch.log10(1.0 + source / 700.0) / top * (BANDS + 1) - 1.0).clamp(0, BANDS - 1)
    lower = position.floor().clamp(max=BANDS - 2)
    share = (position - lower)[..., None].to(mel.dtype)
    index = lower.long()[..., None].expand(-1, -1, mel.shape[2])
    return mel.gather(1, index) * (1 - share) + mel.gather(1, index + 1) * share
