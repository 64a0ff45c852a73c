"""Which file becomes which: the command line's inputs paired with their outputs, settled before any work begins."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unitcodec.audio.folders import files_below
from unitcodec.errors import UnitcodecError, is_url

STANDARD = "-"
"""Stands for standard input or standard output."""

RAW_SUFFIXES = frozenset({".pcm", ".raw", ".s16", ".sw"})
"""What ``encode --raw`` picks from a folder."""

STREAM_SUFFIXES = frozenset({".uc"})
"""What ``decode`` picks from a folder."""


class JobError(UnitcodecError):
    """The inputs and outputs asked for make no sense together; nothing was done yet."""


@dataclass(frozen=True)
class Job:
    """One file to read and one to write; either may be ``STANDARD``. ``parents``: make the folders that the target is in."""

    source: str
    target: str
    parents: bool = False


@dataclass(frozen=True)
class Direction:
    """What a command reads and what it writes: suffixes picked from folders, and the suffix that an output gets by default."""

    reads: frozenset[str]
    suffix: str


def plan(
    paths: Sequence[str],
    direction: Direction,
    output_dir: str | None = None,
    overwrite: bool = False,
    keep_suffix: bool = False,
) -> list[Job]:
    """Pair inputs with outputs.

    Without ``output_dir`` the paths are ``IN [OUT]``; with it all of them are inputs, and the files in and below a folder keep
    their relative paths below it. An output has its input's name with another suffix; with ``keep_suffix``, and where two would
    be named alike (talk.wav beside talk.flac), with one more.

    Raises:
        JobError: for instance two inputs with one output, an output that exists, a folder without ``output_dir``.
    """
    if output_dir is None:
        jobs = [_single(paths, direction, keep_suffix)]
    else:
        if Path(output_dir).suffix.lower() == direction.suffix and not os.path.isdir(output_dir):
            raise JobError(f"{output_dir}: --output-dir names a folder; the name of an output is the last argument, without -o")
        jobs = list(_several(paths, direction, Path(output_dir), keep_suffix))
    check_targets(jobs, overwrite)
    return jobs


def inputs(paths: Sequence[str], suffixes: frozenset[str] = frozenset()) -> list[str]:
    """All files that ``paths`` name, ``STANDARD`` among them at most once; of a folder those of these kinds in and below it.

    Raises:
        JobError: a folder without such files, or where no kind is asked for.
    """
    if paths.count(STANDARD) > 1:
        raise JobError("standard input can be read once")
    folders = {path for path in paths if path != STANDARD and os.path.isdir(path)}
    if folders and not suffixes:
        raise JobError(f"{next(path for path in paths if path in folders)}: is a directory; name its files")
    return [file for path in paths for file in (_below(path, suffixes) if path in folders else [path])]


def check_targets(jobs: Sequence[Job], overwrite: bool = False) -> None:
    """Raise JobError where two outputs are one, or where one exists and is not to be replaced."""
    _refuse_clashes(jobs)
    for job in jobs:
        _check_target(job, overwrite)


def _single(paths: Sequence[str], direction: Direction, keep_suffix: bool) -> Job:
    if len(paths) > 2:
        raise JobError("several inputs need --output-dir DIR (without it the arguments are IN [OUT])")
    source = paths[0]
    if source != STANDARD and os.path.isdir(source):
        raise JobError(f"{source}: is a directory; code its files with --output-dir DIR")
    if len(paths) == 2:
        target = paths[1]
        if target != STANDARD and (target == source or _same_file(source, target)):
            usual = _renamed(source, direction.suffix)
            cure = "name another output" if usual == source else f"leave the second away for {usual}"
            raise JobError(f"{source}: input and output are the same file (IN OUT); {cure}")
        if target != STANDARD and Path(target).suffix.lower() in direction.reads:
            # A shell's *.wav that matched two files must not write over the second.
            raise JobError(f"{target}: looks like another input, not like an output; several inputs need --output-dir DIR")
        return Job(source, target)
    if source == STANDARD:
        return Job(STANDARD, STANDARD)
    target = _renamed(source, direction.suffix, keep_suffix)
    if target == source:
        raise JobError(f"{source}: has the suffix of an output already; decode turns .uc into .wav, encode the other way")
    return Job(source, target)


def _several(paths: Sequence[str], direction: Direction, output_dir: Path, keep_suffix: bool) -> Iterator[Job]:
    found: list[tuple[str, str]] = []  # each file, and its place below output_dir
    for source in paths:
        if source == STANDARD:
            raise JobError("standard input has no name to keep below --output-dir; name the output instead: - OUT")
        if not os.path.isdir(source):
            found.append((source, str(output_dir / Path(source).name)))
            continue
        for file in _below(source, direction.reads):
            found.append((file, str(output_dir / Path(file).relative_to(source))))
    alike = Counter(_renamed(path, direction.suffix) for _, path in found)
    for source, path in found:
        keep = keep_suffix or alike[_renamed(path, direction.suffix)] > 1
        yield Job(source, _renamed(path, direction.suffix, keep), parents=True)


def _below(folder: str, suffixes: frozenset[str]) -> list[str]:
    try:
        found = [str(path) for path in files_below(Path(folder), suffixes)]
    except OSError as error:
        raise JobError(f"{error.filename}: {error.strerror}") from error
    if not found:
        raise JobError(f"{folder}: holds no files of the kinds {', '.join(sorted(suffixes))}")
    return found


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    seen: dict[str, str] = {}
    for job in jobs:
        if job.target == STANDARD:
            continue
        target = os.path.realpath(job.target)
        if seen.get(target) == job.source:
            raise JobError(f"{job.source}: is given twice; leave one away")
        if target in seen:
            raise JobError(f"{seen[target]} and {job.source} would both become {job.target}")
        seen[target] = job.source


def _check_target(job: Job, overwrite: bool) -> None:
    if is_url(job.target) and not is_url(job.source):  # else that is what is wrong
        raise JobError(f"{job.target}: nothing is written to URLs; write a file and upload it, or pipe '-' to what uploads")
    if job.target.endswith(("/", os.sep)):
        raise JobError(f"{job.target}: is no name of a file; to write into a folder use --output-dir {job.target}")
    if job.target == STANDARD or not os.path.lexists(job.target):
        return
    if job.source != STANDARD and _same_file(job.source, job.target):
        raise JobError(f"{job.source}: input and output are the same file")
    if os.path.isdir(job.target):
        raise JobError(f"{job.target}: is a directory; to write into it use --output-dir {job.target}")
    if os.path.isfile(job.target) and not overwrite:
        raise JobError(f"{job.target}: exists already; --overwrite replaces it")


def _renamed(path: str, suffix: str, keep: bool = False) -> str:
    return (path if keep else os.path.splitext(path)[0]) + suffix


def _same_file(first: str, second: str) -> bool:
    return os.path.exists(first) and os.path.exists(second) and os.path.samefile(first, second)
