"""Speech as integers: the one value that crosses from the codec to the bitstream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.errors import InvalidCodes

MAX_SAMPLES = 2**48 - 1
_FINGERPRINT = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, eq=False)
class SpeechCodes:
    """The codes of one utterance, immutable, integers only.

    Attributes:
        units: (codebooks, frames) int32; what a row means is the model's
            business; of the default model row 0 is the step that the others are rounded by.
        f0: (f0_frames,) int32, indices into the F0 codebook.
        speaker: (speaker_fields,) int32, once a stream.
        num_samples: exact length of the waveform, samples at 16 kHz.
        model: fingerprint of the model the integers belong to, 8 lower-case hex digits.
        lost: half-open ranges of unit frames that were concealed; `units` and `f0` hold 0 there.

    Any integer array-like is taken and copied. Raises InvalidCodes for everything else.
    """

    units: NDArray[np.int32]
    f0: NDArray[np.int32]
    speaker: NDArray[np.int32]
    num_samples: int
    model: str
    lost: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", as_codes("units", self.units, 2))
        object.__setattr__(self, "f0", as_codes("f0", self.f0, 1))
        object.__setattr__(self, "speaker", as_codes("speaker", self.speaker, 1))
        if isinstance(self.num_samples, bool) or not isinstance(self.num_samples, (int, np.integer)):
            raise InvalidCodes(f"num_samples must be an integer, not {type(self.num_samples).__name__}")
        object.__setattr__(self, "num_samples", int(self.num_samples))
        if not 0 <= self.num_samples <= MAX_SAMPLES:
            raise InvalidCodes(f"num_samples is {self.num_samples}; it must lie in 0 .. 2**48 - 1")
        if not isinstance(self.model, str) or not _FINGERPRINT.fullmatch(self.model):
            raise InvalidCodes(f"model fingerprint {self.model!r} is not 8 lower-case hex digits")
        object.__setattr__(self, "lost", _ranges(self.lost, self.units.shape[1]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpeechCodes):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        arrays = (self.units.shape, self.units.tobytes(), self.f0.tobytes(), self.speaker.tobytes())
        return (*arrays, self.num_samples, self.model, self.lost)


def lost_ranges(lost: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Which unit frames are lost, (frames,) -> ``SpeechCodes.lost``."""
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False)).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def require_codes(codes: object, name: str = "codes") -> SpeechCodes:
    """The same; InvalidCodes unless they are SpeechCodes."""
    if isinstance(codes, SpeechCodes):
        return codes
    kind = "None" if codes is None else f"of type {type(codes).__name__}"
    if isinstance(codes, (bytes, bytearray, memoryview)):
        raise InvalidCodes(
            f"{name} is {kind}; a stream's bytes become SpeechCodes by bitstream.unpack, sound by Codec.decompress"
        )
    raise InvalidCodes(f"{name} is {kind}; it takes SpeechCodes, as Codec.encode and bitstream.unpack give them")


def as_codes(name: str, values: ArrayLike, ndim: int) -> NDArray[np.int32]:
    """Copy `values` to a read-only int32 array of `ndim` axes; InvalidCodes unless they are integers in 0 .. 2**31 - 1."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidCodes(f"{name} is not a rectangular array") from error
    except (TypeError, RuntimeError) as error:  # a tensor with a gradient, a sparse one
        raise InvalidCodes(f"{name} cannot be read as an array: {str(error).splitlines()[0]}") from error
    if array.ndim == 0:
        raise InvalidCodes(f"{name} must be an array of integers, not of type {type(values).__name__}")
    if array.ndim != ndim:
        raise InvalidCodes(f"{name} must have {ndim} {'axis' if ndim == 1 else 'axes'}, not {array.ndim}")
    # An empty Python list becomes a float array; there is nothing in it to be wrong.
    if array.size and array.dtype.kind not in "iu":
        raise InvalidCodes(f"{name} must hold integers, not {array.dtype}")
    if array.size and ((worst := int(array.min())) < 0 or (worst := int(array.max())) >= 2**31):
        raise InvalidCodes(f"{name} holds {worst}; codes lie in 0 .. 2**31 - 1")
    copy = np.array(array, dtype=np.int32, order="C")
    copy.flags.writeable = False
    return copy


def _ranges(lost: Any, frames: int) -> tuple[tuple[int, int], ...]:
    try:
        ranges = tuple((index(start), index(stop)) for start, stop in lost)
    except (TypeError, ValueError) as error:
        raise InvalidCodes("lost must be a sequence of (start, stop) pairs of integers") from error
    previous = 0
    for start, stop in ranges:
        if not previous <= start < stop <= frames:
            raise InvalidCodes(f"lost range {(start, stop)} is empty, out of order or outside the {frames} unit frames")
        previous = stop
    return ranges
