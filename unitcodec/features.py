"""Log-mel spectrogram: the one definition that encoders, decoders, losses and judges share.

Frames and level are those of :mod:`.frames`.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import FFT, FLOOR, HOP, WINDOW, frame_count, mel_filters


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
