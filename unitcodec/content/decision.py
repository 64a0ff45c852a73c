"""Which codes are nearest: computed in float32, and again in float64 where float32 might say something else.

So a unit is what float64 says, whatever the threads, batches or processor, and most windows take half the time.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import ContentFamily, hear
from .fsq import ContentEncoder

MARGIN = 2.0**-12
"""Steps from a code to the next. So far at least a value of float32 must be from the border between two codes, else float64 is
asked. On 41 recordings with 27,652 latents the largest difference of the two was 4e-5, one in a thousand above 9e-6. One
window in eight is asked again, with a ladder one in three."""

Candidates = NDArray[np.int32] | list[NDArray[np.float64]]
"""What may be sent of a packet's n unit frames. Of scalar codes units (rungs, rows, n): the nearest, then ever coarser ones. Of
others for each codebook row the squared distances to its codes, (n, alphabet), that between neighbours being 1."""


class Decision:
    """What may be sent for windows of speech.

    Args:
        exact: a content encoder in float64.
        fast: the same one in float32. It is used if codes are scalar, where the nearest ones are all that is asked for.

    Attributes:
        windows, repeated: how many there were, and how many of them float64 decided.
    """

    def __init__(self, exact: ContentFamily, fast: ContentFamily | None = None):
        self.exact, self.fast = exact, fast if isinstance(exact, ContentEncoder) else None
        self.windows = self.repeated = 0

    def candidates(self, waveform: Tensor, own: slice) -> Candidates:
        """Waveform (1, 160 n), float64 and at the reference level -> the candidates for the frames of ``own``."""
        self.windows += 1
        with torch.inference_mode():
            if self.fast is not None and _full_precision(waveform.device):
                with torch.autocast(waveform.device.type, enabled=False):
                    found = _scalar(self.fast, waveform, own, MARGIN)
                if found is not None:
                    return found
            self.repeated += 1
            found = _scalar(self.exact, waveform, own)
            if found is not None:
                return found
            distances = self.exact.distances(_heard(self.exact, waveform))
            return [row[0, own].double().cpu().numpy() / self.exact.spacing for row in distances]


def _scalar(content: ContentFamily, waveform: Tensor, own: slice, margin: float | None = None) -> NDArray[np.int32] | None:
    """Scalar codes; None if the family has others, or if a latent is not ``margin`` from all borders."""
    if not isinstance(content, ContentEncoder):
        return None
    latent = content.latent(_heard(content, waveform))[..., own]
    if margin is not None and not content.clearance(latent) > margin:
        return None
    return content.ladder_codes(latent)[0].cpu().numpy().astype(np.int32)


def _heard(content: ContentFamily, waveform: Tensor) -> Tensor:
    heard = hear(content, waveform)
    return heard.to(next(cast(nn.Module, content).parameters()).dtype) if content.hears == "log_mel" else heard


def _full_precision(device: torch.device) -> bool:
    """Whether a product of float32 is one: not on a GPU with its TF32, nor where the caller allows bfloat16 in its place."""
    return device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
