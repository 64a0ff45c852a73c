"""What every judge says of one decoded utterance, remembered by content so that nothing is judged twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.metrics import asr, loudness, mos, pitch, speaker
from benchmarks.waveform import FloatArray, read, to_int16


@dataclass(frozen=True)
class Judge:
    """A named judgement of ``(reference path, decoded (T,))`` and the packages it needs.

    ``revision`` counts up when the judgement itself changes, so that remembered values of the old one are not used.
    """

    name: str
    packages: tuple[str, ...]
    judge: Callable[[Path, FloatArray], Any]
    revision: int = 1

    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed here."""
        return tuple(package for package in self.packages if find_spec(package) is None)

    def key(self) -> str:
        """Name, revision and the version of the judging package: values under another key are another judge's."""
        return f"{self.name}/{self.revision}/{_version(self.packages[0])}"


@lru_cache(maxsize=64)
def _version(package: str) -> str:
    names = packages_distributions().get(package, [package])
    return f"{names[0]}-{version(names[0])}"


# The reference side of a comparison is worked out once a process, whichever systems follow.
@lru_cache(maxsize=4096)
def _embedding(path: Path) -> FloatArray:
    return speaker.embed(read(path))


@lru_cache(maxsize=4096)
def _track(path: Path) -> FloatArray:
    return pitch.track(read(path))


@lru_cache(maxsize=4096)
def _loudness(path: Path) -> float:
    return loudness.loudness(read(path))


JUDGES = (
    Judge("asr", asr.PACKAGES, lambda path, decoded: asr.transcribe(decoded), revision=2),
    Judge("sim", speaker.PACKAGES, lambda path, decoded: speaker.cosine(_embedding(path), speaker.embed(decoded))),
    Judge("dnsmos", mos.PACKAGES, lambda path, decoded: mos.dnsmos(decoded)),
    Judge("f0", pitch.PACKAGES, lambda path, decoded: asdict(pitch.compare(_track(path), pitch.track(decoded)))),
    Judge("loudness", loudness.PACKAGES, lambda path, decoded: loudness.loudness(decoded) - _loudness(path)),
)


def gaps() -> dict[str, str]:
    """Judges that cannot work here, and the packages they miss."""
    return {judge.name: "not installed: " + ", ".join(judge.missing()) for judge in JUDGES if judge.missing()}


def judge_pair(reference: Path, decoded: FloatArray, memory: Path, names: Collection[str] | None = None) -> dict[str, Any]:
    """Every available judge's value for ``decoded`` against the file ``reference``, by the judge's name.

    With ``names``, only those judges are put to work; what the others have said before is still returned. Values live in
    ``memory`` as one JSON file for each pair of waveforms, named by the hash of their 16-bit samples.
    """
    digest = hashlib.sha256()
    for waveform in (read(reference), decoded):
        digest.update(len(waveform).to_bytes(8, "little") + to_int16(waveform).astype("<i2").tobytes())
    file = memory / f"{digest.hexdigest()[:32]}.json"
    known = _remembered(file)
    available = [judge for judge in JUDGES if not judge.missing()]
    for judge in available:
        if judge.key() not in known and (names is None or judge.name in names):
            value = judge.judge(reference, decoded)
            # Read again: another process may have remembered something meanwhile.
            known = {**_remembered(file), judge.key(): value}
            _replace(file, json.dumps(known))
    return {judge.name: known[judge.key()] for judge in available if judge.key() in known}


def _remembered(file: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return known


def _replace(file: Path, text: str) -> None:
    """Write a whole file or nothing, also when several processes write it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(text)
    part.replace(file)
