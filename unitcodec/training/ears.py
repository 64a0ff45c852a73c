"""What matters in a log-mel, by a network that learned to predict speech: a loss on its hidden layers.

A feature loss (Johnson et al. 2016, arXiv 1603.08155, equation 2) with the HuBERT of :mod:`.hubert`, trained on the same speech
without any label, in the place of an image classifier. A blurred formant transition costs little as a difference of log-mels
and much as a difference of what the network expects to come.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content.hubert import HubertEncoder


class Ears(nn.Module):
    """The hidden layers of a HuBERT that hears log-mel, frozen."""

    def __init__(self, network: HubertEncoder):
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, target: Tensor, output: Tensor) -> Tensor:
        """Log-mels (B, 80, n) -> the mean absolute difference of the layers' normalised states."""
        with torch.no_grad():
            wanted = self._states(target)
        differences = [F.l1_loss(mine, other) for mine, other in zip(self._states(output), wanted, strict=True)]
        return torch.stack(differences).mean()

    def _states(self, mel: Tensor) -> list[Tensor]:
        states = self.network.states(self.network.front(mel), len(self.network.layers))
        return [F.layer_norm(state.float(), state.shape[-1:]) for state in states]
