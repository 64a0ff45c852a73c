"""The decoder's side of a model's graphs: what speaks the codes of a stream."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bitstream.arrays import IntArray

from ..fields import Fields
from ..frames import HOP
from ..pitch.track import STRIDE, mean_and_deviation
from ..vocoder.noise import white_noise
from ..vocoder.speech import ExcitedSpeech
from . import spectra
from .session import Array, Graphs, singles


def make_voice(graphs: Graphs, fields: Fields) -> GraphVoice:
    """What speaks the codes of a stream with these fields."""
    return GraphVoice(_Generator(graphs), _Source(graphs, fields))


class GraphVoice:
    """See :class:`.decoder.stream.Voice`."""

    def __init__(self, generator: _Generator, source: _Source) -> None:
        self._source, self._speech = source, ExcitedSpeech(generator, source)
        self.context = self._speech.context

    def speak(self, units: IntArray, f0: IntArray, low: int, begin: int, end: int) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = self._speech.speak(units[None], f0[None], low, begin, end)
        return samples

    def skip(self, samples: int, f0: int) -> None:
        self._speech.skip(samples, partial(self._source.steady_f0, f0))


class _Source:
    """See :class:`.vocoder.speech.MelSource`."""

    def __init__(self, graphs: Graphs, fields: Fields) -> None:
        self._graphs, self._fields, sizes = graphs, fields, graphs.folder.sizes
        self.unit_hop = sizes["stride"] * HOP
        self._f0_reach = sizes["f0_decoder_context"]
        self.context = sizes["decoder_context"] + self._f0_reach * (STRIDE * HOP // self.unit_hop)

    def decode(self, units: Array, f0: Array, own: slice) -> tuple[Array, Array, Array]:
        frames = units.shape[2] * self.unit_hop // HOP
        features, hz = self._decode_f0(f0[0])
        features, hz = singles(features[..., :frames]), singles(hz[:, :frames])
        codes = np.array([self._fields.voice], np.int64)
        given: dict[str, Array] = {"units": units.astype(np.int64), "features": features, "codes": codes}
        (mel,) = self._graphs.run("mel", given, [(1, 80, frames)])
        stride = self.unit_hop // HOP
        part = slice(own.start * stride, own.stop * stride)
        return mel[..., part], features[..., part], hz[:, part]

    def steady_f0(self, code: int) -> float:
        """Hz, of an F0 code among its like."""
        reach = self._f0_reach + 1
        _, hz = self._decode_f0(np.full(2 * reach, code, np.int32))
        return float(hz[0, reach * STRIDE : (reach + 1) * STRIDE].mean(dtype=np.float64))

    def _decode_f0(self, f0: Array) -> tuple[Array, Array]:
        """F0 codes (m,) -> pitch features (1, 3, 8 m) and F0 (1, 8 m) in Hz."""
        mean, deviation = (singles([each]) for each in mean_and_deviation(self._fields.mean, self._fields.deviation))
        given: dict[str, Array] = {"f0": f0[None].astype(np.int64), "mean": mean, "deviation": deviation}
        frames = STRIDE * len(f0)
        features, hz = self._graphs.run("f0_decoder", given, [(1, 3, frames), (1, frames)])
        return features, hz


class _Generator:
    """See :class:`.vocoder.speech.ExcitedVocoder`."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs, self._passes = graphs, graphs.folder.sizes["matching"]
        self.context = graphs.folder.sizes["generator_context"]

    def excite(
        self, hz: Array, voicing: Array, phase: float, begin: int, end: int, part: slice, position: int
    ) -> tuple[Array, Array, float]:
        given = {"hz": hz, "voicing": singles(voicing), "start": np.array([phase]), "first": np.array(begin, np.int64)}
        pulses, cycles = self._graphs.run("pulses", given, [(1, HOP * hz.shape[1])] * 2)
        pulses = pulses[:, part]
        return pulses, white_noise(position, pulses.shape[1])[None], float(cycles[0, end - 1])

    def generate(self, mel: Array, features: Array, pulses: Array, noise: Array) -> Array:
        shapes = [(1, None, mel.shape[2])] * 3
        filters = self._graphs.run("filters", {"mel": singles(mel), "features": singles(features)}, shapes)
        harmonic, noisy, angle = (each[0] for each in filters)
        return spectra.generate(harmonic, noisy, angle, pulses[0], noise[0], mel[0], self._passes)[None]
