"""What every judge says of one decoded utterance, remembered by content so that nothing is judged twice."""

from __future__ import annotations

import hashlib
import json
import warnings
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import files
from benchmarks.metrics import asr, intrusive, loudness, mel, moonshine, mos, naturalness, pitch, speaker, text
from benchmarks.waveform import FloatArray, read, to_int16


@dataclass(frozen=True)
class Pair:
    """A recording, its decoded waveform (T,) of the same length, and the folder where judgements are kept."""

    reference: Path
    decoded: FloatArray
    memory: Path


@dataclass(frozen=True)
class Judge:
    """A named judgement of a pair and the packages it needs.

    ``revision`` counts up when the judgement itself changes, so that remembered values of the old one are not used.
    ``lacking`` says what else is not there, such as weights; it is asked only where the packages are. ``weights`` is a package
    of which only files are read: it is not imported. ``kind`` says whether a remembered value can be one of this judge's: what
    it refuses is judged anew.
    """

    name: str
    packages: tuple[str, ...]
    judge: Callable[[Pair], Any]
    revision: int = 1
    lacking: Callable[[], str | None] = lambda: None
    weights: str = ""
    kind: Callable[[Any], bool] = lambda value: True

    def gap(self) -> str | None:
        """Why this judge cannot work here; None where it can."""
        missing = _missing(self.packages)
        return "not installed: " + ", ".join(missing) if missing else _broken(self.packages) or self.lacking()

    def key(self) -> str:
        """Name, revision and the version of the judging package or weights: values under another key are another judge's."""
        return f"{self.name}/{self.revision}/{_version(self.weights or self.packages[0])}"


def _missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(package for package in packages if find_spec(package) is None)


@lru_cache(maxsize=64)
def _broken(packages: tuple[str, ...]) -> str | None:
    """What keeps installed packages from being imported, such as one of theirs that is not there; else None."""
    for package in packages:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of names that a package should no longer use
                import_module(package)
        except ImportError as error:
            return " ".join(f"{package} cannot be imported: {error}".split())
    return None


@lru_cache(maxsize=64)
def _version(package: str) -> str:
    names = packages_distributions().get(package, [package])
    return f"{names[0]}-{version(names[0])}"


def _pitch_errors(pair: Pair, tracker: Callable[[FloatArray], FloatArray], name: str) -> dict[str, Any]:
    """By the judge ``name``. The reference's track is kept: it is the same for every system, in whichever process."""
    reference = read(pair.reference)
    key = next(judge for judge in JUDGES if judge.name == name).key().replace("/", "-")
    file = pair.memory / "tracks" / f"{_digest(reference)}.{key}.npy"
    wanted = files.remembered_array(file, lambda: tracker(reference), pitch.FRAMES[name](len(reference)))
    # The original is one of the systems.
    given = wanted if np.array_equal(pair.decoded, reference) else tracker(pair.decoded)
    return asdict(pitch.compare(wanted, given))


@lru_cache(maxsize=4096)
def _loudness(path: Path) -> float:
    return loudness.loudness(read(path))


def _embedding(decoded: FloatArray) -> list[float]:
    return [round(float(value), 5) for value in speaker.embed(decoded)]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_or_none(value: Any) -> bool:
    return value is None or _number(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_number, value))


def _counts(value: Any) -> bool:
    names = {field.name for field in fields(pitch.PitchErrors)}
    return isinstance(value, dict) and value.keys() == names and all(map(_number, value.values()))


# What stands between the package and the value, such as unitcodec's log-mel or its call of YAAPT, has no version in the
# key: a change there raises the revision.
JUDGES = (
    Judge(
        "asr",
        (*moonshine.PACKAGES, *text.PACKAGES),
        lambda pair: asr.transcribe(pair.decoded),
        revision=3,
        lacking=moonshine.gap,
        weights=moonshine.WEIGHTS,
        kind=_text,
    ),
    Judge("speaker", speaker.PACKAGES, lambda pair: _embedding(pair.decoded), kind=_numbers),
    Judge("dnsmos", mos.PACKAGES, lambda pair: mos.dnsmos(pair.decoded), kind=_number),
    Judge(
        "utmos",
        naturalness.UTMOS_PACKAGES,
        lambda pair: naturalness.utmos(pair.decoded),
        lacking=naturalness.utmos_gap,
        kind=_number,
    ),
    Judge("distillmos", naturalness.DISTILLMOS_PACKAGES, lambda pair: naturalness.distillmos(pair.decoded), kind=_number),
    Judge(
        "nisqa",
        naturalness.NISQA_PACKAGES,
        lambda pair: naturalness.nisqa(pair.decoded),
        lacking=naturalness.nisqa_gap,
        kind=_number,
    ),
    Judge("f0", pitch.PACKAGES, lambda pair: _pitch_errors(pair, pitch.track, "f0"), revision=2, kind=_counts),
    Judge("f0_yaapt", pitch.YAAPT_PACKAGES, lambda pair: _pitch_errors(pair, pitch.yaapt, "f0_yaapt"), kind=_counts),
    Judge(
        "estoi", intrusive.ESTOI_PACKAGES, lambda pair: intrusive.estoi(read(pair.reference), pair.decoded), kind=_number_or_none
    ),
    Judge("pesq", intrusive.PESQ_PACKAGES, lambda pair: intrusive.pesq(read(pair.reference), pair.decoded), kind=_number_or_none),
    Judge("mel_db", mel.PACKAGES, lambda pair: mel.distance(read(pair.reference), pair.decoded), kind=_number),
    Judge("loudness", loudness.PACKAGES, lambda pair: loudness.loudness(pair.decoded) - _loudness(pair.reference), kind=_number),
)


TEACHER = " (a teacher)"
"""Behind the name of a recogniser that teaches content encoders: its figures say nothing of a model that learned from it."""


@lru_cache(maxsize=4)
def extra(recogniser: str | None) -> tuple[Judge, ...]:
    """The judge ``asr_NAME`` of a transformers checkpoint, a name in the local cache or a folder; none for None.

    NAME is the last part of ``recogniser``, with :data:`TEACHER` behind it if it is Whisper: so every row, key and column that
    it fills says it. What it heard is remembered under the checkpoint's files: another is another judge.
    """
    if recogniser is None:
        return ()
    folder = None if _missing(asr.TRANSFORMERS) else asr.checkpoint(recogniser)
    last = (Path(recogniser).resolve() if Path(recogniser).is_dir() else Path(recogniser)).name
    name = f"asr_{last}{TEACHER if folder and asr.is_whisper(folder) else ''}"
    files = sorted(folder.iterdir()) if folder else []
    stats = repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    return (
        Judge(
            name,
            (*asr.TRANSFORMERS, *text.PACKAGES),
            lambda pair: asr.transcribe_with(folder or Path(recogniser), pair.decoded),
            revision=zlib.crc32(stats.encode()),
            lacking=lambda: absent(recogniser),
            kind=_text,
        ),
    )


def absent(recogniser: str | None) -> str | None:
    """That a transformers checkpoint is not here; None if it is, if none is wanted, or if nothing here could read it."""
    if recogniser is None or _missing(asr.TRANSFORMERS) or asr.checkpoint(recogniser) is not None:
        return None
    return f"weights not found: {recogniser} is neither a folder of them nor in the local Hugging Face cache"


def warning(recogniser: str | None) -> str | None:
    """What speaks against a transformers checkpoint as a judge; None if nothing does, or if it is not here."""
    folder = None if recogniser is None or _missing(asr.TRANSFORMERS) else asr.checkpoint(recogniser)
    if folder is None or not asr.is_whisper(folder):
        return None
    return f"warning: {recogniser} is Whisper, a teacher: its error rates say nothing of a model that learned from it"


def gaps(extra: Sequence[Judge] = ()) -> dict[str, str]:
    """Judges that cannot work here, and why."""
    return {judge.name: gap for judge in (*JUDGES, *extra) if (gap := judge.gap())}


def judge_pair(
    reference: Path, decoded: FloatArray, memory: Path, names: Collection[str] | None = None, extra: Sequence[Judge] = ()
) -> dict[str, Any]:
    """Every available judge's value for ``decoded``, as long as the file ``reference``, against it, by the judge's name.

    With ``names``, only those of :data:`JUDGES` are put to work; what the others have said before is still returned. Those
    in ``extra`` always are. Values live in ``memory`` as one JSON file for each pair of waveforms, named by the hash of their
    16-bit samples.
    """
    pair = Pair(reference, decoded, memory)
    file = memory / f"{_digest(read(reference), decoded)}.json"
    available = [judge for judge in (*JUDGES, *extra) if judge.gap() is None]
    known = _remembered(file, available)
    for judge in available:
        if judge.key() not in known and (names is None or judge.name in names or judge in extra):
            value = judge.judge(pair)
            # Read again: another process may have remembered something meanwhile.
            known = {**known, **_remembered(file, available), judge.key(): value}
            files.write_text(file, json.dumps(known))
    return {judge.name: known[judge.key()] for judge in available if judge.key() in known}


def _remembered(file: Path, judges: Collection[Judge]) -> dict[str, Any]:
    """What ``file`` holds, but for values that cannot be of these judges."""
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):  # not there, cut short by a machine that went down, or another's
        return {}
    if not isinstance(known, dict):
        return {}
    kinds = {judge.key(): judge.kind for judge in judges}
    return {key: value for key, value in known.items() if key not in kinds or kinds[key](value)}


def _digest(*waveforms: FloatArray) -> str:
    digest = hashlib.sha256()
    for waveform in waveforms:
        digest.update(len(waveform).to_bytes(8, "little") + to_int16(waveform).astype("<i2").tobytes())
    return digest.hexdigest()[:32]
