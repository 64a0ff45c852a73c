"""Which codes are nearest: computed in float32, and again in float64 where float32 might say something else.

So a unit is what float64 says, whatever the threads, batches or processor, and most windows take half the time.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from . import ContentFamily, hear

MARGIN = 2.0**-12
"""Steps from a code to the next. By so much at least float32 must prefer a code to the next best, else float64 is asked. On 41
recordings with 27,652 latents the largest difference of the two was 4e-5, one in a thousand above 9e-6; one window in eight is
asked again."""


class Decision:
    """Distances to the codes of windows of speech.

    Args:
        exact: a content encoder in float64.
        fast: the same one in float32. It is used if codes are scalar, where the nearest ones are all that is asked for.

    Attributes:
        windows, repeated: how many there were, and how many of them float64 decided.
    """

    def __init__(self, exact: ContentFamily, fast: ContentFamily | None = None):
        self.exact, self.fast = exact, fast if getattr(exact, "rungs", ()) else None
        self.windows = self.repeated = 0

    def distances(self, waveform: Tensor, own: slice) -> list[Tensor]:
        """Waveform (1, 160 n), float64 and at the reference level -> of each row its distances, (frames of ``own``, alphabet).

        Those of float32 have the same smallest ones.
        """
        self.windows += 1
        with torch.inference_mode():
            if self.fast is not None and _full_precision(waveform.device):
                with torch.autocast(waveform.device.type, enabled=False):
                    found = _rows(self.fast, waveform, own)
                if all(map(_clear, found)):
                    return found
            self.repeated += 1
            return _rows(self.exact, waveform, own)


def _rows(content: ContentFamily, waveform: Tensor, own: slice) -> list[Tensor]:
    heard = hear(content, waveform)
    if content.hears == "log_mel":
        heard = heard.to(next(cast(nn.Module, content).parameters()).dtype)
    return [row[0, own].double() for row in content.distances(heard)]


def _clear(distances: Tensor) -> bool:
    """Whether all (n, alphabet) squared distances tell clearly which is the least."""
    least, next_least = distances.topk(2, 1, largest=False).values.unbind(1)
    # Between two codes a step apart, x from the nearer one: (1 - x)^2 - x^2 = 2 (1/2 - x).
    return bool((next_least - least > 2 * MARGIN).all())


def _full_precision(device: torch.device) -> bool:
    """Whether a product of float32 is one: not on a GPU with its TF32, nor where the caller allows bfloat16 in its place."""
    return device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
