"""What is to be coded: recordings named by a manifest, lying in a folder, or within WebDataset tars."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..audio.folders import files_below
from ..audio.suffixes import AUDIO_SUFFIXES
from ..errors import UnitcodecError, is_url
from .store import joined, open_path

PATHS = ("path", "audio_filepath", "file_name", "audio", "wav", "url")
"""Columns of a manifest that name a recording; the first that there is counts."""

IDS = ("id", "utterance_id", "utt_id", "key")
SPEAKERS = ("speaker", "speaker_id", "client_id")
TRANSCRIPTS = ("transcript", "text", "transcription", "sentence")

TEXT = ".txt"
JSON = ".json"
MOST_TEXT = 1 << 20
"""Bytes of what stands beside a recording in a tar."""

MOST_AUDIO = 1 << 33
"""Bytes of a recording in a tar, which may be compressed to next to nothing: it is copied to a temporary file."""

MOST_TARS = 1_000_000
"""That a path with braces stands for."""

MOST_HEADER = 1 << 20
"""Bytes of a header of a tar that holds a name or other facts: such are read at once."""

_BRACES = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


@dataclass(frozen=True)
class Recording:
    """Where a recording is, and what is known of it."""

    id: str
    path: str
    """A file or a URL; of a member of a tar ``TAR::MEMBER``, which is only for people."""
    speaker: str | None = None
    transcript: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the manifest says, fit for JSON."""


def read_manifest(path: str) -> list[Recording]:
    """The recordings of a manifest: .tsv, .csv, .jsonl or .json with an object a line, each also with .gz; on disk or a URL.

    A row has a path (:data:`PATHS`), relative to the manifest, and may have an id (the path by default), a speaker and a
    transcript. Raises UnitcodecError for what is none, for a row without a path and for an id that comes twice.
    """
    suffix = posixpath.splitext(path.lower().removesuffix(".gz"))[1]
    if suffix not in (".tsv", ".csv", ".jsonl", ".json"):
        raise UnitcodecError(f"{path}: is no manifest (.tsv, .csv, .jsonl), no tar and no folder")
    try:
        with open_path(path) as file, gzip.open(file) if path.lower().endswith(".gz") else file as plain:
            text = io.TextIOWrapper(plain, "utf-8-sig", newline="" if suffix in (".tsv", ".csv") else None)
            rows = _objects(text) if suffix in (".jsonl", ".json") else _rows(text, "\t" if suffix == ".tsv" else ",")
            return _unique(path, rows)
    except UnitcodecError:
        raise
    except (OSError, EOFError, ValueError, csv.Error, RecursionError) as error:
        raise UnitcodecError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Transcripts hold quotes that quote nothing.
    if delimiter == "\t":
        reader = csv.DictReader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.DictReader(text, delimiter=delimiter)
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if name is not None and value not in (None, "")}


def _objects(text: io.TextIOWrapper) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            yield number, row


def _unique(path: str, rows: Iterator[tuple[int, Mapping[str, Any]]]) -> list[Recording]:
    found, lines = list[Recording](), dict[str, int]()
    for number, row in rows:
        recording = _recording(path, number, row)
        if recording.id in lines:
            first = lines[recording.id]
            raise UnitcodecError(f"{path}: lines {first} and {number} have the same id {recording.id!r:.80}; make ids unique")
        lines[recording.id] = number
        found.append(recording)
    if not found:
        raise UnitcodecError(f"{path}: names no recordings")
    return found


def _recording(manifest: str, number: int, row: Mapping[str, Any]) -> Recording:
    rest = dict(row)
    path = _taken(rest, PATHS)
    if path is None:
        raise UnitcodecError(f"{manifest}: line {number} has none of the columns {', '.join(PATHS)}")
    identity, speaker, transcript = _taken(rest, IDS), _taken(rest, SPEAKERS), _taken(rest, TRANSCRIPTS)
    where = path if is_url(path) or os.path.isabs(path) else joined(_folder(manifest), path)
    return Recording(path if identity is None else identity, where, speaker, transcript, rest)


def _taken(row: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = row.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            del row[name]
            return str(value)
    return None


def _folder(path: str) -> str:
    return posixpath.dirname(path) if is_url(path) else os.path.dirname(os.path.abspath(path))


def read_folder(folder: str) -> list[Recording]:
    """The audio files in a folder and below it, in order; an id is the path without suffix, or with it where two are alike.

    Links are followed. Raises UnitcodecError where there are none, and for a folder that cannot be read.
    """
    try:
        found = [path.relative_to(folder).as_posix() for path in files_below(Path(folder), AUDIO_SUFFIXES)]
    except OSError as error:
        raise UnitcodecError(f"{error.filename}: {error.strerror}") from error
    if not found:
        raise UnitcodecError(f"{folder}: holds no audio files")
    stems = [posixpath.splitext(name)[0] for name in found]
    alike = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        Recording(name if stem in alike else stem, os.path.abspath(os.path.join(folder, name)))
        for name, stem in zip(found, stems, strict=True)
    ]


def expanded(path: str) -> list[str]:
    """A path with WebDataset's braces -> the paths that it stands for.

    >>> expanded("train-{08..11}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'train-11.tar']

    Raises UnitcodecError for braces that stand for nothing, and for more than :data:`MOST_TARS` paths.
    """
    counts = [int(last) - int(first) + 1 for first, last in _BRACES.findall(path)]
    if min(counts, default=1) < 1:
        raise UnitcodecError(f"{path}: its braces count down, and stand for no tar; put the smaller number first")
    if math.prod(counts) > MOST_TARS:
        raise UnitcodecError(f"{path}: stands for {math.prod(counts)} tars; {MOST_TARS} are the most")
    return _expanded(path)


def _expanded(path: str) -> list[str]:
    found = _BRACES.search(path)
    if found is None:
        return [path]
    first, last, width = int(found[1]), int(found[2]), len(found[1])
    return [
        each for n in range(first, last + 1) for each in _expanded(f"{path[: found.start()]}{n:0{width}}{path[found.end() :]}")
    ]


def is_tar(path: str) -> bool:
    """Whether it is called a tar."""
    return path.lower().partition("?")[0].endswith((".tar", ".tar.gz", ".tgz"))


class _Member(tarfile.TarInfo):
    """Header of a member. tarfile by itself takes a damaged header, and a tar that was cut off, for the end of the tar."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Raises tarfile.ReadError."""
        if bytes(buf) == bytes(tarfile.BLOCKSIZE):  # the end
            return super().frombuf(buf, encoding, errors)
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            problem = "a header in it is damaged" if len(buf) == tarfile.BLOCKSIZE else "it is cut off"
            raise tarfile.ReadError(f"{problem}; what follows is not coded") from error
        if member.type in _HEADERS and member.size > MOST_HEADER:
            raise tarfile.ReadError(f"a header in it has {member.size} bytes, more than {MOST_HEADER}; what follows is not coded")
        return member


_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
"""Kinds of members that tell of the next."""


def read_tar(path: str) -> Iterator[tuple[Recording, str | UnitcodecError]]:
    """The recordings of a WebDataset tar, one by one, and for each a temporary file that holds it until the next is asked for.

    Members that follow each other and have the same name up to the first dot of its last part belong together: one of audio,
    ``.txt`` with the transcript, ``.json`` with an object. Names are only names: nothing is written under them. For a member
    that is no audio there is no recording. In the place of the file an error stands where there is none to be coded: a key has
    audio twice, or had it further up; the member is a link, or a sparse file, which says of itself how long it is.

    Raises OSError, EOFError, tarfile.TarError, for one that is damaged or cut off, too; and whatever a URL's file system and,
    for a hostile tar, tarfile raise.
    """
    keys = set[str]()
    with (
        open_path(path) as file,
        tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as tar,
        tempfile.TemporaryDirectory() as folder,
    ):
        sample = _Sample(path, "", folder)
        try:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps all of them
                if member.isdir():
                    continue
                key, suffix = _split(member.name)
                if key != sample.key:
                    yield from sample.finished(keys)
                    sample = _Sample(path, key, folder)
                sample.add(tar, member, suffix)
        except Exception:  # what came before the damage is whole
            yield from sample.finished(keys)
            raise
        yield from sample.finished(keys)


def _split(name: str) -> tuple[str, str]:
    """The key of a member and what follows it, from the first dot of the last part on."""
    parent, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return parent + slash + stem, (dot + suffix).lower()


class _Sample:
    """Members of one key."""

    def __init__(self, tar: str, key: str, folder: str) -> None:
        self.key, self._tar, self._folder = key, tar, folder
        self._audio: list[str] = []
        self._path = ""
        self._problem = ""
        self._facts: dict[str, Any] = {}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo, suffix: str) -> None:
        kind = posixpath.splitext(f"name{suffix}")[1]
        if not member.isreg() or member.issparse():
            if kind in AUDIO_SUFFIXES:
                self._audio.append(member.name)
                self._problem = "is a link or a sparse file in the tar; make the tar with --dereference --hard-dereference"
            return
        source = tar.extractfile(member)
        assert source is not None  # of a regular file
        with closing(source):
            if kind in AUDIO_SUFFIXES:
                if member.size > MOST_AUDIO:
                    self._problem = f"has {member.size} bytes, more than {MOST_AUDIO}; name it in a manifest instead"
                else:
                    self._path = os.path.join(self._folder, f"recording{kind}")
                    with open(self._path, "wb") as file:
                        shutil.copyfileobj(source, file, 1 << 20)
                self._audio.append(member.name)
            elif suffix == TEXT and member.size <= MOST_TEXT:
                self._facts.setdefault("transcript", source.read().decode("utf-8", "replace").strip())
            elif suffix == JSON and member.size <= MOST_TEXT:
                try:
                    facts = json.loads(source.read())
                except (ValueError, RecursionError):
                    return
                self._facts = {**facts, **self._facts} if isinstance(facts, dict) else self._facts

    def finished(self, keys: set[str]) -> Iterator[tuple[Recording, str | UnitcodecError]]:
        """``keys``: of the recordings before; this one's is added."""
        if not self._audio:
            return
        problem = "two audio files have this key" if len(self._audio) > 1 else self._problem
        if self.key in keys:
            problem = "another recording of this tar has this key; members of a recording must follow each other"
        keys.add(self.key)
        facts = {name: value for name, value in self._facts.items() if name not in PATHS}
        speaker, transcript = _taken(facts, SPEAKERS), _taken(facts, TRANSCRIPTS)
        recording = Recording(self.key, f"{self._tar}::{self._audio[0]}", speaker, transcript, facts)
        yield recording, UnitcodecError(problem) if problem else self._path
        for kind in AUDIO_SUFFIXES:
            path = os.path.join(self._folder, f"recording{kind}")
            if os.path.exists(path):
                os.unlink(path)
