"""Contrastive predictive coding (van den Oord et al. 2018, arXiv 1807.03748): the nearest centroids of the context network.

The context network is a causal transformer (as in Riviere et al. 2020, section 3, for long contexts) that looks back a
bounded time, so a file coded chunk by chunk gives the units that it gives as a whole.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..layers import LocalAttention
from .codebook import Codebook, CodebookEncoder
from .frontend import STRIDE, make_front_end


class CPCEncoder(CodebookEncoder):
    """Speech -> units at 50 Hz, one codebook.

    Args:
        codes: centroids of the codebook.
        front_end: "log_mel" or "waveform"; its frames are what is predicted.
        channels, heads, layers: of the context network.
        reach: frames (20 ms) that each of its layers looks back.
        embedding: channels of what a unit stands for.
    """

    def __init__(
        self,
        codes: int = 100,
        front_end: str = "log_mel",
        channels: int = 256,
        heads: int = 4,
        layers: int = 3,
        reach: int = 24,
        embedding: int = 64,
    ):
        super().__init__()
        # No block that sees its neighbours: what is to be predicted must not be heard.
        self.front = make_front_end(front_end, channels, blocks=0)
        self.encoder = nn.Sequential(nn.GELU(), nn.Conv1d(channels, channels, 1), nn.GELU(), nn.Conv1d(channels, channels, 1))
        self.layers = nn.ModuleList(LocalAttention(channels, heads, reach, 0) for _ in range(layers))
        self.codebook = Codebook(codes, channels, embedding)
        self.reach = reach

    @property
    def hears(self) -> str:
        return self.front.hears

    @property
    def context(self) -> int:
        """Log-mel frames (100 Hz) that a unit depends on before its own two; after them it depends on the front end's alone."""
        return self.front.context + STRIDE * self.reach * len(self.layers)

    def encoded(self, heard: Tensor) -> Tensor:
        """z: (B, channels, n / 2), what is predicted."""
        return self.encoder(self.front(heard))

    def contexts(self, encoded: Tensor) -> Tensor:
        """z (B, channels, n) -> c (B, channels, n), each of z up to its own frame."""
        x = encoded.transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return x.transpose(1, 2)

    def latent(self, heard: Tensor) -> Tensor:
        """What the codebook is over: (B, channels, n / 2)."""
        return self.contexts(self.encoded(heard))
