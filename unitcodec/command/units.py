"""``unitcodec units``: speech -> what was said as integers, for corpora of units and models of spoken language."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from unitcodec.command.jobs import AUDIO_SUFFIXES, STANDARD, Job, JobError, check_targets, inputs
from unitcodec.command.output import Output, OutputError
from unitcodec.command.run import (
    PATH,
    CannotGoOn,
    check_stdout,
    each,
    loader,
    model_options,
    output_options,
    progress,
    say,
    source_name,
    stdin,
)

if TYPE_CHECKING:
    from unitcodec.codec import Codec
    from unitcodec.units import UnitEntry

SUFFIXES = (".jsonl", ".npz")


class _Nothing(Exception):
    """Not one input could be coded: no output is better than an empty one."""


class _Sink(Protocol):
    def add(self, entry: UnitEntry) -> None: ...

    def finish(self) -> None: ...


@click.command()
@click.option("-r", "--recursive", is_flag=True, help="Take the files of folders and of the folders in them.")
@click.option("--out", metavar="FILE", default=STANDARD, type=PATH, help="FILE.jsonl or FILE.npz; standard output by default.")
@click.option("--dedup", is_flag=True, help="Runs of equal units as one, with their durations in frames beside.")
@click.option("--no-f0", is_flag=True, help="Leave F0 away.")
@click.option("--no-speaker", is_flag=True, help="Leave the speaker code away.")
@model_options
@output_options
@click.argument("paths", metavar="IN...", nargs=-1, required=True, type=PATH)
def units(
    paths: tuple[str, ...],
    out: str,
    recursive: bool,
    dedup: bool,
    no_f0: bool,
    no_speaker: bool,
    overwrite: bool,
    model: str,
    device: str,
    quiet: bool,
) -> int:
    """Turn speech into units, a JSON object a line.

    IN are audio files, or folders of them with --recursive; - is standard input. An object holds audio (the path as given),
    units (a list of integers, or a list of rows for a model with several codebooks), f0, speaker, num_samples, model (its
    fingerprint) and frame_rate (Hz). 'unitcodec resynth' speaks them.
    """
    sources = inputs(paths, AUDIO_SUFFIXES, recursive)
    _check_out(out, overwrite)
    load = loader(model, device)
    status = 1

    def shaped(entry: UnitEntry) -> UnitEntry:
        entry = replace(entry, f0=None if no_f0 else entry.f0, speaker=None if no_speaker else entry.speaker)
        return entry.collapsed() if dedup else entry

    with contextlib.suppress(_Nothing), Output(out, overwrite=overwrite) as output:
        sink: _Sink = _Archive(output) if Path(out).suffix.lower() == ".npz" else _Lines(output)
        done: list[str] = []

        def work(source: str) -> None:
            entry = shaped(_code(source, load, quiet))
            try:
                sink.add(entry)
            except OutputError as error:
                raise CannotGoOn(str(error)) from error
            done.append(source)

        status = each(sources, work, source_name, quiet)
        if not done:
            raise _Nothing
        sink.finish()
    return status


def _check_out(out: str, overwrite: bool) -> None:
    if out != STANDARD and Path(out).suffix.lower() not in SUFFIXES:
        raise JobError(f"{out}: units are written as {' or '.join(SUFFIXES)}")
    check_targets([Job(STANDARD, out)], overwrite)
    check_stdout([Job(STANDARD, out)], text=True)


def _code(source: str, load: Callable[[], Codec], quiet: bool) -> UnitEntry:
    from unitcodec.audio import SAMPLE_RATE, open_reader
    from unitcodec.units import UnitEntry

    with open_reader(stdin() if source == STANDARD else source, source_name(source)) as reader:
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
        self.output = output

    def add(self, entry: UnitEntry) -> None:
        from unitcodec.units import to_json

        self.output.write(to_json(entry).encode("ascii") + b"\n")

    def finish(self) -> None:
        pass


class _Archive:
    """One ``.npz`` when all files are done."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.entries: list[UnitEntry] = []

    def add(self, entry: UnitEntry) -> None:
        self.entries.append(entry)

    def finish(self) -> None:
        from unitcodec.units import to_npz

        self.output.write(to_npz(self.entries))
