"""F0 -> what excites the vocal tract: a pulse train with all harmonics up to Nyquist, and white noise.

Both are functions of the absolute sample position (the pulse train also of the phase carried over), so a stream
synthesised piece by piece has the excitation that the whole file has.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bitstream.entropy.spec import SAMPLE_RATE

from ..frames import HOP
from . import noise

ENTERING = 8.0
"""The highest harmonic fades in while it falls by this part (an eighth) of F0 below Nyquist. Were it there or not there at
all, the last bit of F0, in which libraries differ, would decide."""

MAX_LOG_GAIN = 4.0
"""Of a filter, as a natural logarithm: 35 dB."""


def sample_f0(f0: Tensor, hop: int = HOP) -> Tensor:
    """F0 (B, n) in Hz at frames centred on sample ``hop * i`` -> (B, n * hop), linear in between, held after the last."""
    extended = torch.cat([f0, f0[:, -1:]], 1)
    ramp = torch.arange(hop, device=f0.device, dtype=f0.dtype) / hop
    return (extended[:, :-1, None] + (extended[:, 1:] - extended[:, :-1])[..., None] * ramp).flatten(1)


def voiced_pulses(hz: Tensor, cycles: Tensor, voicing: Tensor, hop: int = HOP) -> Tensor:
    """:func:`pulse_train` where frames are voiced, silence elsewhere, with ramps of one frame between.

    Args:
        hz, cycles: (B, n * hop), F0 and phase at every sample.
        voicing: (B, n), 1 in voiced frames and 0 in unvoiced ones.
    """
    return pulse_train(hz, cycles) * sample_f0(voicing, hop)


def pulses_from(hz: Tensor, voicing: Tensor, start: Tensor, first: Tensor | int) -> tuple[Tensor, Tensor]:
    """F0 (B, n) in Hz and voicing (B, n), phase ``start`` (B,) before sample ``first`` -> pulses and phase, (B, n * hop) each."""
    hz = sample_f0(hz)
    cycles = phase(hz, start, first)
    return voiced_pulses(hz, cycles, voicing), cycles


def random_start(f0: Tensor, voicing: Tensor) -> tuple[Tensor, Tensor]:
    """Pulses and noise to train with, (B, n * hop) each: F0 (B, n) in Hz, voicing (B, n), phase and noise from anywhere."""
    hz = sample_f0(f0.float())
    cycles = phase(hz, torch.rand(len(hz), device=hz.device))
    pulses = voiced_pulses(hz, cycles, voicing.float())
    return pulses, torch.randn_like(pulses)


def phase(f0: Tensor, start: Tensor | None = None, first: Tensor | int = 0) -> Tensor:
    """Running phase in cycles, (B, T) float64, modulo 1, of an oscillator at F0 (B, T) in Hz.

    ``start`` (B,): phase before sample ``first``, from which it runs to both sides.
    """
    cycles = torch.cumsum(f0.double() / SAMPLE_RATE, 1)
    cycles = cycles - F.pad(cycles, (1, 0))[:, first, None]
    if start is not None:
        cycles = cycles + start.double()[:, None]
    return torch.remainder(cycles, 1.0)


def pulse_train(f0: Tensor, cycles: Tensor) -> Tensor:
    """Sum of cosines at all harmonics of F0 below Nyquist, each of amplitude ``sqrt(F0 / 4000)``; the highest fades (ENTERING).

    The sum has a closed form (Dirichlet kernel): ``sum_{k=1}^{K} cos(k x) = sin((2K+1) x / 2) / (2 sin(x / 2)) - 1/2``.
    The amplitude makes the power the same at every F0.

    Args:
        f0: (B, T) in Hz, positive.
        cycles: (B, T), phase in cycles from :func:`phase`.

    Returns:
        (B, T), float32.
    """
    room = 0.5 * SAMPLE_RATE / f0.double()
    harmonics = torch.floor(room)
    lacks = 1.0 - (ENTERING * (room - harmonics)).clamp(max=1.0)
    # Around the pulse the quotient is 0 / 0: its limit there is 2K + 1.
    centred = cycles - torch.round(cycles)
    half = torch.pi * centred
    denominator = torch.sin(half)
    near = denominator.abs() < 1e-5
    quotient = torch.sin((2 * harmonics + 1) * half) / torch.where(near, torch.ones_like(half), denominator)
    total = 0.5 * torch.where(near, 2 * harmonics + 1, quotient) - 0.5
    # An angle of some hundred radians is exact enough in float32, whose cosine takes a tenth of the time.
    total = total - lacks * torch.cos((2 * harmonics * half).float())
    return (total * torch.sqrt(f0.double() / 4000.0)).float()


def white_noise(start: int, samples: int, device: torch.device | str = "cpu") -> Tensor:
    """See :func:`.noise.white_noise`."""
    return torch.from_numpy(noise.white_noise(start, samples)).to(device)


def excite(
    hz: Tensor, voicing: Tensor, phase: float, begin: int, end: int, part: slice, position: int
) -> tuple[Tensor, Tensor, float]:
    """See :meth:`.ExcitedVocoder.excite`."""
    pulses, noise, phases = excite_each(hz, voicing, [phase], begin, [end], part, position)
    return pulses, noise, phases[0]


def excite_each(
    hz: Tensor, voicing: Tensor, phases: Sequence[float], begin: int, ends: Sequence[int], part: slice, position: int
) -> tuple[Tensor, Tensor, list[float]]:
    """:func:`excite` of streams that are at one place: (B, n) each, a phase and an end each. The noise (1, k) is one for all."""
    pulses, cycles = pulses_from(hz, voicing, torch.tensor(phases, dtype=torch.float64, device=hz.device), begin)
    pulses = pulses[:, part]
    last = cycles[range(len(ends)), [end - 1 for end in ends]]
    return pulses, white_noise(position, pulses.shape[1], hz.device)[None], last.tolist()


def overlap_frames(signal: Tensor, fft: int, hop: int, window: Tensor) -> Tensor:
    """(B, n * hop) -> spectra (B, fft // 2 + 1, n) of frames centred on sample ``hop * i``, zeros outside."""
    n = signal.shape[1] // hop
    padded = F.pad(signal, (fft // 2, fft // 2))
    return torch.fft.rfft(padded.unfold(1, fft, hop)[:, :n] * window, dim=2).transpose(1, 2)


def filtered(spectra: Tensor, log_gain: Tensor, angle: Tensor | None = None) -> Tensor:
    """Spectra (B, bins, n), complex, times a filter of these natural logarithms and radians; without ``angle`` of no phase."""
    gain = torch.exp(log_gain.clamp(max=MAX_LOG_GAIN))
    return spectra * (gain if angle is None else torch.complex(gain * torch.cos(angle), gain * torch.sin(angle)))


def overlap_add(spectra: Tensor, fft: int, hop: int, window: Tensor) -> Tensor:
    """Inverse of :func:`overlap_frames` for ``fft / hop`` whole: (B, fft // 2 + 1, n) -> (B, n * hop)."""
    n, parts = spectra.shape[2], fft // hop
    blocks = (torch.fft.irfft(spectra.transpose(1, 2), fft, dim=2) * window).unflatten(2, (parts, hop))
    # In a tenth of the time that torch.nn.functional.fold takes.
    total = blocks.new_zeros(len(blocks), n + parts - 1, hop)
    for part in range(parts):
        total[:, part : part + n] += blocks[:, :, part]
    total = total.flatten(1)
    # A squared Hann window at 75 % overlap sums to a constant, so one division serves every sample.
    norm = (window.square().sum() / hop).to(total.dtype)
    return total[:, fft // 2 : fft // 2 + n * hop] / norm
