"""Speech -> speaker code. Every kind offers what :class:`SpeakerFamily` asks for, one file a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .descent import Descent


class SpeakerFamily(Protocol):
    """What the codec needs to code a speaker, a ``torch.nn.Module``.

    Attributes:
        alphabets: of each field of the code.
        channels: of the vector that a code stands for.
        voice: the one that is sent whatever is heard; None where the code is that of what is heard.
    """

    @property
    def alphabets(self) -> tuple[int, ...]: ...

    @property
    def channels(self) -> int: ...

    @property
    def voice(self) -> int | None: ...

    def encode(self, mel: Tensor) -> Tensor:
        """Normalised log-mel (B, 80, n) at 100 Hz, n even -> codes (B, fields), int64."""
        ...

    def searched(self, codes: Tensor, error: Callable[[int, Tensor], Tensor], steps: int, margin: float = 0.0) -> Tensor | None:
        """Codes (B, fields) near ``codes`` with a smaller ``error`` (step, vectors), where the kind has any to choose from.

        None if what decides comes within ``margin`` of where it would decide otherwise.
        """
        ...

    def descent(self, codes: Tensor, steps: int) -> Descent | None:
        """That search step by step; None where the kind has nothing to choose from."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, fields) -> vectors (B, channels), what the vocoder is fed."""
        ...


def make_speaker(kind: str = "encoder", **options: Any) -> SpeakerFamily:
    """The speaker encoder of a model's configuration: "encoder" (ours), "table" (a voice by number) or "none".

    Raises ValueError for another kind, TypeError for an option that the kind does not have.
    """
    from .encoder import SpeakerEncoder
    from .none import NoSpeaker
    from .table import SpeakerTable

    kinds: dict[str, type[nn.Module]] = {"encoder": SpeakerEncoder, "table": SpeakerTable, "none": NoSpeaker}
    if kind not in kinds:
        raise ValueError(f"unknown speaker encoder '{kind}': one of {', '.join(kinds)}")
    return cast(SpeakerFamily, kinds[kind](**options))
