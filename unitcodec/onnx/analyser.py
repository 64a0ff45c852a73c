"""The encoder's side of a model's graphs: an :class:`.encoder.packet.Analyser`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bitstream.arrays import IntArray

from ..content.parts import Parts, parts_of
from ..content.rungs import Candidates, Rungs
from ..encoder.excerpt import MARGIN, Excerpt, segment
from ..encoder.packet import content_samples, whole_codes, whole_f0
from ..encoder.together import Window
from ..fields import Fields
from ..frames import HOP, normalise
from ..pitch.track import STRIDE, mean_and_deviation, track_channels
from ..speaker.descent import Descent, Floats
from . import spectra
from .exact import Exact, sound
from .scalar import BoundedScalar
from .session import Array, Graphs, singles

Doubles = NDArray[np.float64]


class GraphAnalyser:
    """See :class:`.encoder.packet.Analyser`. What is float64 is NumPy's, and so is the search for a voice; see :mod:`.exact`."""

    def __init__(self, graphs: Graphs) -> None:
        folder = graphs.folder
        content, spec = folder.config.content, folder.entropy.spec
        self._folder, self._graphs, self._stride = folder, graphs, folder.sizes["stride"]
        self._hears = content.get("kind", "fsq")
        self._reach, self._near = folder.sizes["reach"], folder.sizes["near"]
        ladder = content.get("ladder", ())
        self._levels = np.array([row.alphabet for row in spec.rows[bool(ladder) :]], np.float64)
        self._quantizer = BoundedScalar(self._levels.astype(int).tolist(), ladder)
        self._fields = spec.speaker[3:]
        self._exact = Exact(folder.weights, folder.config, self._stride)
        self.context = content_samples(folder.sizes["context"])
        self.f0_context = whole_codes(folder.sizes["f0_context"] * HOP)

    def candidates_of(self, windows: Sequence[Window]) -> list[Candidates]:
        return [self._candidates(*window) for window in windows]

    def _candidates(self, waveform: Doubles, own: slice) -> Candidates:
        mel, heard, parts = self._heard(waveform[0], own)
        within = slice(own.start - parts.seen.start, own.stop - parts.seen.start)

        def exact() -> Array:
            with self._folder.computing():
                bounded = self._exact.content(mel.T, self._levels, None if heard is None else heard.T, parts)
                return sound(bounded.T[None, :, within])

        given = {"mel": singles(mel[None])}
        if heard is not None:
            given |= {"heard": singles(heard[None]), **_edges(parts)}
        (bounded,) = self._graphs.run("content", given, [(1, len(self._levels), mel.shape[1] // self._stride)])
        return Rungs(self._quantizer, bounded[..., within], exact)

    def _heard(self, waveform: Doubles, own: slice) -> tuple[Doubles, Doubles | None, Parts]:
        """Of a window (T,): log-mel of what the convolutional encoder sees; what Whisper hears; which parts of it these are."""
        hop = HOP * self._stride
        units = len(waveform) // hop
        if self._hears != "whisper":
            everything = slice(0, units)
            return normalise(spectra.log_mel(waveform)), None, Parts(everything, everything, everything)
        parts = parts_of(units, own, self._reach, self._near)
        mel = normalise(spectra.log_mel(waveform[parts.around.start * hop : parts.around.stop * hop]))
        first = (parts.seen.start - parts.around.start) * self._stride
        mel = mel[:, first : first + (parts.seen.stop - parts.seen.start) * self._stride]
        return mel, spectra.whisper_mel(waveform), parts

    def f0_codes(self, f0: NDArray[np.float32], fields: Fields) -> IntArray:
        channels = track_channels(whole_f0(f0), *mean_and_deviation(fields.mean, fields.deviation))
        with self._folder.computing():
            return self._exact.f0_codes(channels.T.astype(np.float64)).astype(np.int32)

    def mel(self, waveform: Doubles) -> Doubles:
        return normalise(spectra.log_mel(waveform[0]))[None]

    def voice(self, mel: Doubles) -> tuple[int, ...]:
        with self._folder.computing():
            return tuple(sound(self._exact.voice(mel[0].T, np.array(self._fields, np.float64))).astype(int).tolist())

    def find_voice(self, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
        """See :func:`.encoder.voice.find_voice`."""
        prepared = [each for each in excerpts if each.mel.shape[1] >= STRIDE]
        if not prepared:
            return fields
        for dtype, margin in ((np.float32, MARGIN), (np.float64, 0.0)):
            with self._folder.computing():
                found = self._searched(fields, prepared, steps, dtype, margin)
            if found is not None:
                return replace(fields, voice=tuple(found[0].tolist()))
        raise AssertionError("without a margin a search knows")

    def _searched(
        self, fields: Fields, excerpts: Sequence[Excerpt], steps: int, dtype: DTypeLike, margin: float
    ) -> NDArray[np.int64] | None:
        """The voice (1, fields); None if a latent ends within the ``margin``."""
        networks = Exact(self._folder.weights, self._folder.config, self._stride, dtype)
        statistics = mean_and_deviation(fields.mean, fields.deviation)
        features = [networks.pitch_features(each.f0, *statistics) for each in excerpts]
        slope = networks.slope()

        def at(step: int, vector: Floats) -> Floats:
            turn = step % len(excerpts)
            excerpt, part = excerpts[turn], segment(step, excerpts[turn].mel.shape[1])
            units = excerpt.units[:, part.start // self._stride : part.stop // self._stride]
            values = self._quantizer.values(units).T.astype(dtype)
            return slope(values, features[turn][part], excerpt.mel[:, part].T.astype(dtype), vector)

        return Descent(self._fields, np.array([fields.voice]), steps, dtype).down(at, steps, margin)


def _edges(parts: Parts) -> dict[str, Array]:
    return {
        name: np.array([part.start, part.stop], np.int64)
        for name, part in (("listened", parts.listened), ("within", parts.within))
    }
