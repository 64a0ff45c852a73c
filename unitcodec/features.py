"""Log-mel spectrogram: the one definition that encoders, decoders, losses and judges share.

Frames and level are those of :mod:`.frames`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import FFT, FLOOR, HOP, WINDOW, frame_count, mel_filters

TOGETHER = 64
"""Frames whose spectra are made at once, on a CPU."""


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
    parts = [power.clamp(min=1e-20).sqrt() @ filters.T for power in power_by_parts(waveform, window, FFT)]
    return torch.log(torch.cat(parts, 1) * (2.0 / WINDOW) + FLOOR).transpose(1, 2)


def power_by_parts(waveform: Tensor, window: Tensor, fft: int) -> Iterator[Tensor]:
    """Waveform (B, T) and a window (W,) of its type -> power (B, n, fft // 2 + 1), one part of the ceil(T / 160) frames after
    another."""
    frames, size = frame_count(waveform.shape[-1]), len(window)
    left = size // 2
    padded = F.pad(waveform, (left, max(0, (frames - 1) * HOP + size - left - waveform.shape[-1])))
    # What is made of so many frames stays in a core's cache: less than half the time.
    many = TOGETHER if waveform.device.type == "cpu" else max(1, frames)
    for blocks in padded.unfold(-1, size, HOP)[:, :frames].split(many, 1):
        squares = torch.view_as_real(torch.fft.rfft(blocks * window, fft)).square()
        # Many times as fast as abs() or sum(-1).
        yield squares[..., 0] + squares[..., 1]
