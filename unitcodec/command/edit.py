"""``unitcodec cut`` and ``unitcodec join``: .uc files parted and put together at packet borders, nothing decoded."""

from __future__ import annotations

import os
import re

import click

from unitcodec.command.clock import clock
from unitcodec.command.decode import part_options
from unitcodec.command.jobs import STANDARD, Job, JobError, check_targets, inputs
from unitcodec.command.output import Output
from unitcodec.command.run import PATH, check_stdout, each, output_options, say, source_name
from unitcodec.command.stream import read_stream
from unitcodec.errors import UnitcodecError


@click.command()
@part_options
@output_options
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT", type=PATH)
def cut(source: str, target: str, start: float, duration: float | None, overwrite: bool, quiet: bool) -> int:
    """Take part of a .uc file as a file of its own: the packets, of 2.56 s, that hold it."""
    if not start and duration is None:
        raise click.UsageError("give --start TIME, --duration TIME or both")
    job = Job(source, target)
    check_targets([job], overwrite)
    check_stdout([job])
    return each([job], lambda job: _cut(job, start, duration, overwrite, quiet), lambda job: source_name(job.source))


def _cut(job: Job, start: float, duration: float | None, overwrite: bool, quiet: bool) -> None:
    import bitstream
    from bitstream.entropy.spec import SAMPLE_RATE

    data = read_stream(job.source)
    reader = bitstream.PacketReader(data)
    packets = sum(1 for _ in reader.slots())
    size, total = reader.entropy.spec.packet_samples, reader.num_samples or 0
    begin = round(start * SAMPLE_RATE)
    if begin >= total:
        raise UnitcodecError(f"ends at {clock(total / SAMPLE_RATE)}; --start {clock(start)} is not in it")
    first, stop = begin // size, packets
    if duration is not None:
        stop = min(packets, max(first + 1, -(-(begin + round(duration * SAMPLE_RATE)) // size)))
    piece = bitstream.cut(data, first, stop)
    with Output(job.target, overwrite=overwrite) as output:
        output.write(piece)
    if not quiet:
        ends = [clock(each / SAMPLE_RATE) for each in (first * size, min(stop * size, total))]
        say(f"{source_name(job.source)} -> {_shown(job.target)}: {ends[0]} to {ends[1]}, {len(piece)} bytes")


@click.command()
@click.option(
    "-o", "--out", metavar="FILE", default=STANDARD, type=PATH, help="The .uc file to write; standard output by default."
)
@output_options
@click.argument("paths", metavar="IN...", nargs=-1, required=True, type=PATH)
def join(paths: tuple[str, ...], out: str, overwrite: bool, quiet: bool) -> int:
    """Put .uc files together, one after another: parts of one recording, as 'unitcodec cut' makes them.

    All must be of one model and one speaker code, and all but the last must end where a packet does.
    """
    if out == STANDARD and len(paths) > 1 and not os.path.lexists(paths[-1]) and paths[-1] != STANDARD:
        raise JobError(f"{paths[-1]}: no such file; if it is the output, write --out {paths[-1]}")
    sources = inputs(paths)
    for source in sources:
        check_targets([Job(source, out)], overwrite)
    check_stdout([Job(STANDARD, out)])
    return each([sources], lambda sources: _join(sources, out, overwrite, quiet), lambda sources: "")


def _join(sources: list[str], out: str, overwrite: bool, quiet: bool) -> None:
    import bitstream

    names = [source_name(source) for source in sources]
    reading = ""
    streams = []
    try:
        for source, name in zip(sources, names, strict=True):
            reading = f"{name}: "
            streams.append(read_stream(source))
            bitstream.cut(streams[-1], 0, 0)  # sound?
        reading = ""
        whole = bitstream.join(streams)
    except bitstream.BitstreamError as error:
        # It counts them, and here they have names.
        text = re.sub(r"\bstream (\d+)", lambda found: names[int(found[1])], str(error))
        raise UnitcodecError(reading + text) from error
    with Output(out, overwrite=overwrite) as output:
        output.write(whole)
    if not quiet:
        say(f"{len(sources)} file{'s' * (len(sources) > 1)} -> {_shown(out)}: {len(whole)} bytes")


def _shown(target: str) -> str:
    return "standard output" if target == STANDARD else target
