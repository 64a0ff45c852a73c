"""Waveform -> units. Every family of content encoders offers what :class:`ContentFamily` asks for, one file a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor, nn


class ContentFamily(Protocol):
    """What the codec needs of a content encoder, a ``torch.nn.Module``.

    Attributes:
        hears: "log_mel", then it is given normalised log-mel (B, 80, n) of :mod:`unitcodec.features`, n a multiple of the
            stride; or "waveform", then samples (B, 160 n) at 16 kHz and at the reference level; or "nothing", of models that only
            decode, then ``context``, too, raises ModelError.
        stride: log-mel frames (100 Hz) a unit frame; the frame rate is ``100 / stride`` Hz, at most 50.
        vocabulary: alphabet of each codebook row.
        context: log-mel frames that a unit depends on before and after its own, together the receptive field.
        channels: of the values that units stand for.
        spacing: squared distance from a code to its nearest neighbour, on average: what the distances are measured by where bits
            are weighed against them.
        windowed: whether a unit depends on all that is heard with it. Then it is defined by its packet's window, the context on
            either side; else the window only has to hold the context.
    """

    @property
    def hears(self) -> str: ...

    @property
    def stride(self) -> int: ...

    @property
    def vocabulary(self) -> tuple[int, ...]: ...

    @property
    def context(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def spacing(self) -> float: ...

    @property
    def windowed(self) -> bool: ...

    def distances(self, heard: Tensor) -> tuple[Tensor, ...]:
        """What is heard -> for each codebook row how far every code is from it, (B, n / stride, alphabet); the least is sent.

        Of residual rows, from what the nearest codes of the rows before leave over. Scalar codes, which have an order, offer
        :meth:`.ContentEncoder.ladder_codes` in its place.
        """
        ...

    def encode(self, heard: Tensor) -> Tensor:
        """What is heard -> units (B, codebooks, n / stride), int64: of each row's distances the index of the least."""
        ...

    def quantize(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is heard -> values (B, channels, n / stride), units and a loss, to train what speaks the values.

        Families that are learned jointly with it pass gradients on (straight-through), the others do not.
        """
        ...

    def values(self, units: Tensor) -> Tensor:
        """Units (B, codebooks, frames) -> what the vocoder is fed, (B, channels, frames)."""
        ...


def hear(content: ContentFamily | nn.Module, waveform: Tensor) -> Tensor:
    """Waveform (B, 1280 n) at 16 kHz and the reference level -> what the encoder is given."""
    from ..features import log_mel
    from ..frames import normalise

    return waveform if content.hears == "waveform" else normalise(log_mel(waveform))


def make_content(kind: str = "fsq", **options: Any) -> ContentFamily:
    """The content encoder of a model's configuration.

    Raises ValueError for an unknown kind, TypeError for an option that the kind does not have.
    """
    from .cpc import CPCEncoder
    from .fsq import ContentEncoder
    from .hubert import HubertEncoder
    from .pretrained import PretrainedEncoder
    from .units_only import UnitsOnly
    from .vqvae import VQVAEEncoder
    from .whisper import WhisperContentEncoder

    kinds: dict[str, type[nn.Module]] = {
        "fsq": ContentEncoder,
        "whisper": WhisperContentEncoder,
        "vqvae": VQVAEEncoder,
        "hubert": HubertEncoder,
        "cpc": CPCEncoder,
        "pretrained": PretrainedEncoder,
        "units": UnitsOnly,
    }
    if kind not in kinds:
        raise ValueError(f"unknown content encoder '{kind}': one of {', '.join(kinds)}")
    return cast(ContentFamily, kinds[kind](**options))
