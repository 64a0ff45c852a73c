"""What the implementation that a checkpoint comes from computed with it, held against what ours does."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bitstream.regular import read_regular

from ..errors import ModelError
from ..formats.arrays import MAX_BYTES, Array, read_npz
from ..model import Networks
from ..vocoder.duration import LONGEST
from .assembly import code_generator

TOLERANCE = 1e-5
"""Largest error that a sample may have, where full scale is 1."""


@dataclass(frozen=True)
class Difference:
    """How far ours is from what was expected: F0 codes and durations that differ, of how many; the wave's largest error."""

    f0_codes: int
    f0_total: int
    durations: int
    durations_total: int
    wave: float

    @property
    def passes(self) -> bool:
        """Whether every integer is the same and no sample is further off than :data:`TOLERANCE`."""
        return not self.f0_codes and not self.durations and self.wave <= TOLERANCE


@torch.inference_mode()
def compare(networks: Networks, path: Path) -> Difference:
    """Compute what the arrays of an ``.npz`` file ask for.

    Inputs: ``code`` (B, n) units; where the vocoder takes F0, ``f0`` (B, 1, m) at 200 Hz as its quantizer is given it; where it
    knows speakers, ``spkr`` (B, 1). Outputs: ``wave`` (B, 1, T); ``f0_codes`` (B, k) beside ``f0``; if the units have no
    repetitions, ``durations`` (1, n), the frames that each is predicted to last.

    Raises:
        ModelError: naming the file: it cannot be read, or its arrays do not fit the model.
    """
    arrays = _Arrays(path)
    generator = code_generator(networks)
    units = arrays.integers("code", 2, generator.unit_sizes[0])[:, None]
    durations, f0_codes = (0, 0), (0, 0)
    if "durations" in arrays:
        frames_each, durations = _durations(networks, arrays, units)
        units = units.repeat_interleave(frames_each[0], dim=2)
    batch, frames = len(units), units.shape[2]
    f0 = speaker = None
    if generator.f0_size:
        f0, f0_codes = _f0(networks, arrays, batch, -(-frames // generator.frames_per_f0))
    if generator.speaker_dim:
        voice = arrays.integers("spkr", 2, generator.speaker_dim)
        if voice.shape != (batch, 1):
            raise ModelError(f"{path}: 'spkr' is {tuple(voice.shape)}; one for each of the {batch} utterances is wanted")
        speaker = networks.speaker.decode(voice)
    wave = arrays.floats("wave", 3)
    if wave.shape != (batch, 1, frames * generator.hop):
        raise ModelError(f"{path}: 'wave' is {tuple(wave.shape)}; these codes make {(batch, 1, frames * generator.hop)}")
    error = float((generator(units, f0, speaker) - wave).abs().max())
    return Difference(*f0_codes, *durations, error)


def _durations(networks: Networks, arrays: _Arrays, units: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Durations expected; how many of those predicted differ from them, of how many."""
    expected = arrays.integers("durations", 2, LONGEST + 1)
    predicted = networks.generator.durations(units)
    if predicted is None or len(units) != 1 or expected.shape != predicted.shape:
        raise ModelError(f"{arrays.path}: 'durations' are for one utterance, and for a model that predicts them")
    return expected, (int((predicted != expected).sum()), expected.numel())


def _f0(networks: Networks, arrays: _Arrays, batch: int, codes: int) -> tuple[Tensor, tuple[int, int]]:
    """F0 codes by our quantizer, in float64 as in the codec; how many differ from those expected, of how many."""
    track, expected = arrays.floats("f0", 3), arrays.integers("f0_codes", 2, code_generator(networks).f0_size)
    if track.shape != (batch, 1, 16 * codes) or expected.shape != (batch, codes):
        raise ModelError(f"{arrays.path}: 'f0' and 'f0_codes' do not fit 'code': {codes} codes of 16 values are wanted")
    found = copy.deepcopy(networks).double().pitch.encode(track.double())[:, 0]
    return found, (int((found != expected).sum()), expected.numel())


class _Arrays:
    """The arrays of a file, each looked at before it is used."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._arrays = read_npz(read_regular(path, MAX_BYTES))
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise ModelError(f"{path}: {error}") from error

    def integers(self, name: str, axes: int, size: int) -> Tensor:
        """Integers in [0, size)."""
        array = self._get(name, axes, "iu")
        if int(array.min()) < 0 or int(array.max()) >= size:
            raise ModelError(f"{self.path}: '{name}' goes beyond 0 .. {size - 1}, which this model knows")
        return torch.from_numpy(array.astype(np.int64))

    def floats(self, name: str, axes: int) -> Tensor:
        """Numbers, as float32."""
        return torch.from_numpy(self._get(name, axes, "f").astype(np.float32))

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def _get(self, name: str, axes: int, kinds: str) -> Array:
        array = self._arrays.get(name)
        if array is None:
            raise ModelError(f"{self.path}: has no array '{name}', which this model needs")
        if array.dtype.kind not in kinds or array.ndim != axes or not array.size:
            raise ModelError(f"{self.path}: '{name}' is {array.dtype} of shape {array.shape}; {axes} axes are wanted")
        return array
