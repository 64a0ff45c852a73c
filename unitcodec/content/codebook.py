"""A codebook found by k-means on a network's features, and what its units stand for to the vocoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ..quantize import spacing


class Codebook(nn.Module):
    """Features (B, dimensions, n) -> units (B, 1, n), the nearest centroid -> values (B, channels, n), learned by the vocoder."""

    centroids: Tensor

    def __init__(self, codes: int, dimensions: int, channels: int = 64):
        super().__init__()
        self.register_buffer("centroids", torch.zeros(codes, dimensions))
        self.embedding = nn.Parameter(torch.empty(codes, channels).normal_() * channels**-0.5)

    def distances(self, features: Tensor) -> Tensor:
        """(B, dimensions, n) -> squared distances to the centroids (B, n, codes), in the features' type."""
        flat, book = features.transpose(1, 2), self.centroids.to(features.dtype)
        return flat.square().sum(2, keepdim=True) - 2.0 * flat @ book.T + book.square().sum(1)

    def encode(self, features: Tensor) -> Tensor:
        """(B, dimensions, n) -> units (B, 1, n), int64."""
        return self.distances(features).argmin(2)[:, None]

    def quantize(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, dimensions, n) -> values (B, channels, n), units (B, 1, n), no loss; no gradient to the features."""
        units = self.encode(features.detach())
        return self.values(units), units, features.new_zeros(())

    def values(self, units: Tensor) -> Tensor:
        """Units (B, 1, n) -> (B, channels, n)."""
        return self.embedding[units[:, 0]].transpose(1, 2)


class CodebookEncoder(nn.Module, ABC):
    """A :class:`unitcodec.content.ContentFamily` at 50 Hz whose units are the nearest centroids to a network's features."""

    codebook: Codebook
    stride = 2
    """Log-mel frames (100 Hz) a unit frame."""
    windowed = False

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Alphabet of the codebook."""
        return (len(self.codebook.centroids),)

    @property
    def channels(self) -> int:
        """Of what a unit stands for."""
        return self.codebook.embedding.shape[1]

    @property
    def spacing(self) -> float:
        """See :class:`unitcodec.content.ContentFamily`."""
        return spacing(self.codebook.centroids)

    @abstractmethod
    def latent(self, heard: Tensor) -> Tensor:
        """What the codebook is over: (B, dimensions, n / 2)."""

    def distances(self, heard: Tensor) -> tuple[Tensor, ...]:
        """The squared distances to the centroids, (B, n / 2, codes)."""
        return (self.codebook.distances(self.latent(heard)),)

    def encode(self, heard: Tensor) -> Tensor:
        """(B, 80, n), n even (or (B, 160 n) samples), -> units (B, 1, n / 2), int64."""
        return self.codebook.encode(self.latent(heard))

    def quantize(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values, units and no loss; in full precision, as the codec makes units, and without a gradient to the network."""
        with torch.no_grad(), torch.autocast(heard.device.type, enabled=False):
            features = self.latent(heard.float())
        return self.codebook.quantize(features)

    def values(self, units: Tensor) -> Tensor:
        """Units (B, 1, m) -> (B, channels, m)."""
        return self.codebook.values(units)
