"""Units without an encoder: for model folders that only decode."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..errors import ModelError

NO_ENCODER = (
    "this model decodes only, it has no content encoder: import the checkpoint again with one "
    "('unitcodec import-checkpoint --content NAME|DIR:LAYER --kmeans FILE')"
)


class UnitsOnly(nn.Module):
    """Units of ``vocabulary`` at ``100 / stride`` Hz that come from elsewhere.

    Every method that needs an encoder raises ModelError. So does ``context``, which a codec asks for before it reads any audio.
    Raises ValueError for a stride that does not divide an F0 code's frames.
    """

    def __init__(self, stride: int, vocabulary: Sequence[int]):
        super().__init__()
        if stride not in (1, 2, 4, 8):
            raise ValueError(f"stride {stride}: units come at 100, 50, 25 or 12.5 Hz (1, 2, 4 or 8)")
        self.stride, self.vocabulary = stride, tuple(vocabulary)

    hears = "nothing"
    channels = 0
    spacing = 1.0
    windowed = False

    @property
    def context(self) -> int:
        raise ModelError(NO_ENCODER)

    def distances(self, heard: Tensor) -> tuple[Tensor, ...]:
        raise ModelError(NO_ENCODER)

    def encode(self, heard: Tensor) -> Tensor:
        raise ModelError(NO_ENCODER)

    def quantize(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raise ModelError(NO_ENCODER)

    def values(self, units: Tensor) -> Tensor:
        raise ModelError(NO_ENCODER)
