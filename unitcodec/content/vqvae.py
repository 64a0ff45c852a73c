"""VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937): content learned together with the decoder that speaks it.

Log-mel -> one codebook, or several that each quantize what the ones before left over, at 50 or 25 Hz.
"""

from __future__ import annotations

from torch import Tensor

from ..quantize import ResidualVQ, spacing
from .convolutional import ConvolutionalEncoder


class VQVAEEncoder(ConvolutionalEncoder):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / stride), which stand for the sum of their codevectors.

    Args:
        codes: codevectors of each codebook.
        rows: codebooks.
        stride: 2 or 4 log-mel frames a unit frame (50 or 25 Hz).
        embedding: channels of a codevector.
    """

    def __init__(
        self,
        codes: int = 100,
        rows: int = 1,
        stride: int = 2,
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
        embedding: int = 64,
    ):
        super().__init__(embedding, stride, 80, channels, blocks)
        self.quantizer = ResidualVQ(rows, codes, embedding)

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of each codebook row."""
        return tuple(len(layer.codebook) for layer in self.quantizer.rows)

    @property
    def channels(self) -> int:
        """Of a codevector."""
        return int(self.quantizer.rows[0].codebook.shape[1])

    @property
    def spacing(self) -> float:
        return spacing(self.quantizer.rows[0].codebook)

    def distances(self, mel: Tensor) -> tuple[Tensor, ...]:
        """See :class:`unitcodec.content.ContentFamily`; of later rows to what the nearest codes of the earlier leave over."""
        found: tuple[Tensor, ...] = self.quantizer.distances(self.latent(mel))
        return found
