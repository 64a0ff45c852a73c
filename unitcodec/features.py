"""Log-mel spectrogram: the one definition that encoders, decoders, losses and judges share.

Frames and level are those of :mod:`.frames`.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import BANDS as BANDS
from .frames import CENTRE as CENTRE
from .frames import FFT as FFT
from .frames import FLOOR as FLOOR
from .frames import HOP as HOP
from .frames import LEVEL_CODES as LEVEL_CODES
from .frames import LEVEL_STEP as LEVEL_STEP
from .frames import REFERENCE_LEVEL as REFERENCE_LEVEL
from .frames import SAMPLE_RATE as SAMPLE_RATE
from .frames import SCALE as SCALE
from .frames import WINDOW as WINDOW
from .frames import active_level as active_level
from .frames import block_power as block_power
from .frames import denormalise as denormalise
from .frames import frame_count as frame_count
from .frames import level_code as level_code
from .frames import level_gain as level_gain
from .frames import mel_filters as mel_filters
from .frames import normalise as normalise
from .frames import stands_out as stands_out
from .frames import triangular_filters as triangular_filters


@lru_cache(maxsize=8)
def _constants(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    # Kept for all later callers, so also when the first one is in inference mode these must be tensors that autograd takes.
    with torch.inference_mode(False):
        window = torch.hann_window(WINDOW, dtype=torch.float64)
        # The filters are scaled so that log-mel of speech at REFERENCE_LEVEL lies around CENTRE.
        filters = torch.from_numpy(mel_filters() * 10.0)
        return window.to(device, dtype), filters.to(device, dtype)


def log_mel(waveform: Tensor) -> Tensor:
    """Natural logarithm of the mel amplitude spectrogram.

    Args:
        waveform: (B, T), T at least 1, float32 or float64, computed in that type.

    Returns:
        (B, 80, ceil(T / 160)).
    """
    window, filters = _constants(waveform.dtype, waveform.device)
    # The floor, 1e-10 in amplitude, keeps the root's slope finite in digital silence.
    magnitude = power_spectrogram(waveform, window, FFT).clamp(min=1e-20).sqrt()
    return torch.log(magnitude @ filters.T * (2.0 / WINDOW) + FLOOR).transpose(1, 2)


def power_spectrogram(waveform: Tensor, window: Tensor, fft: int) -> Tensor:
    """Waveform (B, T) and a window (W,) of its type -> power (B, ceil(T / 160), fft // 2 + 1)."""
    frames, size = frame_count(waveform.shape[-1]), len(window)
    left = size // 2
    padded = F.pad(waveform, (left, max(0, (frames - 1) * HOP + size - left - waveform.shape[-1])))
    blocks = padded.unfold(-1, size, HOP)[:, :frames] * window
    squares = torch.view_as_real(torch.fft.rfft(blocks, fft)).square()
    # Many times as fast as abs() or sum(-1).
    return squares[..., 0] + squares[..., 1]
