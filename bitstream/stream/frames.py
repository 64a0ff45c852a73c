"""Frames that arrive in any portions and leave in whole packets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import as_codes
from bitstream.entropy.model import EntropyModel


class Frames:
    """Unit and F0 frames in waiting: `units` is (rows, n) int32, `f0` is (m,) int32."""

    def __init__(self, entropy: EntropyModel) -> None:
        self._entropy = entropy
        self.units = np.zeros((len(entropy.spec.rows), 0), dtype=np.int32)
        self.f0 = np.zeros(0, dtype=np.int32)

    def add(self, units: ArrayLike, f0: ArrayLike) -> None:
        """Take units (rows, any number) and f0 (any number,). Raises InvalidCodes if they are not the model's."""
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self._entropy.check_symbols(units, f0)
        self.units = np.concatenate([self.units, units], axis=1)
        self.f0 = np.concatenate([self.f0, f0])

    def has(self, frames: int, f0_frames: int) -> bool:
        """Whether so many are there."""
        return self.units.shape[1] >= frames and len(self.f0) >= f0_frames

    def take(self, frames: int, f0_frames: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The first so many, which leave."""
        taken = self.units[:, :frames], self.f0[:f0_frames]
        self.units, self.f0 = self.units[:, frames:], self.f0[f0_frames:]
        return taken

    def pad(self, block: int) -> None:
        """Repeat the last unit and F0 frame until both reach the next multiple of `block` samples.

        What ended within an F0 frame cannot otherwise go on, since that frame's code is spent.
        """
        spec = self._entropy.spec
        samples = max(self.units.shape[1] * spec.unit_hop, len(self.f0) * spec.f0_hop)
        whole = -(-samples // block) * block
        if whole:
            self.units = np.pad(self.units, ((0, 0), (0, whole // spec.unit_hop - self.units.shape[1])), mode="edge")
            self.f0 = np.pad(self.f0, (0, whole // spec.f0_hop - len(self.f0)), mode="edge")
