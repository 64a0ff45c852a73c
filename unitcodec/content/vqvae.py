"""VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937): content learned together with the decoder that speaks it.

Log-mel -> one codebook, or several that each quantize what the ones before left over, at 50 or 25 Hz.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold
from ..quantize import ResidualVQ


class VQVAEEncoder(nn.Module):
    """(B, 80, n) normalised log-mel at 100 Hz -> units (B, rows, n / stride).

    Args:
        codes: codevectors of each codebook.
        rows: codebooks.
        stride: 2 or 4 log-mel frames a unit frame (50 or 25 Hz).
        embedding: channels of a codevector.
    """

    hears = "log_mel"

    def __init__(
        self,
        codes: int = 100,
        rows: int = 1,
        stride: int = 2,
        channels: tuple[int, int] = (224, 320),
        blocks: tuple[int, int] = (2, 4),
        embedding: int = 64,
    ):
        super().__init__()
        if stride not in (2, 4):
            raise ValueError(f"stride {stride}: units come at 50 Hz (2) or 25 Hz (4)")
        self.stride = stride
        self.stem = nn.Conv1d(2 * 80, channels[0], 3, padding=1)
        self.fast = nn.Sequential(*[ConvNeXtBlock(channels[0], 5) for _ in range(blocks[0])])
        self.reduce = nn.Conv1d(channels[0] * (stride // 2), channels[1], 1)
        self.slow = nn.Sequential(*[ConvNeXtBlock(channels[1], 5) for _ in range(blocks[1])])
        self.head = nn.Sequential(nn.Conv1d(channels[1], channels[1], 1), nn.GELU(), nn.Conv1d(channels[1], embedding, 1))
        self.quantizer = ResidualVQ(rows, codes, embedding)

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of each codebook row."""
        return tuple(len(layer.codebook) for layer in self.quantizer.rows)

    @property
    def channels(self) -> int:
        return self.quantizer.rows[0].codebook.shape[1]

    @property
    def context(self) -> int:
        """Log-mel frames that the encoder sees to each side of a unit's own, rounded up to whole units."""
        frames = 2 + 2 * 2 * len(self.fast) + 2 * self.stride * len(self.slow)
        return -(-frames // self.stride) * self.stride

    def latent(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of the stride -> (B, embedding, n / stride), before quantization."""
        return self.head(self.slow(self.reduce(fold(self.fast(self.stem(fold(mel, 2))), self.stride // 2))))

    def distances(self, mel: Tensor) -> tuple[Tensor, ...]:
        """See :class:`unitcodec.content.ContentFamily`; of later rows to what the nearest codes of the earlier leave over."""
        return self.quantizer.distances(self.latent(mel))

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, n), n a multiple of the stride -> units (B, rows, n / stride), int64."""
        return self.quantizer.encode(self.latent(mel))

    def quantize(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`unitcodec.content.ContentFamily`."""
        values, units, loss = self.quantizer(self.latent(mel).float())
        return values, units, loss

    def values(self, units: Tensor) -> Tensor:
        """Units (B, rows, m) -> the sum of their codevectors, (B, embedding, m)."""
        return self.quantizer.decode(units)
