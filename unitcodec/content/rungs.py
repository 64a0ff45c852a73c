"""What may be sent of a packet's unit frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MARGIN = 2.0**-12
"""Steps from a code to the next. So far at least a value of float32 must be from the border between two codes, else float64 is
asked. Of 80,604 latents of 365 windows (read speech, 23 languages, any microphones, noise, silence, clicks; oneDNN and MKL) the
largest difference of the two was 6e-5, one in a thousand above 1.1e-5."""


class Scalar(Protocol):
    """A quantizer of scalar codes, by PyTorch or NumPy."""

    @property
    def rungs(self) -> int: ...

    def clearance(self, x: Any, rung: int) -> Any:
        """What is quantized, (1, channels, n) -> how far the nearest is from a border between two codes of a rung."""
        ...

    def rung_codes(self, x: Any, rung: int, shift: float) -> Any:
        """The same -> codes of the rung, (1, rows, n), of values ``shift`` finest steps higher."""
        ...


class Rungs:
    """What may be sent of a packet's n unit frames where codes are scalar: the nearest, then ever coarser ones.

    Each rung is decided when it is asked for: in float32 if all its borders are far, else in float64, which is computed once.

    Args:
        quantizer: of the codes.
        fast: what is quantized, (1, channels, n), in float32, if there is a network for it.
        exact: gives the same in float64.
        part: gives it of the frames of a slice alone.
    """

    def __init__(self, quantizer: Scalar, fast: Any | None, exact: Callable[[], Any], part: Callable[[slice], Any] | None = None):
        self._quantizer, self._fast, self._exact, self._part = quantizer, fast, cache(exact), part
        self._known: tuple[slice, Any] | None = None  # frames, and what float64 says of them

    def __len__(self) -> int:
        return self._quantizer.rungs

    @property
    def latent(self) -> Any:
        """What is quantized, (1, channels, n), in float64."""
        return self._exact()

    def __getitem__(self, rung: int) -> NDArray[np.int32]:
        """(rows, n). Raises IndexError for a rung that there is not."""
        if not 0 <= rung < len(self):
            raise IndexError(rung)
        latent = self._fast
        if latent is None:
            return self._codes(self._exact(), rung)
        return self._codes(latent, rung) if self._certain(latent, rung) else self._asked(latent, rung, self._sides(latent, rung))

    def possible(self, rung: int) -> list[NDArray[np.int32]]:
        """What ``self[rung]`` may be, one or two of it, (rows, n) each.

        Where a single value of float32 lies near a border, these are its code on either side. Whoever would not send either of
        them need not ask float64 which it is.
        """
        latent = self._fast
        if latent is None or self._certain(latent, rung):
            return [self[rung]]
        sides = self._sides(latent, rung)
        differing = np.count_nonzero(sides[0] != sides[1])
        return [self._asked(latent, rung, sides)] if differing > 1 else sides[: 1 + differing]

    def _sides(self, latent: Any, rung: int) -> list[NDArray[np.int32]]:
        """Codes of values a margin lower and a margin higher."""
        return [self._codes(latent, rung, shift) for shift in (-MARGIN, MARGIN)]

    def _asked(self, latent: Any, rung: int, sides: list[NDArray[np.int32]]) -> NDArray[np.int32]:
        """The codes where those of ``sides`` differ are what float64 says."""
        doubtful = np.flatnonzero((sides[0] != sides[1]).any(0))
        if self._part is None or not len(doubtful):
            return self._codes(self._exact(), rung)
        frames = slice(int(doubtful[0]), int(doubtful[-1]) + 1)
        if self._known is None:
            self._known = frames, self._part(frames)
        elif frames.start < self._known[0].start or frames.stop > self._known[0].stop:
            # Other frames may yet be in doubt: a second time all of them are asked for.
            self._known = slice(0, sides[0].shape[1]), self._exact()
        first, codes = self._known[0].start, self._codes(latent, rung)
        codes[:, frames] = self._codes(self._known[1][..., frames.start - first : frames.stop - first], rung)
        return codes

    def _certain(self, latent: Any, rung: int) -> bool:
        return bool(self._quantizer.clearance(latent, rung) > MARGIN)

    def _codes(self, latent: Any, rung: int, shift: float = 0.0) -> NDArray[np.int32]:
        codes = self._quantizer.rung_codes(latent, rung, shift)[0]
        on_host: NDArray[Any] = codes if isinstance(codes, np.ndarray) else codes.cpu().numpy()
        return on_host.astype(np.int32)


Candidates = Rungs | list[NDArray[np.float64]]
"""What may be sent of a packet's n unit frames. Of scalar codes :class:`Rungs`. Of others for each codebook row the squared
distances to its codes, (n, alphabet), that between neighbours being 1."""
