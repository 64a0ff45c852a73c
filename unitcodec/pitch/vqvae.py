"""F0 track <-> F0 codes: the F0 VQ-VAE of Polyak et al. 2021, section 3, at 12.5 codes a second.

Two channels describe the track, see :mod:`.track`.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold, unfold
from ..quantize import VQ
from .track import STRIDE, track_channels


class PitchVQVAE(nn.Module):
    """(B, 2, n) at 100 Hz -> codes (B, 1, n / 8) -> (B, 2, n): normalised log-F0 and the logit of voicing."""

    def __init__(self, codes: int = 20, channels: int = 96, code_channels: int = 32, blocks: int = 2):
        super().__init__()
        self.stem = nn.Conv1d(2 * 4, channels, 1)
        self.encoder = nn.Sequential(*[ConvNeXtBlock(channels, 5, 2) for _ in range(blocks)])
        self.reduce = nn.Conv1d(channels * 2, code_channels, 1)
        self.quantizer = VQ(codes, code_channels)
        self.expand = nn.Conv1d(code_channels, channels, 3, padding=1)
        self.decoder = nn.Sequential(*[ConvNeXtBlock(channels, 5, 2) for _ in range(blocks)])
        self.fine = nn.Conv1d(channels, channels * 2, 1)
        self.fine_blocks = nn.Sequential(*[ConvNeXtBlock(channels, 5, 2) for _ in range(blocks)])
        self.head = nn.Conv1d(channels, 2 * 4, 1)

    channels = staticmethod(track_channels)

    @property
    def codes(self) -> int:
        """Alphabet of the F0 codes."""
        return len(self.quantizer.codebook)

    @property
    def context(self) -> int:
        """F0 frames (100 Hz) that the encoder sees to each side of a code's own eight; a multiple of eight."""
        return -(-2 * len(self.encoder) * 4 // STRIDE) * STRIDE

    @property
    def decoder_context(self) -> int:
        """Codes (12.5 Hz) that the decoder sees to each side of one."""
        return 1 + 2 * len(self.decoder) + -(-2 * len(self.fine_blocks) // 2)

    def latent(self, track: Tensor) -> Tensor:
        """(B, 2, n), n a multiple of 8 -> (B, code_channels, n / 8)."""
        return self.reduce(fold(self.encoder(self.stem(fold(track, 4))), 2))

    def encode(self, track: Tensor) -> Tensor:
        """(B, 2, n), n a multiple of 8 -> codes (B, 1, n / 8)."""
        return self.quantizer.encode(self.latent(track))

    def reconstruct(self, quantized: Tensor) -> Tensor:
        hidden = self.decoder(self.expand(quantized))
        return unfold(self.head(self.fine_blocks(unfold(self.fine(hidden), 2))), 4)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, 1, m) -> (B, 2, 8 m): normalised log-F0 and voicing logit (voiced where positive)."""
        return self.reconstruct(self.quantizer.decode(codes, self.head.weight.dtype))

    def forward(self, track: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        quantized, codes, loss = self.quantizer(self.latent(track))
        return self.reconstruct(quantized), codes, loss
