"""``config.json`` of a model folder: values from anywhere, each looked at before anything is made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bitstream import EntropyModel
from bitstream.errors import shown
from bitstream.regular import read_regular

from .errors import ModelError
from .pitch.tracker import TRACKERS

T = TypeVar("T")

FORMAT = 1
PRECISIONS = ("int8", "float32")
SEARCH_STEPS = 1000
"""Most that a model may ask for: a folder from anywhere shall not make an encoder run for hours."""

MAX_FILE = 2**16
MAX_SIZE, MAX_ENTRIES = 2**15, 64
"""Of any option, which is a width, a length or a count; entries of a list."""

_FLAGS = ("excitation", "reverse", "normalise", "normalize", "limit_rate")
_NUMBERS = ("scale", "gain_db", "bitrate")
_TEXTS = ("name", "kind", "front_end", "activation", "checkpoint", "revision", "tracker", "precision")
_OPTIONAL = ("layer", "hidden", "upsample_kernels", "durations", "revision", "normalize", "source")
_MAY_BE_ZERO = ("blocks", "memory", "context", "layer", "voice", "f0", "speaker", "istft", "voice_search", "matching")


def read_object(path: Path, most: int, make: Callable[[dict[str, Any]], T]) -> T:
    """What ``make`` makes of the JSON object in a file of at most so many bytes. Raises ModelError, naming the file."""
    try:
        values = json.loads(read_regular(path, most))
        if not isinstance(values, dict):
            raise ModelError("not a JSON object")
        return make(values)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON, or cut short") from error


@dataclass(frozen=True)
class ModelConfig:
    """What ``config.json`` holds: the constructor arguments of each part, the F0 tracker, and the decoder's output gain in dB.

    ``limit_rate``: packets are held to 365 bit/s; see :mod:`unitcodec.encoder.rate`. ``precision``: how the weights are
    stored, "int8" (the large matrices, the rest float16) or "float32". ``voice_search``: steps of
    :mod:`unitcodec.encoder.voice`, 0 for the speaker encoder's own word. ``bitrate``: what speech typically takes, in bit/s; 0
    where nobody measured it. A generator of kind "code" has no mel decoder before it.
    """

    name: str
    content: dict[str, Any] = field(default_factory=dict)
    pitch: dict[str, Any] = field(default_factory=dict)
    speaker: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    tracker: str = "swift-f0"
    gain_db: float = 0.0
    limit_rate: bool = True
    voice_search: int = 0
    precision: str = "int8"
    bitrate: float = 0.0
    format: int = FORMAT

    @staticmethod
    def read(path: Path) -> ModelConfig:
        """The file at ``path``. Raises ModelError, naming it."""
        return read_object(path, MAX_FILE, ModelConfig._of)

    @staticmethod
    def _of(values: dict[str, Any]) -> ModelConfig:
        if values.get("format") != FORMAT:
            raise ModelError(f"model format {shown(values.get('format'))}; this version reads {FORMAT}")
        _check(values)
        if unknown := values.keys() - {each.name for each in fields(ModelConfig)}:
            raise ModelError(f"no option is called {shown(min(unknown))}")
        if "name" not in values:
            raise ModelError("name is missing")
        config = ModelConfig(**values)
        config._check_values()
        return config

    def _check_values(self) -> None:
        for part in ("content", "pitch", "speaker", "decoder", "generator"):
            if not isinstance(options := getattr(self, part), dict):
                raise ModelError(f"{part} is {shown(options)}; it must be an object of options")
        if not abs(self.gain_db) <= 20:
            raise ModelError(f"gain_db is {self.gain_db!r}; it must be a number of at most 20 dB")
        if not 0 <= self.bitrate <= 1e6:
            raise ModelError(f"bitrate is {self.bitrate!r}; it must be a number of bit/s")
        if self.precision not in PRECISIONS:
            raise ModelError(f"unknown precision {shown(self.precision)}: one of {', '.join(PRECISIONS)}")
        if not isinstance(self.voice_search, int) or self.voice_search > SEARCH_STEPS:
            raise ModelError(f"voice_search is {shown(self.voice_search)}; it must be a whole number up to {SEARCH_STEPS}")
        if self.tracker not in TRACKERS:
            raise ModelError(f"unknown F0 tracker {shown(self.tracker)}: one of {', '.join(TRACKERS)}")


class Described(Protocol):
    """A model, as far as it is no networks."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def entropy(self) -> EntropyModel: ...


def _check(values: Mapping[str, Any], depth: int = 0) -> None:
    """Raise ModelError for the first option whose value is of a wrong kind or out of the range that any option has."""
    for name, value in values.items():
        if not (name.isascii() and name.isidentifier() and len(name) <= MAX_ENTRIES):
            raise ModelError(f"no option can be called {shown(name)}")
        if value is None and name in _OPTIONAL:
            continue
        if name in _FLAGS:
            fits, wanted = isinstance(value, bool), "true or false"
        elif name in _TEXTS:
            fits, wanted = isinstance(value, str) and len(value) <= 4096 and value.isprintable(), "text in one line"
        elif name in _NUMBERS:
            fits, wanted = type(value) in (int, float) and abs(value) < math.inf, "a number"
        elif isinstance(value, dict):
            fits, wanted = depth < 2, "less nested"
            _check(value if fits else {}, depth + 1)
        else:
            least = 0 if name in _MAY_BE_ZERO else 1
            fits, wanted = _is_size(value, least), f"a whole number from {least} to {MAX_SIZE}, or a list of such"
        if not fits:
            raise ModelError(f"{name} is {shown(value)}; it must be {wanted}")


def _is_size(value: Any, least: int, depth: int = 0) -> bool:
    if isinstance(value, list):
        return depth < 2 and len(value) <= MAX_ENTRIES and all(_is_size(each, least, depth + 1) for each in value)
    return type(value) is int and least <= value <= MAX_SIZE
