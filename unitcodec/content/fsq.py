"""Log-mel -> content units: a convolutional encoder with finite scalar quantization, trained as an autoencoder.

By default four rows of eight values at 25 Hz (300 bit/s before entropy coding), which see at most 0.5 s ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..errors import ModelError
from ..quantize import FSQ, SteppedFSQ
from .convolutional import ConvolutionalEncoder


class ContentEncoder(ConvolutionalEncoder):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / stride), which stand for values in [-1, 1].

    Args:
        levels: values of each channel.
        ladder: how many values they have as codes get coarser, ``levels`` first. Then a row before the others tells which
            (:class:`unitcodec.quantize.SteppedFSQ`). Without it codes of lower rates are some of the finest.
        channels, blocks, stride: see :class:`.ConvolutionalEncoder`.
    """

    def __init__(
        self,
        bands: int = 80,
        levels: tuple[int, ...] = (8, 8, 8, 8),
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
        stride: int = 4,
        ladder: Sequence[int] = (),
    ):
        super().__init__(len(levels), stride, bands, channels, blocks)
        falls = list(ladder) == sorted(set(ladder), reverse=True)
        if ladder and not (falls and set(levels) == {ladder[0]} and ladder[-1] >= 2):
            raise ValueError(f"ladder {list(ladder)}: falls from {levels[0]}, the values of every row, to 2 at least")
        self.quantizer = SteppedFSQ(len(levels), ladder) if ladder else FSQ(list(levels))

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of each codebook row."""
        levels = tuple(self.quantizer.levels.tolist())
        return (len(self.quantizer.ladder), *levels) if isinstance(self.quantizer, SteppedFSQ) else levels

    spacing = 1.0

    @property
    def channels(self) -> int:
        return len(self.quantizer.levels)

    def latent_of(self, heard: Tensor, own: slice) -> Tensor:
        """What is quantized of the units ``own`` of a window, (B, channels, n): of what :meth:`latent` gives, the part."""
        return self.latent(heard)[..., own]

    def ladder_codes(self, latent: Tensor) -> Tensor:
        """What is quantized, (B, channels, n) -> units (B, rungs, rows, n): the nearest, then ever coarser ones."""
        codes: Tensor = self.quantizer.ladder_codes(latent)
        return codes


def rung_of(content: object, values: int) -> int:
    """The rung at which every value is one of so many. Raises ModelError for units that have none."""
    quantizer = getattr(content, "quantizer", None)
    ladder = quantizer.ladder.tolist() if isinstance(quantizer, SteppedFSQ) else []
    if values not in ladder:
        raise ModelError(f"forward error correction needs a model whose units get coarser, to {values} values")
    return ladder.index(values)
