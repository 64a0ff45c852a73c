"""Which codes are nearest: computed in float32, and again in float64 where float32 might say something else.

So a unit is what float64 says, whatever the threads, batches or processor, and most windows take half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import ContentFamily, hear
from .fsq import ContentEncoder
from .rungs import Candidates, Rungs

TOGETHER = 16
"""Windows in one pass of the networks on a GPU, at most: memory does not grow with how many are asked for. On a CPU it is one:
more take more memory and no less time."""


class Decision:
    """What may be sent for windows of speech.

    Args:
        exact: gives a content encoder in float64. It is called once, when float64 is first needed.
        fast: the same one in float32. It is used if codes are scalar, where the nearest ones are all that is asked for.

    Attributes:
        windows, repeated: how many there were, and how many of them float64 decided.
    """

    def __init__(self, exact: Callable[[], ContentFamily], fast: ContentFamily | None = None):
        self._given, self.fast = exact, fast
        self.windows = self.repeated = 0

    @cached_property
    def exact(self) -> ContentFamily:
        """The content encoder in float64."""
        return self._given()

    def candidates(self, waveform: Tensor, own: slice) -> Candidates:
        """Waveform (1, 160 n), float64 and at the reference level -> the candidates for the frames of ``own``."""
        return self.candidates_of([(waveform, own)])[0]

    def candidates_of(self, windows: Sequence[tuple[Tensor, slice]]) -> list[Candidates]:
        """:meth:`candidates` of several windows. On a GPU those of one length and one place of their own go side by side."""
        self.windows += len(windows)
        like = self.exact if self.fast is None else self.fast
        if not isinstance(like, ContentEncoder):
            self.repeated += len(windows)
            return [self._distances(*window) for window in windows]
        quantizer = like.quantizer
        if self.fast is None or not all(full_precision(waveform.device) for waveform, _ in windows):
            self.repeated += len(windows)
            return [Rungs(quantizer, None, latent.clone) for latent in self.latents(windows, _side_by_side(windows))]
        found: list[Candidates] = []
        for waveform, own in windows:
            with torch.autocast(waveform.device.type, enabled=False):
                found.append(Rungs(quantizer, _latent(like, waveform, own), *self._repeats(waveform, own)))
        return found

    def latents(self, windows: Sequence[tuple[Tensor, slice]], many: int) -> list[Tensor]:
        """What is quantized in windows, (1, channels, n) each, in float64; so ``many`` in a pass at most."""
        exact, latents = self._scalar(), dict[int, Tensor]()
        alike: dict[tuple[int, int, int], list[int]] = {}
        for index, (waveform, own) in enumerate(windows):
            alike.setdefault((waveform.shape[1], own.start, own.stop), []).append(index)
        for indices in alike.values():
            for first in range(0, len(indices), many):
                part = indices[first : first + many]
                found = _latent(exact, torch.cat([windows[index][0] for index in part]), windows[part[0]][1])
                latents.update(zip(part, found.split(1), strict=True))
        return [latents[index] for index in range(len(windows))]

    def _scalar(self) -> ContentEncoder:
        """The content encoder in float64, one of scalar codes."""
        assert isinstance(self.exact, ContentEncoder)
        return self.exact

    def _repeats(self, waveform: Tensor, own: slice) -> tuple[Callable[[], Tensor], Callable[[slice], Tensor]]:
        """What gives a window's latents in float64: of all its own frames, and of some of them, which takes less time."""
        asked = False

        def exact(frames: slice) -> Tensor:
            nonlocal asked
            self.repeated += not asked
            asked = True
            return _latent(self._scalar(), waveform, slice(own.start + frames.start, own.start + frames.stop))

        return partial(exact, slice(0, own.stop - own.start)), exact

    @torch.inference_mode()
    def _distances(self, waveform: Tensor, own: slice) -> list[NDArray[np.float64]]:
        distances = self.exact.distances(_heard(self.exact, waveform))
        return [row[0, own].double().cpu().numpy() / self.exact.spacing for row in distances]


def _side_by_side(windows: Sequence[tuple[Tensor, slice]]) -> int:
    return 1 if all(waveform.device.type == "cpu" for waveform, _ in windows) else TOGETHER


@torch.inference_mode()
def _latent(content: ContentEncoder, waveform: Tensor, own: slice) -> Tensor:
    return content.latent_of(_heard(content, waveform), own)


def _heard(content: ContentFamily | ContentEncoder, waveform: Tensor) -> Tensor:
    heard = hear(content, waveform)
    return heard.to(next(cast(nn.Module, content).parameters()).dtype) if content.hears == "log_mel" else heard


def full_precision(device: torch.device) -> bool:
    """Whether a product of float32 is one: not on a GPU with its TF32, nor where the caller allows bfloat16 in its place."""
    return device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
