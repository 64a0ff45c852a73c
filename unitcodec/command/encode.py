"""``unitcodec encode``: speech -> .uc files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

import unitcodec
from unitcodec.audio.raw import ENCODINGS, RawFormat
from unitcodec.audio.suffixes import AUDIO_SUFFIXES
from unitcodec.command.clock import clock
from unitcodec.command.coding import RESUMES, Coding, coding_options
from unitcodec.command.jobs import RAW_SUFFIXES, STANDARD, Direction, Job, JobError
from unitcodec.command.journal import Journal
from unitcodec.command.live import LiveOptions, asked_for, live_options
from unitcodec.command.output import Output
from unitcodec.command.run import Work, effort_option, loader, progress, say, source_name, stdin, summarize
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from unitcodec.audio import Samples
    from unitcodec.base import FileEncoder
    from unitcodec.codec import Codec


def _positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above 0")
    return value


@click.command()
@coding_options
@click.option(
    "-b", "--bitrate", type=float, callback=_positive, metavar="BPS",
    help="Bit/s of the whole file, for fewer than speech takes by itself: met within a minute, from about 170 up.",
)  # fmt: skip
@effort_option
@click.option("--resume", is_flag=True, help="Go on where an interrupted run ended, also within a file; leave out what is done.")
@live_options
@click.option("--salvage", is_flag=True, help="Code what there is of a file that is damaged or cut short.")
@click.option("--raw", is_flag=True, help="IN is bare samples: say their --rate, --channels and --format.")
@click.option("--rate", type=click.IntRange(1, 1 << 20), metavar="HZ", help="Sample rate of --raw.")
@click.option("--channels", type=click.IntRange(1, 1024), metavar="N", help="Channels of --raw, interleaved.  [default: 1]")
@click.option("--format", "encoding", type=click.Choice(list(ENCODINGS)), help="Samples of --raw.  [default: s16le]")
def encode(
    coding: Coding,
    bitrate: float | None,
    effort: int,
    resume: bool,
    live: bool,
    packet: str | None,
    cbr: int | None,
    dtx: bool,
    fec: str | None,
    salvage: bool,
    raw: bool,
    rate: int | None,
    channels: int | None,
    encoding: str | None,
) -> int:
    """Compress speech: WAV, FLAC, Ogg, Opus, MP3, MP4, WebM and more, from 8 kHz up, mixed to mono.

    OUT is IN with the suffix .uc by default; - is standard input or output. From a pipe, WAV and --raw samples are coded as they
    come, and each packet is written when it is ready; other kinds are copied to a temporary file first.

    A file's first packet waits for 8 s of speech. With --live the first leaves after half a second, and -b is the most that
    packets take, 450 bit/s by default, and 550 or 650 with --fec.
    """
    options = asked_for(live, packet, cbr, dtx, fec, bitrate)
    if effort and live:
        raise JobError("--effort is about files; live packets cannot wait for it")
    if resume and live:
        raise JobError("--resume goes on with files; live packets are gone when a run ends")
    if resume and STANDARD in coding.paths:
        raise JobError("--resume goes on with files; what came through a pipe does not come again")
    if resume and not coding.overwrite:
        coding = replace(coding, skip_existing=True)
    samples = _raw_format(raw, rate, channels, encoding)
    jobs = coding.jobs(Direction(reads=RAW_SUFFIXES if raw else AUDIO_SUFFIXES, suffix=".uc"))
    model = coding.model, coding.device
    prepare = partial(_encoder, model, samples, salvage, coding.overwrite, coding.quiet, bitrate, effort, options, resume)
    return coding.run(jobs, prepare, "--resume")


def _raw_format(raw: bool, rate: int | None, channels: int | None, encoding: str | None) -> RawFormat | None:
    if not raw:
        if (rate, channels, encoding) != (None, None, None):
            raise JobError("--rate, --channels and --format tell what --raw samples are; other files tell it themselves")
        return None
    if rate is None:
        raise JobError("--raw needs --rate HZ")
    return RawFormat(rate, channels or 1, encoding or "s16le")


def _encoder(model: tuple[str, str], *options: Any) -> Work[Job]:
    return partial(_encode_one, loader(*model), *options)


def _encode_one(
    load: Callable[[], Codec],
    raw: RawFormat | None,
    salvage: bool,
    overwrite: bool,
    quiet: bool,
    bitrate: float | None,
    effort: int,
    live: LiveOptions | None,
    resume: bool,
    job: Job,
) -> None:
    from unitcodec.audio import open_reader

    source, name = stdin() if job.source == STANDARD else job.source, source_name(job.source)
    with (
        Journal(job.source, job.target) as journal,
        open_reader(source, name, raw, salvage) as reader,
        Output(job.target, job.parents, overwrite) as output,
    ):
        codec = load()
        begin, size, before = time.perf_counter(), 0, 0
        blocks = progress(reader, reader.duration, job.source, quiet)
        if live:
            pieces = live.packets(codec, blocks, bitrate)
        else:
            about = {"unitcodec": unitcodec.__version__, "model": codec.model.entropy.fingerprint, "--bitrate": bitrate}
            about |= {"--effort": effort, "--salvage": salvage, "--raw": repr(raw)}
            done, checkpoint = journal.begin(about, resume)
            if checkpoint is not None:
                before = checkpoint.packets * codec.model.entropy.spec.packet_samples
                if not quiet:
                    say(f"{name}: goes on after {clock(before / codec.sample_rate)}, coded before")
            try:
                encoder = codec.encoder(bitrate=bitrate, resume=checkpoint, effort=effort)
            except UnitcodecError:
                raise
            except ValueError as error:
                raise UnitcodecError("what an interrupted run has left is damaged; without --resume it is coded anew") from error
            pieces = _journaled(encoder, blocks, journal, done)
        try:
            for data in pieces:
                output.write(data)
                size += len(data)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(*([RESUMES.format("--resume")] if journal.kept else [])) from error
    if not quiet:
        summarize(job, reader.num_samples, size, time.perf_counter() - begin, before)


def _journaled(encoder: FileEncoder, blocks: Iterable[Samples], journal: Journal, done: bytes) -> Iterator[bytes]:
    """The bytes of a file of which ``done`` were given before."""
    yield done
    for block in blocks:
        data = b"".join(encoder.push(block))
        yield data
        journal.add(data, encoder.checkpoint)
    yield b"".join(encoder.flush())
