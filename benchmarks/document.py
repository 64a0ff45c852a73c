"""What the benchmarks wrote, read again: results.json, bitrate.json, speed.json, a baseline. The one place that checks them.

A file may be of another version, cut short or written by hand. Whoever gets a document from here finds what it looks up:
each key that is there has its type, each object the keys that belong to it. Keys that nobody looks up are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import files, score
from benchmarks.errors import BenchmarkError
from benchmarks.metrics.pitch import PitchErrors

VERSION = 1

NEEDED = {
    "results.json": ("made", "corpus", "utterances", "systems"),
    "bitrate.json": ("bits", "bps", "seconds", "streams_bps", "entropy_coder", "compressors", "by_duration"),
    "speed.json": ("cases", "peers"),
}
"""What a report needs of each file."""

_WRITERS = {
    "results.json": "unitcodec bench quality --data MANIFEST --out DIR",
    "bitrate.json": "unitcodec bench bitrate --data MANIFEST --out DIR",
    "speed.json": "unitcodec bench speed --out DIR",
}
_OTHER_WRITER = "unitcodec bench report --out DIR --save-baseline FILE"

Check = Callable[[Any, str], None]
"""Raises _Wrong with the place that it is given; passes what is as it should be."""


class _Wrong(Exception):
    """The place in a document and what is wrong there."""


def read(path: Path, *needed: str) -> dict[str, Any]:
    """The document in ``path``, which has at least the keys ``needed``.

    Raises:
        BenchmarkError: it is not there, of another version, or not as the benchmarks write it.
    """
    writer = _WRITERS.get(path.name, _OTHER_WRITER)
    if not path.exists():
        raise BenchmarkError(f"{path}: is not there; '{writer}' writes it")
    document = files.read_json(path)
    try:
        _object({"version": _version})(document, "")
        # In bitrate.json these are other objects, which nobody looks up.
        listed = {"utterances": _each(_UTTERANCE)} if "corpus" in document else {}
        _object({**_DOCUMENT, **listed}, *needed)(document, "")
    except _Wrong as wrong:
        raise BenchmarkError(f"{path}: {wrong}; delete the file and write it again: {writer}") from None
    return document


@dataclass(frozen=True)
class _Is:
    """A value of one of these types. A truth value is no number."""

    types: tuple[type, ...]
    title: str

    def __call__(self, value: Any, place: str) -> None:
        if not isinstance(value, self.types) or isinstance(value, bool):
            _wrong(place, f"is not {self.title}")


def _wrong(place: str, what: str) -> NoReturn:
    raise _Wrong(f"{place or 'the document'} {what}")


def _version(value: Any, place: str) -> None:
    if value != VERSION:
        raise _Wrong(f"is of version {value!r}, and this program reads version {VERSION}")


def _or_none(check: Check) -> Check:
    return lambda value, place: None if value is None else check(value, place)


def _each(check: Check) -> Check:
    """A list, each of which is checked."""

    def checked(value: Any, place: str) -> None:
        if not isinstance(value, list):
            _wrong(place, "is not a list")
        for i, one in enumerate(value):
            check(one, f"{place}[{i}]")

    return checked


def _pair(check: Check) -> Check:
    def checked(value: Any, place: str) -> None:
        _each(check)(value, place)
        if len(value) != 2:
            _wrong(place, "is not a pair")

    return checked


def _named(check: Check) -> Check:
    """An object whose keys are names; each value is checked."""

    def checked(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _wrong(place, "is not an object")
        for name, one in value.items():
            check(one, _inside(place, name))

    return checked


def _object(known: dict[str, Check], *needed: str) -> Check:
    """An object; ``needed`` keys must be there, and those in ``known`` are checked where they are."""

    def checked(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _wrong(place, "is not an object")
        for key in needed:
            if key not in value:
                _wrong(place, f"has no {key!r}")
        for key, check in known.items():
            if key in value:
                check(value[key], _inside(place, key))

    return checked


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _judged_or_gap(judged: Check, gap: Check) -> Check:
    return lambda value, place: (gap if isinstance(value, dict) and "gap" in value else judged)(value, place)


def _system(value: Any, place: str) -> None:
    """Figures and rows of a system. The keys of further recognisers are not known beforehand."""
    _object(_SYSTEM, "title", "rows")(value, place)
    for metric in score.metrics(value):
        for key, check in ((metric.key, _or_none(_number)), (f"{metric.key}_95", _or_none(_pair(_number)))):
            _object({key: check})(value, place)
    for i, row in enumerate(value["rows"]):
        counted = [key for key in row if key.lstrip("d").startswith(("words", "characters"))]
        _object(dict.fromkeys(counted, _or_none(_pair(_number))))(row, f"{place}.rows[{i}]")


def _positive(value: Any, place: str) -> None:
    _number(value, place)
    if not value > 0:
        _wrong(place, "is not above 0")


def _pitch(value: Any, place: str) -> None:
    names = [field.name for field in fields(PitchErrors)]
    _named(_number)(value, place)
    for name in value:
        if name not in names:
            _wrong(_inside(place, name), "is no count of pitch errors")


_number = _Is((int, float), "a number")
_whole = _Is((int,), "a whole number")
_text = _Is((str,), "a text")

_MADE = _object(
    {**dict.fromkeys(("data", "date"), _text), **dict.fromkeys(("commit", "machine", "moonshine-voice"), _or_none(_text))},
    *("data", "date", "commit"),
)
_UTTERANCE = _object(
    {"name": _text, "speaker": _text, "transcript": _text, "seconds": _number}, "name", "speaker", "transcript", "seconds"
)
_ROW = _object(
    {
        "utterance": _text,
        "seconds": _number,
        "bits": _or_none(_whole),
        "hypothesis": _or_none(_text),
        "target": _or_none(_text),
        **dict.fromkeys(("f0", "f0_yaapt"), _or_none(_pitch)),
        **dict.fromkeys(
            ("sim", "converted", "dnsmos", "utmos", "distillmos", "nisqa", "estoi", "pesq", "mel_db", "loudness_lu"),
            _or_none(_number),
        ),
    },
    *("utterance", "seconds"),
)
_SYSTEM: dict[str, Check] = {
    "title": _text,
    "made": _named(_or_none(_text)),
    "counted": _text,
    "gaps": _named(_text),
    "rows": _each(_ROW),
}
_GAP = _object({"title": _text, "made": _named(_or_none(_text)), "counted": _text, "gap": _text}, "title")
_SYSTEMS = _named(_judged_or_gap(_system, _GAP))

_TIMES: dict[str, Check] = {
    "name": _text,
    "device": _text,
    "threads": _whole,
    "note": _text,
    "times_real_time": _number,
    "per_yardstick": _positive,
}
_CASE = _object(_TIMES, "name", "device", "threads", "times_real_time", "per_yardstick")
_PEER = _judged_or_gap(
    _object(_TIMES, "name", "times_real_time", "per_yardstick"), _object({"name": _text, "gap": _text}, "name")
)
_USED = _object(dict.fromkeys(("seconds", "peak_rss_mib"), _number), "seconds", "peak_rss_mib")
_COST = _object({"duration": _number, "bps": _number, "encode": _USED, "decode": _USED}, "duration", "bps", "encode", "decode")

_BPS = _object(
    {"pooled": _number, "utterances": _whole, **dict.fromkeys(("min", "median", "max"), _or_none(_number))},
    *("pooled", "utterances", "min", "median", "max"),
)
_CODER = _object(dict.fromkeys(("fixed_bps", "coded_bps"), _number), "fixed_bps", "coded_bps")
_COMPRESSOR = _object(dict.fromkeys(("files_bps", "corpus_bps"), _number), "files_bps", "corpus_bps")
_DURATION = _object(dict.fromkeys(("seconds", "bps"), _number), "seconds", "bps")
_RATED: dict[str, Check] = {
    "title": _text,
    "bits": _each(_or_none(_number)),
    "gap": _text,
    "counted": _text,
    "left_out": _text,
}
_RATES_ROW = _judged_or_gap(
    _object(_RATED, "title", "bits", "counted", "left_out"), _object(_RATED, "title", "bits", "gap", "left_out")
)


def _rates(value: Any, place: str) -> None:
    _object({"seconds": _each(_positive), "systems": _each(_RATES_ROW)}, "seconds", "systems")(value, place)
    for i, row in enumerate(value["systems"]):
        if len(row["bits"]) != len(value["seconds"]):
            _wrong(f"{place}.systems[{i}].bits", "is not as long as seconds")


# One description does for all files and for a baseline: but for "utterances" no key has two meanings.
_DOCUMENT: dict[str, Check] = {
    "made": _MADE,
    "corpus": _text,
    "systems": _SYSTEMS,
    "quality": _SYSTEMS,
    "bits": _named(_whole),
    "ratios": _named(_positive),
    "cases": _each(_CASE),
    "peers": _each(_PEER),
    "cost": _each(_COST),
    "bps": _BPS,
    "seconds": _number,
    "streams_bps": _named(_number),
    "entropy_coder": _object({"all": _CODER}, "all"),
    "compressors": _named(_COMPRESSOR),
    "by_duration": _each(_DURATION),
    "rates": _rates,
}
