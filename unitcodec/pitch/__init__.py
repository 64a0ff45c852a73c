"""F0 track <-> F0 codes at 12.5 Hz. Every kind of F0 encoder offers what :class:`PitchFamily` asks for, one file a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn


class PitchFamily(Protocol):
    """What the codec needs to code F0, a ``torch.nn.Module``.

    Attributes:
        codes: alphabet of the F0 codes; 1 where there is no F0.
        context: F0 frames (100 Hz) that a code depends on before and after its own eight; a multiple of eight.
    """

    @property
    def codes(self) -> int: ...

    @property
    def context(self) -> int: ...

    def channels(self, f0: NDArray[np.float32], mean: float, deviation: float) -> NDArray[np.float32]:
        """F0 (n,) in Hz at 100 Hz, 0 where unvoiced, mean and deviation of its logarithm -> what is encoded, (C, m)."""
        ...

    def encode(self, track: Tensor) -> Tensor:
        """Channels of n frames, n a multiple of 8, (B, C, m) -> codes (B, 1, n / 8), int64."""
        ...


@runtime_checkable
class F0Decoder(Protocol):
    """What a mel decoder needs of F0 beside that: codes become F0 again. See :class:`.vqvae.PitchVQVAE`.

    Attributes:
        decoder_context: codes (12.5 Hz) that the decoder sees to each side of one.
    """

    @property
    def decoder_context(self) -> int: ...

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, 1, m) -> (B, 2, 8 m): normalised log-F0 and voicing logit (voiced where positive)."""
        ...


def make_pitch(kind: str = "vqvae", **options: Any) -> PitchFamily:
    """The F0 encoder of a model's configuration: "vqvae" (ours), "published" (that of published checkpoints) or "none".

    Raises ValueError for another kind, TypeError for an option that the kind does not have.
    """
    from .none import NoPitch
    from .published import PublishedVQVAE
    from .vqvae import PitchVQVAE

    kinds: dict[str, type[nn.Module]] = {"vqvae": PitchVQVAE, "published": PublishedVQVAE, "none": NoPitch}
    if kind not in kinds:
        raise ValueError(f"unknown F0 encoder '{kind}': one of {', '.join(kinds)}")
    return cast(PitchFamily, kinds[kind](**options))
