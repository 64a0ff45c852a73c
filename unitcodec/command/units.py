"""``unitcodec units``: speech -> what was said as integers, for corpora of units and models of spoken language."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from unitcodec.audio.suffixes import AUDIO_SUFFIXES
from unitcodec.command.jobs import STANDARD, Job, JobError, check_targets, inputs
from unitcodec.command.output import Output
from unitcodec.command.run import (
    PATH,
    Outcome,
    Work,
    check_stdout,
    conclude,
    jobs_option,
    loader,
    model_options,
    outcomes,
    output_options,
    progress,
    recursive_option,
    say,
    source_name,
    stdin,
)

if TYPE_CHECKING:
    from unitcodec.codec import Codec
    from unitcodec.formats.unit_files import UnitEntry

SUFFIXES = (".jsonl", ".npz")

Numbered = tuple[int, str]
"""Which input it is, and its name."""


class _Nothing(Exception):
    """Not one input could be coded: no output is better than an empty one."""


class _Sink(Protocol):
    """Takes entries; ``count`` of them so far."""

    count: int

    def add(self, entry: UnitEntry) -> None: ...

    def finish(self) -> None: ...


@click.command()
@recursive_option
@click.option(
    "-o", "--out", metavar="FILE", default=STANDARD, type=PATH, help="FILE.jsonl or FILE.npz; standard output by default."
)
@click.option("--dedup", is_flag=True, help="Runs of equal units as one, with their durations in frames beside.")
@click.option("--no-f0", is_flag=True, help="Leave F0 away.")
@click.option("--no-speaker", is_flag=True, help="Leave the speaker code away.")
@click.option("--salvage", is_flag=True, help="Code what there is of a file that is damaged or cut short.")
@jobs_option
@model_options
@output_options
@click.argument("paths", metavar="IN...", nargs=-1, required=True, type=PATH)
def units(
    paths: tuple[str, ...],
    out: str,
    dedup: bool,
    no_f0: bool,
    no_speaker: bool,
    salvage: bool,
    processes: int,
    overwrite: bool,
    model: str,
    device: str,
    quiet: bool,
) -> int:
    """Turn speech into units, a JSON object a line.

    IN are audio files, or folders with such in and below them; - is standard input. An object holds audio (the path as given),
    units (a list of integers, or a list of rows for a model with several codebooks), f0, speaker, num_samples, model (its
    fingerprint) and frame_rate (Hz). 'unitcodec resynth' speaks them.
    """
    for path in paths:
        if Path(path).suffix.lower() in SUFFIXES:
            raise JobError(f"{path}: looks like an output, not like audio; write --out {path}")
    sources = inputs(paths, AUDIO_SUFFIXES)
    _check_out(out, overwrite)
    if processes > 1 and len(sources) > 1 and STANDARD in sources:
        raise JobError("standard input is read by one process; leave --jobs away")
    items = list(enumerate(sources))
    prepare = partial(_coder, (model, device), salvage, (dedup, no_f0, no_speaker), quiet)
    status = 1
    with contextlib.suppress(_Nothing), Output(out, overwrite=overwrite) as output:
        sink: _Sink = _Archive(output) if Path(out).suffix.lower() == ".npz" else _Lines(output)
        coded = _collected(outcomes(items, prepare, _name, min(processes, len(items))), sink)
        status = conclude(coded, _name, quiet)
        if not sink.count:
            raise _Nothing
        sink.finish()
    return status


def _check_out(out: str, overwrite: bool) -> None:
    if out != STANDARD and Path(out).suffix.lower() not in SUFFIXES:
        raise JobError(f"{out}: units are written as {' or '.join(SUFFIXES)}")
    check_targets([Job(STANDARD, out)], overwrite)
    check_stdout([Job(STANDARD, out)], text=True)


def _collected(outcomes: Iterable[tuple[Numbered, Outcome]], sink: _Sink) -> Iterator[tuple[Numbered, Outcome]]:
    """The outcomes, in the order of the inputs, whose entries are in ``sink`` now."""
    early: dict[int, tuple[Numbered, Outcome]] = {}
    turn = 0
    for item, outcome in outcomes:
        early[item[0]] = item, outcome
        while turn in early:
            following = early.pop(turn)
            if following[1].done:
                sink.add(following[1].result)
            yield following
            turn += 1


def _name(item: Numbered) -> str:
    return source_name(item[1])


def _coder(model: tuple[str, str], salvage: bool, shape: tuple[bool, bool, bool], quiet: bool) -> Work[Numbered]:
    return partial(_shaped, loader(*model), salvage, shape, quiet)


def _shaped(load: Callable[[], Codec], salvage: bool, shape: tuple[bool, bool, bool], quiet: bool, item: Numbered) -> UnitEntry:
    dedup, no_f0, no_speaker = shape
    entry = _code(item[1], load, salvage, quiet)
    entry = replace(entry, f0=None if no_f0 else entry.f0, speaker=None if no_speaker else entry.speaker)
    return entry.collapsed() if dedup else entry


def _code(source: str, load: Callable[[], Codec], salvage: bool, quiet: bool) -> UnitEntry:
    from unitcodec.audio import SAMPLE_RATE, open_reader
    from unitcodec.formats.unit_files import UnitEntry

    with open_reader(stdin() if source == STANDARD else source, source_name(source), salvage=salvage) as reader:
        codec = load()
        begin = time.perf_counter()
        codes = codec.encode_blocks(progress(reader, reader.duration, source, quiet))
    if not quiet:
        seconds = codes.num_samples / SAMPLE_RATE
        speed = seconds / (time.perf_counter() - begin)
        say(f"{source_name(source)}: {seconds:.2f} s, {codes.units.shape[1]} frames, {speed:.1f} x real time")
    return UnitEntry.of(codes, SAMPLE_RATE / codec.model.entropy.spec.unit_hop, source)


class _Lines:
    """JSONL, each line as soon as its file is done."""

    def __init__(self, output: Output) -> None:
        self.output, self.count = output, 0

    def add(self, entry: UnitEntry) -> None:
        from unitcodec.formats.unit_files import to_json

        self.count += 1
        self.output.write(to_json(entry).encode("ascii") + b"\n")

    def finish(self) -> None:
        pass


class _Archive:
    """One ``.npz`` when all files are done."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.entries: list[UnitEntry] = []
        self.count = 0

    def add(self, entry: UnitEntry) -> None:
        self.entries.append(entry)
        self.count += 1

    def finish(self) -> None:
        from unitcodec.formats.unit_files import to_npz

        self.output.write(to_npz(self.entries))
