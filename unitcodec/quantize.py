"""Vectors -> integers and back: EMA vector quantization, residual VQ, finite scalar quantization.

All three share one shape: ``forward(x (B, C, T)) -> (quantized (B, C, T), codes (B, rows, T), loss)`` for training with
straight-through gradients, ``encode(x) -> codes`` and ``decode(codes) -> x``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import steps
from .steps import coarser, lookup


def straight_through(x: Tensor, quantized: Tensor) -> Tensor:
    """``quantized`` in value, ``x`` in gradient (Bengio et al. 2013)."""
    return x + (quantized - x).detach()


def spacing(codebook: Tensor) -> float:
    """Codevectors (codes, C) -> the mean over them of the squared distance to the nearest other one; 1 where there is none."""
    if len(codebook) < 2:
        return 1.0
    book = codebook.double()
    distances = (book.square().sum(1)[:, None] - 2.0 * book @ book.T + book.square().sum(1)).fill_diagonal_(torch.inf)
    return float(distances.amin(1).clamp(min=0.0).mean()) or 1.0


class FSQ(nn.Module):
    """Finite scalar quantization (Mentzer et al. 2023): each channel squashed to (-1, 1) and rounded to ``levels[i]`` steps.

    No codebook to learn, so none to collapse. Channel ``i`` is code row ``i``, an integer in ``[0, levels[i])``.
    """

    levels: Tensor

    def __init__(self, levels: list[int]):
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels, device="cpu"), persistent=False)

    def bound(self, x: Tensor) -> Tensor:
        """(B, C, T) -> the same on the scale of the codes: rounding gives them."""
        levels = self.levels.to(x.dtype)[:, None]
        bounded: Tensor = steps.bound(torch.tanh(x), levels)
        return bounded

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> codes (B, C, T), int64."""
        return self.bound(x).round().long()

    def ladder_codes(self, x: Tensor) -> Tensor:
        """(B, C, T) -> its codes, and those of ever coarser rungs of :func:`coarser`, (B, rungs, rows, T), int64."""
        codes = self.encode(x).int().cpu().numpy()
        ladder = coarser(self.levels.tolist())
        found = np.stack([np.stack([lookup(tables, one) for tables in ladder]) for one in codes])
        return torch.from_numpy(found).long().to(x.device)

    @property
    def rungs(self) -> int:
        """How many :meth:`rung_codes` there are."""
        return len(coarser(self.levels.tolist()))

    def rung_codes(self, x: Tensor, rung: int, shift: float = 0.0) -> Tensor:
        """(B, C, T) -> one rung of :meth:`ladder_codes`, (B, rows, T), int64; of values ``shift`` finest steps higher."""
        codes = (self.bound(x) + shift).round().long()
        codes = torch.minimum(codes.clamp(min=0), self.levels[:, None] - 1) if shift else codes
        if not rung:
            return codes
        tables = coarser(self.levels.tolist())[rung]
        return torch.from_numpy(np.stack([lookup(tables, one) for one in codes.int().cpu().numpy()])).long().to(x.device)

    def clearance(self, x: Tensor, rung: int = 0) -> Tensor:
        """(B, C, T) -> how far the one that is nearest to a border between two codes of a rung is from it, in steps of the finest
        codes; of coarser ones, which are made of the finest, the borders of these."""
        clear: Tensor = steps.from_borders(self.bound(x) + 0.5, self.levels[:, None])
        return clear

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, C, T) -> values (B, C, T) in [-1, 1]."""
        return codes.to(dtype) * 2.0 / (self.levels.to(dtype)[:, None] - 1.0) - 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bounded = self.bound(x)
        codes = bounded.round()
        values = straight_through(bounded, codes) * 2.0 / (self.levels.to(x.dtype)[:, None] - 1.0) - 1.0
        return values, codes.long(), x.new_zeros(())


class SteppedFSQ(FSQ):
    """Finite scalar quantization with a step that varies, as that of image and video codecs does.

    Row 0 of the codes tells, frame by frame, the rung of ``ladder``: how many values the other rows have. Its code is 0 where
    nothing else is said. At any rung all values are in use and stand for the middle of their interval, so the error is about half
    of that of :func:`coarser` codes with as many bits.

    Args:
        rows: channels.
        ladder: numbers of values, from the most to the fewest.
    """

    ladder: Tensor

    def __init__(self, rows: int, ladder: Sequence[int]):
        super().__init__([ladder[0]] * rows)
        self.register_buffer("ladder", torch.tensor(tuple(ladder), device="cpu"), persistent=False)

    def rounded(self, x: Tensor, rungs: Tensor, shift: float = 0.0) -> Tensor:
        """(B, C, T) and rungs (B, T) -> codes (B, 1 + C, T), int64; of values ``shift`` finest steps higher."""
        levels = self.ladder[rungs][:, None]
        codes = steps.stepped(self.bound(x) + shift, int(self.ladder[0]), levels).long()
        codes = torch.minimum(codes.clamp(min=0), levels - 1) if shift else codes
        return torch.cat([rungs[:, None], codes], 1)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> codes (B, 1 + C, T), int64, the finest."""
        return self.rung_codes(x, 0)

    def ladder_codes(self, x: Tensor) -> Tensor:
        """(B, C, T) -> codes of every rung, (B, rungs, 1 + C, T), int64."""
        return torch.stack([self.rung_codes(x, rung) for rung in range(self.rungs)], 1)

    @property
    def rungs(self) -> int:
        """How many :meth:`rung_codes` there are."""
        return len(self.ladder)

    def rung_codes(self, x: Tensor, rung: int, shift: float = 0.0) -> Tensor:
        """(B, C, T) -> codes of one rung, (B, 1 + C, T), int64; see :meth:`FSQ.rung_codes`."""
        return self.rounded(x, torch.full((len(x), x.shape[2]), rung, device=x.device), shift)

    def clearance(self, x: Tensor, rung: int = 0) -> Tensor:
        """See :meth:`FSQ.clearance`; of the rung's own codes."""
        clear: Tensor = steps.clearance(self.bound(x), int(self.ladder[0]), int(self.ladder[rung]))
        return clear

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, 1 + C, T) -> values (B, C, T) in [-1, 1]. Codes that a rung does not have are its greatest."""
        finest = int(self.ladder[0])
        levels = self.ladder[codes[:, :1].clamp(0, len(self.ladder) - 1)]
        middles = (2 * torch.minimum(codes[:, 1:], levels - 1) + 1 - levels).to(dtype) / levels.to(dtype)
        return middles * finest / (finest - 1.0)

    def values_at(self, x: Tensor, rung: int) -> Tensor:
        """(B, C, T) -> the values of its codes of one rung, (B, C, T), with straight-through gradients."""
        plain = self.bound(x) * 2.0 / (int(self.ladder[0]) - 1.0) - 1.0
        return straight_through(plain, self.decode(self.rung_codes(x, rung), x.dtype))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        codes, finest = self.encode(x), int(self.ladder[0])
        values = straight_through(self.bound(x) * 2.0 / (finest - 1.0) - 1.0, self.decode(codes, x.dtype))
        return values, codes, x.new_zeros(())


class VQ(nn.Module):
    """Vector quantization with an EMA codebook (van den Oord et al. 2017, appendix A.1) and restarts of dead codes.

    A code whose moving count falls below ``dead`` moves to an input vector of the present batch (Dhariwal et al. 2020).
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, channels: int, decay: float = 0.99, commitment: float = 0.25, dead: float = 0.5):
        super().__init__()
        self.decay, self.commitment, self.dead = decay, commitment, dead
        self.register_buffer("codebook", torch.empty(codes, channels).normal_())
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, channels))

    def distances(self, x: Tensor) -> Tensor:
        """(B, C, T) -> squared distances to the codevectors (B, T, codes), less the square of x, which is the same for all."""
        book = self.codebook.to(x.dtype)
        return book.square().sum(1) - 2.0 * x.transpose(1, 2) @ book.T

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> index of the nearest codevector, (B, 1, T), int64."""
        return self.distances(x).argmin(2)[:, None]

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, 1, T) -> (B, C, T)."""
        return self.codebook.to(dtype)[codes[:, 0]].transpose(1, 2)

    @torch.no_grad()
    def _update(self, vectors: Tensor, codes: Tensor) -> None:
        if torch.distributed.is_initialized():
            # One codebook for all processes, and the one that a single process with all their batches would have.
            vectors, codes = _gathered(vectors), _gathered(codes)
        size = len(self.codebook)
        hits = F.one_hot(codes, size).to(vectors.dtype)
        first = bool(self.counts.sum() == 0)
        decay = 0.0 if first else self.decay
        self.counts.mul_(decay).add_(hits.sum(0), alpha=1.0 - decay)
        self.sums.mul_(decay).add_(hits.T @ vectors, alpha=1.0 - decay)
        dead = self.counts < self.dead
        if dead.any():
            chosen = vectors[torch.randint(len(vectors), (int(dead.sum()),), device=vectors.device)]
            self.counts[dead] = max(1.0, self.dead * 2)
            self.sums[dead] = chosen * self.counts[dead][:, None]
        self.codebook.copy_(self.sums / self.counts[:, None])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x.float()
        codes = self.encode(x)
        quantized = self.decode(codes)
        if self.training:
            self._update(x.detach().transpose(1, 2).reshape(-1, x.shape[1]), codes.reshape(-1))
        loss = self.commitment * F.mse_loss(x, quantized.detach())
        return straight_through(x, quantized), codes, loss


def _gathered(x: Tensor) -> Tensor:
    """(n, ...) of every process, one after another."""
    parts = [torch.empty_like(x) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, x.contiguous())
    return torch.cat(parts)


class ResidualVQ(nn.Module):
    """A row of :class:`VQ`, each quantizing what the ones before it left over (Zeghidour et al. 2021, algorithm 1)."""

    def __init__(self, rows: int, codes: int, channels: int, **options: float):
        super().__init__()
        self.layers = nn.ModuleList(VQ(codes, channels, **options) for _ in range(rows))

    @property
    def rows(self) -> list[VQ]:
        return cast("list[VQ]", list(self.layers))

    def distances(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, C, T) -> of each row those of :meth:`VQ.distances`, to what the nearest codes of the rows before leave over."""
        found = []
        for layer in self.rows:
            found.append(layer.distances(x))
            x = x - layer.decode(found[-1].argmin(2)[:, None], x.dtype)
        return tuple(found)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, rows, T), int64."""
        return torch.stack([row.argmin(2) for row in self.distances(x)], 1)

    def decode(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Codes (B, rows, T) -> (B, C, T)."""
        return torch.stack([layer.decode(codes[:, i : i + 1], dtype) for i, layer in enumerate(self.rows)]).sum(0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x.float()
        residual, total, codes, losses = x, torch.zeros_like(x), [], []
        for layer in self.rows:
            quantized, index, loss = layer(residual)
            quantized = quantized.detach()
            residual, total = residual - quantized, total + quantized
            codes.append(index)
            losses.append(loss)
        return straight_through(x, total), torch.cat(codes, 1), torch.stack(losses).sum()
