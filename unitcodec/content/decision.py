"""Which codes are nearest: computed in float32, and again in float64 where float32 might say something else.

So a unit is what float64 says, whatever the threads, batches or processor, and most windows take half the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import ContentFamily, hear
from .fsq import ContentEncoder
from .rungs import Candidates, Rungs


class Decision:
    """What may be sent for windows of speech.

    Args:
        exact: a content encoder in float64.
        fast: the same one in float32. It is used if codes are scalar, where the nearest ones are all that is asked for.

    Attributes:
        windows, repeated: how many there were, and how many of them float64 decided.
    """

    def __init__(self, exact: ContentFamily, fast: ContentFamily | None = None):
        self.exact: Any = exact
        self.fast: Any = fast
        self.windows = self.repeated = 0

    def candidates(self, waveform: Tensor, own: slice) -> Candidates:
        """Waveform (1, 160 n), float64 and at the reference level -> the candidates for the frames of ``own``."""
        self.windows += 1

        def exact() -> Tensor:
            self.repeated += 1
            return _latent(self.exact, waveform, own)

        if isinstance(self.exact, ContentEncoder):
            fast = None
            if self.fast is not None and full_precision(waveform.device):
                with torch.autocast(waveform.device.type, enabled=False):
                    fast = _latent(self.fast, waveform, own)
            return Rungs(self.exact.quantizer, fast, exact)
        self.repeated += 1
        with torch.inference_mode():
            distances = self.exact.distances(_heard(self.exact, waveform))
        return [row[0, own].double().cpu().numpy() / self.exact.spacing for row in distances]


@torch.inference_mode()
def _latent(content: Any, waveform: Tensor, own: slice) -> Tensor:
    latent: Tensor = content.latent_of(_heard(content, waveform), own)
    return latent


def _heard(content: Any, waveform: Tensor) -> Tensor:
    heard = hear(content, waveform)
    return heard.to(next(content.parameters()).dtype) if content.hears == "log_mel" else heard


def full_precision(device: torch.device) -> bool:
    """Whether a product of float32 is one: not on a GPU with its TF32, nor where the caller allows bfloat16 in its place."""
    return device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
