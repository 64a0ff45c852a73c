"""HuBERT (Hsu et al. 2021, arXiv 2106.07447) with attention limited to a window: the nearest centroids of a hidden layer.

What a unit depends on is bounded, so a file coded chunk by chunk gives the units that it gives as a whole.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..layers import LocalAttention
from .codebook import Codebook, CodebookEncoder
from .frontend import STRIDE, make_front_end


class HubertEncoder(CodebookEncoder):
    """Speech -> units at 50 Hz, one codebook.

    Args:
        codes: centroids of the codebook.
        front_end: "log_mel" or "waveform".
        channels, heads: of the transformer.
        layers: of the transformer, in training; ``layer`` of them are needed to make units.
        reach: frames (20 ms) that each layer attends to on either side.
        embedding: channels of what a unit stands for.
    """

    def __init__(
        self,
        codes: int = 100,
        front_end: str = "log_mel",
        channels: int = 256,
        heads: int = 4,
        layers: int = 5,
        layer: int | None = None,
        reach: int = 16,
        embedding: int = 64,
    ):
        super().__init__()
        self.layer = layers if layer is None else layer
        if not 0 < self.layer <= layers:
            raise ValueError(f"layer {layer} of {layers}")
        self.front = make_front_end(front_end, channels)
        self.layers = nn.ModuleList(LocalAttention(channels, heads, reach, reach) for _ in range(layers))
        self.codebook = Codebook(codes, channels, embedding)
        self.reach = reach

    @property
    def hears(self) -> str:
        return self.front.hears

    @property
    def context(self) -> int:
        """Log-mel frames (100 Hz) that a unit depends on to each side of its own two."""
        return self.front.context + STRIDE * self.reach * self.layer

    def states(self, x: Tensor, layers: int) -> list[Tensor]:
        """Front-end frames (B, channels, n) -> states (B, n, channels) after each of so many layers."""
        x, states = x.transpose(1, 2), []
        for layer in list(self.layers)[:layers]:
            x = layer(x)
            states.append(x)
        return states

    def latent(self, heard: Tensor) -> Tensor:
        """What the codebook is over: (B, channels, n / 2)."""
        return self.states(self.front(heard), self.layer)[-1].transpose(1, 2)
