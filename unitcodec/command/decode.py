"""``unitcodec decode``: .uc files -> speech, whole or in part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from unitcodec.command.clock import clock, length, seconds
from unitcodec.command.coding import Coding, coding_options
from unitcodec.command.jobs import STANDARD, STREAM_SUFFIXES, Direction, Job
from unitcodec.command.live import LiveSpeech
from unitcodec.command.opener import Opener, model_was_asked_for
from unitcodec.command.output import Output
from unitcodec.command.run import Work, progress, say, source_name, stdin, summarize
from unitcodec.command.sound import RAW, WAV, kind_of, write_sound
from unitcodec.command.stream import Checked, read_checked, read_stream, started
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from bitstream import OnError
    from unitcodec.audio import Samples

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Part:
    """What is to be heard of a stream, in seconds, and what to do about damage and about one that is too long."""

    start: float = 0.0
    duration: float | None = None
    on_error: OnError = "strict"
    max_seconds: float | None = None

    @property
    def whole(self) -> bool:
        return not self.start and self.duration is None

    def read(self, source: str) -> Checked:
        """The stream. What is wrong with it is told here if all of it is wanted, and else where it is in the way."""
        if self.whole:
            return read_checked(source, self.on_error, self.max_seconds)
        return Checked(read_stream(source, any_bytes=self.on_error == "salvage"))


def part_options(command: Command) -> Command:
    """The options ``--start`` and ``--duration``."""
    for add in (
        click.option("--duration", callback=length, metavar="TIME", help="So much of it; up to the end by default."),
        click.option("--start", callback=seconds, default="0", metavar="TIME", help="Begin there: seconds, 12:30 or 1:02:03.5."),
    ):
        command = add(command)
    return command


class Speech:
    """Blocks of the samples that a stream, or part of it, decodes to.

    Attributes:
        num_samples: how many; None if only the end of a pipe will tell.
        reader: of the stream.
    """

    def __init__(self, name: str, stream: Checked | BinaryIO, opener: Opener, part: Part) -> None:
        """``name`` is for messages. Raises what ``Opener.open`` does, Damaged, and UnitcodecError for a part behind the end."""
        data = stream.data if isinstance(stream, Checked) else stream
        self.codec, self.reader = opener.open(data, part.on_error, part.max_seconds)
        self.name, self.part, self.num_samples = name, part, None
        self._told = 0  # packets whose loss was told before
        if not isinstance(stream, Checked):
            return
        if stream.num_samples is None:
            self._walk()
        else:
            self.reader.num_samples = stream.num_samples
        if not self.reader.num_samples and part.on_error == "salvage" and stream.data:
            raise UnitcodecError("nothing of it can be salvaged: no packet is sound, or it is no unitcodec stream")
        left = (self.reader.num_samples or 0) - round(part.start * self.codec.sample_rate)
        if part.start and left <= 0:
            raise UnitcodecError(f"ends at {clock(self.reader.duration or 0.0)}; --start {clock(part.start)} is not in it")
        self.num_samples = left if part.duration is None else min(left, round(part.duration * self.codec.sample_rate))

    def _walk(self) -> None:
        """To the end, which tells the exact length, and back."""
        from bitstream import Damaged

        try:
            lost = sum(slot.payload is None for slot in self.reader.slots())
        except Damaged as error:
            raise Damaged(f"{error}; --conceal or --salvage plays what is there") from error
        self._told = lost if self.part.whole else 0
        self.reader.seek(0)

    @property
    def size(self) -> int:
        """Bytes of the stream so far."""
        return self.reader.offset

    @property
    def spoken(self) -> int:
        """Samples; of a pipe when it has ended."""
        return (self.reader.num_samples or 0) if self.num_samples is None else self.num_samples

    @property
    def duration(self) -> float | None:
        return None if self.num_samples is None else self.num_samples / self.codec.sample_rate

    def __iter__(self) -> Iterator[Samples]:
        yield from self.codec.decompress_blocks(self.reader, start=self.part.start, duration=self.part.duration)
        if self.reader.lost > self._told:
            say(f"unitcodec: {self.name}: {self.reader.lost} packets are damaged or missing; concealed")


def opened(name: str, stream: Checked | BinaryIO, opener: Opener, part: Part) -> Speech | LiveSpeech:
    """What a stream says, of whatever kind it is. Raises what these do, and UnitcodecError for a part of a live one."""
    from bitstream.live.stream import is_live

    head, stream = (stream.data, stream) if isinstance(stream, Checked) else started(stream, 3)
    if not is_live(head):
        return Speech(name, stream, opener, part)
    if not part.whole:
        raise UnitcodecError("a stream of live packets is played from its start; --start and --duration are for other files")
    return LiveSpeech(name, stream, opener, part.on_error, part.max_seconds)


@click.command()
@coding_options
@part_options
@click.option("--rate", type=click.IntRange(8000, 48000), default=16000, metavar="HZ", help="Resample: 8000 for telephony.")
@click.option("--raw", is_flag=True, help="Write bare 16-bit little-endian samples.")
@click.option("--conceal", is_flag=True, help="Play a damaged file: fill in for what is lost instead of refusing it.")
@click.option(
    "--salvage", is_flag=True, help="The same, and play what there is of one whose end or header is damaged or missing."
)
@click.option(
    "--max-duration", callback=seconds, metavar="TIME",
    help="Refuse what is longer. By default only more than an hour of silence, for damaged or missing packets, is refused.",
)  # fmt: skip
def decode(
    coding: Coding,
    start: float,
    duration: float | None,
    rate: int,
    raw: bool,
    conceal: bool,
    salvage: bool,
    max_duration: float | None,
) -> int:
    """Turn .uc files into speech: 16-bit mono WAV at 16 kHz, as long as the original.

    OUT is IN with the suffix .wav (.s16 with --raw) by default; - is standard input or output. From a pipe to a pipe each packet
    is spoken when the next one is there. Named .flac, .ogg, .opus or .mp3 it is of that kind. Without --model a
    file is decoded by the model that it names, packaged or in a folder of models that the variable UNITCODEC_MODELS names.
    """
    jobs = coding.jobs(Direction(reads=STREAM_SUFFIXES, suffix=RAW if raw else WAV))
    kind = kind_of(jobs[0].target, raw, rate) if jobs else WAV  # of several, all have the same suffix
    part = Part(start, duration, "salvage" if salvage else "conceal" if conceal else "strict", max_duration)
    model = coding.model, coding.device, model_was_asked_for()
    return coding.run(jobs, partial(_decoder, model, part, kind, rate, coding.overwrite, coding.quiet))


def _decoder(model: tuple[str, str, bool], part: Part, kind: str, rate: int, overwrite: bool, quiet: bool) -> Work[Job]:
    return partial(_decode, Opener(*model), part, kind, rate, overwrite, quiet)


def _decode(opener: Opener, part: Part, kind: str, rate: int, overwrite: bool, quiet: bool, job: Job) -> None:
    from bitstream import TooLong

    try:
        _speak(opener, part, kind, rate, overwrite, quiet, job)
    except TooLong as error:
        raise UnitcodecError(f"{error}; --max-duration TIME allows more") from error


def _speak(opener: Opener, part: Part, kind: str, rate: int, overwrite: bool, quiet: bool, job: Job) -> None:
    # From one pipe into another every packet is played when it comes, so what it says of its end comes too late.
    piped = job.source == STANDARD and job.target == STANDARD and part.whole and not stdin().seekable()
    stream, name = stdin() if piped else part.read(job.source), source_name(job.source)
    with Output(job.target, job.parents, overwrite) as output:
        speech = opened(name, stream, opener, part)
        begin = time.perf_counter()
        write_sound(output, progress(speech, speech.duration, job.source, quiet), speech.num_samples, kind, rate)
    if not quiet:
        summarize(job, speech.spoken, speech.size if part.whole else None, time.perf_counter() - begin)
