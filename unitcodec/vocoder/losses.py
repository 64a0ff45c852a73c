"""What the vocoder is trained to minimize: least-squares adversarial terms, feature matching, mel and STFT distances.

All terms follow HiFi-GAN (Kong et al. 2020, arXiv 2010.05646, section 2.4) and Parallel WaveGAN (Yamamoto et al. 2020,
arXiv 1910.11480, section 2.2). Every loss is a scalar float32 tensor, also when scores and feature maps come in bfloat16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .discriminators import Verdict

STFT_RESOLUTIONS = ((512, 80, 400), (1024, 160, 800), (256, 32, 160))
"""(FFT size, hop, window) in samples at 16 kHz: windows of 25, 50 and 10 ms, as Yamamoto et al. 2020 have them at 24 kHz."""


def adversarial_loss(fake: Sequence[Verdict]) -> Tensor:
    """``sum_k mean((D_k(G(s)) - 1)^2)``: the generator's side of HiFi-GAN eq. 2 over all sub-discriminators."""
    return _sum([(score.float() - 1.0).square().mean() for score, _ in fake])


def discriminator_loss(real: Sequence[Verdict], fake: Sequence[Verdict]) -> Tensor:
    """``sum_k mean((D_k(x) - 1)^2) + mean(D_k(G(s))^2)``: HiFi-GAN eq. 1 over all sub-discriminators.

    `fake` should be the verdict on a detached waveform. Raises ValueError when the two lists differ in length.
    """
    terms = [(r.float() - 1.0).square().mean() + f.float().square().mean() for (r, _), (f, _) in zip(real, fake, strict=True)]
    return _sum(terms)


def feature_matching_loss(real: Sequence[Verdict], fake: Sequence[Verdict]) -> Tensor:
    """L1 between the feature maps of the real and the generated signal: HiFi-GAN eq. 4, summed over sub-discriminators.

    Each map is averaged over its elements (the 1/N_i of eq. 4), then maps are summed. The real maps are targets: no gradient
    flows into them. Raises ValueError when the lists differ in length.
    """
    terms = [
        F.l1_loss(f.float(), r.detach().float())
        for (_, real_maps), (_, fake_maps) in zip(real, fake, strict=True)
        for r, f in zip(real_maps, fake_maps, strict=True)
    ]
    return _sum(terms)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum() if terms else torch.zeros(())


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean L1 distance of two log-mel spectrograms (B, bands, T): HiFi-GAN eq. 3."""
    return F.l1_loss(fake.float(), real.float())


def stft_loss(real: Tensor, fake: Tensor, resolutions: Sequence[tuple[int, int, int]] = STFT_RESOLUTIONS) -> Tensor:
    """Multi-resolution STFT loss of two waveforms (B, 1, T) or (B, T): Yamamoto et al. 2020, section 2.2.

    Spectral convergence ``||S - S'||_F / ||S||_F``, its norms over the whole batch so that one silent waveform in it cannot
    drown the others, plus the mean L1 distance of log magnitudes; averaged over `resolutions`, each (FFT size, hop, window)
    in samples. Always in float32. T must exceed half the largest FFT size (RuntimeError otherwise).
    """
    total = torch.zeros((), device=fake.device)
    with torch.autocast(fake.device.type, enabled=False):
        for n_fft, hop, size in resolutions:
            target, estimate = _magnitude(real, n_fft, hop, size), _magnitude(fake, n_fft, hop, size)
            convergence = torch.linalg.vector_norm(target - estimate) / torch.linalg.vector_norm(target)
            total = total + convergence + F.l1_loss(estimate.log(), target.log())
    return total / len(resolutions)


def _magnitude(waveform: Tensor, n_fft: int, hop: int, size: int) -> Tensor:
    flat = waveform.float().reshape(-1, waveform.shape[-1])
    spectrum = torch.stft(flat, n_fft, hop, size, torch.hann_window(size, device=flat.device), return_complex=True)
    # The floor keeps the logarithm, the square root's slope and the division above finite in digital silence.
    return (spectrum.real.square() + spectrum.imag.square()).clamp_min(1e-7).sqrt()


def generator_loss(
    real: Sequence[Verdict], fake: Sequence[Verdict], reconstruction: Mapping[str, Tensor], weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, Tensor]]:
    """``L_G = sum_j [L_adv(G; D_j) + lambda_fm L_fm(G; D_j)] + lambda_r L_recon(G)``: HiFi-GAN eq. 7.

    Args:
        real, fake: verdicts of all sub-discriminators (concatenate the lists of several discriminators; none where they do not
            take part yet). The real ones may come from ``torch.no_grad()``.
        reconstruction: the terms of L_recon by name, scalars, such as :func:`mel_loss` and :func:`stft_loss`.
        weights: of the terms "adversarial", "feature_matching" and each of ``reconstruction``. HiFi-GAN has 1, 2 and, on the
            log-mel alone, 45 (section 2.4).

    Returns:
        The scalar to minimize, and its terms by name, unweighted.

    Raises ValueError when the lists of verdicts differ in length.
    """
    terms = {
        **reconstruction,
        "adversarial": adversarial_loss(fake),
        "feature_matching": feature_matching_loss(real, fake),
    }
    return sum((weights[name] * term for name, term in terms.items()), torch.zeros(())), terms
