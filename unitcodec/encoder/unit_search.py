"""Units by analysis by synthesis: those from which the decoder speaks what a recogniser hears as it hears the recording.

What a content encoder says in one pass is right for speech on average. Gradient descent on the latents of one packet, through the
decoder and the recogniser that the content encoder has inside, finds what is right for this speech. Nothing changes for whoever
decodes. As for images: Campos et al. 2019, *Content Adaptive Optimization for Neural Image Compression* (arXiv 1906.01223),
section 3; with rounding on the way forward and not on the way back (straight-through).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from ..content.rungs import Candidates, Rungs
from ..content.whisper import WhisperContentEncoder, difference, whisper_mel
from ..decoder.mel import decode_pitch
from ..errors import ModelError
from ..features import log_mel
from ..frames import normalise
from ..model import Networks
from ..quantize import SteppedFSQ
from ..vocoder.spectral import SpectralGenerator
from .effort import Surroundings

FEATURES = 10.0
"""Weight of what the recogniser hears beside the mean absolute error of the log-mel."""

RATE, LAST = 0.08, 0.2
"""The first step of a latent, and the last as a part of it."""


class UnitSearch:
    """The search for the units of packets.

    It is made in float32 and on one thread, for its result depends on every bit; so the units are the same whatever the number of
    threads and however the stream was cut; searches in several threads take turns. Another kind of processor may find others, as
    good as these.

    Args:
        networks: of a model with Whisper inside its content encoder, codes that get coarser and a generator that is a filter.
        steps: for each packet.

    Raises:
        ModelError: another model.
    """

    def __init__(self, networks: Networks, steps: int) -> None:
        content = networks.content
        if not (
            isinstance(content, WhisperContentEncoder)
            and isinstance(content.quantizer, SteppedFSQ)
            and isinstance(networks.generator, SpectralGenerator)
        ):
            raise ModelError("effort above 0, a search for units, needs a model with Whisper inside, such as 'default'")
        self._networks, self._content, self._quantizer = networks, content, content.quantizer
        self._generator, self.steps = networks.generator, steps

    def refined(self, candidates: Candidates, rung: int, around: Surroundings) -> Candidates:
        """What may be sent of a packet, as the content encoder has it -> what is better at this rung."""
        assert isinstance(candidates, Rungs)
        found = self._searched(candidates.latent, rung, around)
        return Rungs(self._quantizer, None, lambda: found)

    def _searched(self, latent: Tensor, rung: int, around: Surroundings) -> Tensor:
        device = next(self._networks.parameters()).device
        autocast = torch.autocast(device.type, enabled=False)
        with torch.inference_mode(False), torch.enable_grad(), autocast, _same_bits():
            loss = self._loss(rung, around)
            x = latent.detach().float().clone().requires_grad_(True)
            mean, square = torch.zeros_like(x), torch.zeros_like(x)
            for step in range(self.steps):
                (slope,) = torch.autograd.grad(loss(x), x)
                with torch.no_grad():
                    mean.mul_(0.9).add_(slope, alpha=0.1)
                    square.mul_(0.98).addcmul_(slope, slope, value=0.02)
                    rate = RATE * (1.0 - (1.0 - LAST) * step / self.steps) / (1.0 - 0.9 ** (step + 1))
                    x.sub_(rate * mean / ((square / (1.0 - 0.98 ** (step + 1))).sqrt() + 1e-12))
            return x.detach()

    def _loss(self, rung: int, around: Surroundings) -> Callable[[Tensor], Tensor]:
        """What is quantized of the packet, (1, channels, n) -> how far what is spoken is from the recording."""
        networks, content, generator = self._networks, self._content, self._generator
        device = next(networks.parameters()).device
        with torch.no_grad():
            waveform = torch.from_numpy(around.waveform).float().to(device)
            mel, wanted = normalise(log_mel(waveform)), content.whisper(whisper_mel(waveform))
            features, hz = decode_pitch(networks, torch.tensor(around.f0, device=device).long()[None], around.fields)
            features, hz = features[..., : mel.shape[2]], hz[:, : mel.shape[2]]
            voice = networks.speaker.decode(torch.tensor([around.fields.voice], device=device))
            samples = waveform.shape[1]
            pulses, noise, _ = generator.excite(hz, features[:, 2], 0.0, 0, samples, slice(0, samples), 0)
            before, after = (
                content.values(torch.tensor(units, device=device).long()[None]) for units in (around.before, around.after)
            )

        def loss(latent: Tensor) -> Tensor:
            decoded = networks.decoder(torch.cat([before, self._quantizer.values_at(latent, rung), after], 2), features, voice)
            spoken = generator.generate(decoded, features, pulses, noise)
            heard = difference(wanted, content.whisper(whisper_mel(spoken))).mean()
            return F.l1_loss(decoded, mel) + FEATURES * heard

        return loss


_LOCK = threading.Lock()
"""Threads and precision are PyTorch's for the whole process: two searches at once would put back each other's."""


@contextmanager
def _same_bits() -> Iterator[None]:
    """One thread, and products of float32 that are such where the caller allows bfloat16 or TF32 in their place."""
    with _LOCK:
        threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
