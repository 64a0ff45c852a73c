"""The encoder's side of a model's graphs: an :class:`.encoder.packet.Analyser`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..content.parts import Parts, parts_of
from ..content.rungs import Candidates, Rungs
from ..encoder.excerpt import MARGIN, Excerpt, segment
from ..encoder.packet import content_samples, whole_codes, whole_f0
from ..encoder.together import Window
from ..fields import Fields, IntArray
from ..frames import HOP, normalise
from ..pitch.track import STRIDE, mean_and_deviation, track_channels
from ..speaker.descent import Descent, Floats
from . import spectra
from .scalar import BoundedScalar
from .session import Array, Graphs, doubles, singles

Doubles = NDArray[np.float64]


class GraphAnalyser:
    """See :class:`.encoder.packet.Analyser`."""

    def __init__(self, graphs: Graphs) -> None:
        sizes, content = graphs.folder.sizes, graphs.folder.config.content
        self._graphs, self._stride = graphs, sizes["stride"]
        self._hears = content.get("kind", "fsq")
        self._reach, self._near = sizes["reach"], sizes["near"]
        rows = graphs.folder.entropy.spec.rows
        ladder = content.get("ladder", ())
        self._channels = len(rows) - bool(ladder)
        self._quantizer = BoundedScalar([row.alphabet for row in rows[bool(ladder) :]], ladder)
        self._fields = graphs.folder.entropy.spec.speaker[3:]
        self.context = content_samples(sizes["context"])
        self.f0_context = whole_codes(sizes["f0_context"] * HOP)

    def candidates_of(self, windows: Sequence[Window]) -> list[Candidates]:
        return [self._candidates(*window) for window in windows]

    def _candidates(self, waveform: Doubles, own: slice) -> Candidates:
        def exact() -> Array:
            found = self._latent("content_exact", given, doubles, within)
            # It is asked for seldom, and would keep 40 MB.
            self._graphs.forget("content_exact")
            return found

        given, within = self._heard(waveform[0], own)
        return Rungs(self._quantizer, self._latent("content", given, singles, within), exact)

    def _heard(self, waveform: Doubles, own: slice) -> tuple[dict[str, Array], slice]:
        """What the content encoder is given of a window (T,), and where ``own`` lies in what it gives."""
        if self._hears != "whisper":
            return {"mel": normalise(spectra.log_mel(waveform))[None]}, own
        hop = HOP * self._stride
        parts = parts_of(len(waveform) // hop, own, self._reach, self._near)
        mel = normalise(spectra.log_mel(waveform[parts.around.start * hop : parts.around.stop * hop]))
        first = (parts.seen.start - parts.around.start) * self._stride
        mel = mel[:, first : first + (parts.seen.stop - parts.seen.start) * self._stride]
        given = {"heard": spectra.whisper_mel(waveform)[None], "mel": mel[None], **_edges(parts)}
        return given, slice(own.start - parts.seen.start, own.stop - parts.seen.start)

    def _latent(self, name: str, given: Mapping[str, Array], kind: object, within: slice) -> Array:
        typed = singles if kind is singles else doubles
        inputs = {key: typed(value) if value.dtype.kind == "f" else value for key, value in given.items()}
        (bounded,) = self._graphs.run(name, inputs, [(1, self._channels, given["mel"].shape[2] // self._stride)])
        return bounded[..., within]

    def f0_codes(self, f0: NDArray[np.float32], fields: Fields) -> IntArray:
        channels = track_channels(whole_f0(f0), *mean_and_deviation(fields.mean, fields.deviation))
        (codes,) = self._graphs.run("f0", {"track": doubles(channels[None])}, [(1, 1, channels.shape[1] // STRIDE)])
        return codes[0, 0].astype(np.int32)

    def mel(self, waveform: Doubles) -> Doubles:
        return normalise(spectra.log_mel(waveform[0]))[None]

    def voice(self, mel: Doubles) -> tuple[int, ...]:
        (codes,) = self._graphs.run("voice", {"mel": doubles(mel)}, [(1, len(self._fields))])
        return tuple(codes[0].tolist())

    def find_voice(self, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
        """See :func:`.encoder.voice.find_voice`."""
        prepared = [each for each in excerpts if each.mel.shape[1] >= STRIDE]
        if not prepared:
            return fields
        for name, dtype, margin in (("", np.float32, MARGIN), ("_exact", np.float64, 0.0)):
            slopes = [_Slope(self._graphs, name, dtype, each, fields, self._stride) for each in prepared]
            descent = Descent(self._fields, np.array([fields.voice]), steps, dtype)
            found = descent.down(lambda step, vector, all=slopes: all[step % len(all)].at(step, vector), steps, margin)  # type: ignore[misc]
            self._graphs.forget(f"slope{name}")
            if found is not None:
                return replace(fields, voice=tuple(found[0].tolist()))
        raise AssertionError("without a margin a search knows")


@dataclass
class _Slope:
    """The slope of an excerpt's error; see :class:`.graphs.Slope`."""

    graphs: Graphs
    name: str
    dtype: DTypeLike
    excerpt: Excerpt
    fields: Fields
    stride: int

    def __post_init__(self) -> None:
        self.features, _ = decode_f0(self.graphs, f"f0_decoder{self.name}", self.dtype, self.excerpt.f0, self.fields)
        self.mel = self.excerpt.mel[None].astype(self.dtype)

    def at(self, step: int, vector: Floats) -> Floats:
        part = segment(step, self.mel.shape[2])
        given = {
            "units": self.excerpt.units[None, :, part.start // self.stride : part.stop // self.stride].astype(np.int64),
            "features": self.features[..., part],
            "mel": self.mel[..., part],
            "vector": vector.astype(self.dtype, copy=False),
        }
        arrays = {key: np.ascontiguousarray(value) for key, value in given.items()}
        (slope,) = self.graphs.run(f"slope{self.name}", arrays, [vector.shape])
        return slope


def decode_f0(graphs: Graphs, name: str, dtype: DTypeLike, f0: IntArray, fields: Fields) -> tuple[Array, Array]:
    """F0 codes (m,) -> pitch features (1, 3, 8 m) and F0 (1, 8 m) in Hz."""
    mean, deviation = (np.array([each], dtype) for each in mean_and_deviation(fields.mean, fields.deviation))
    given, frames = {"f0": f0[None].astype(np.int64), "mean": mean, "deviation": deviation}, STRIDE * len(f0)
    features, hz = graphs.run(name, given, [(1, 3, frames), (1, frames)])
    return features, hz


def _edges(parts: Parts) -> dict[str, Array]:
    return {
        name: np.array([part.start, part.stop], np.int64)
        for name, part in (("listened", parts.listened), ("within", parts.within))
    }
