"""The ``unitcodec`` command: speech files to a few hundred bits a second and back.

Nothing heavy is imported before it is needed: ``--help``, ``--version`` and ``info`` run without PyTorch.

Exit status: 0 done; 1 some input is bad or some output cannot be written; 2 wrong usage; 130 and 143 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import unitcodec
from unitcodec.command.jobs import AUDIO_SUFFIXES, RAW_SUFFIXES, STANDARD, STREAM_SUFFIXES, Direction, Job, JobError, plan
from unitcodec.command.opener import Opener
from unitcodec.command.output import Output
from unitcodec.command.run import (
    check_stdout,
    complain,
    each,
    expected,
    loader,
    model_options,
    noted,
    printable,
    progress,
    say,
    source_name,
    stdin,
    words,
)
from unitcodec.raw import ENCODINGS, RawFormat

if TYPE_CHECKING:
    from bitstream import OnError, PacketReader
    from unitcodec.codec import Codec

_ENCODE = Direction(reads=AUDIO_SUFFIXES, suffix=".uc")
_ENCODE_RAW = Direction(reads=RAW_SUFFIXES, suffix=".uc")
_DECODE = Direction(reads=STREAM_SUFFIXES, suffix=".wav")
_DECODE_RAW = Direction(reads=STREAM_SUFFIXES, suffix=".s16")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; every expected failure ends as one line on standard error."""
    previous = signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError):  # raised outside the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        with noted():
            return _run(arguments)
    finally:
        _settle_stdout()
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, previous)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = cli.main(args=None if arguments is None else list(arguments), prog_name="unitcodec", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # nobody reads any more, so there is nobody to tell
        return 1
    except Exception as error:
        if not expected(error):
            raise
        complain(error)
        return 2 if isinstance(error, JobError) else 1


def _terminate(number: int, frame: object) -> NoReturn:
    """SIGTERM as an exception, so that temporary files are removed on the way out."""
    raise SystemExit(128 + number)


def _settle_stdout() -> None:
    """Flush here: at exit Python would answer a full disk or a closed pipe with a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_ELSEWHERE = {
    "bench": "benchmarks.command",
    "convert-kmeans": "unitcodec.command.kmeans",
    "import-checkpoint": "unitcodec.command.checkpoint",
    "resynth": "unitcodec.command.resynth",
    "units": "unitcodec.command.units",
}
"""Commands in modules of their own, each under its own name with _ for -."""


class _Commands(click.Group):
    """Imports a command when it is asked for. ``bench`` is another package's, and where that is missing the rest works."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *_ELSEWHERE])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _ELSEWHERE:
            return super().get_command(context, name)
        try:
            module = importlib.import_module(_ELSEWHERE[name])
        except ImportError:
            if name == "bench":
                return None
            raise
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(unitcodec.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Speech at a few hundred bits a second: encode, decode, look inside, train, measure."""


def _coding_options(command: _Command) -> _Command:
    command = model_options(command)
    for add in (
        click.option("-r", "--recursive", is_flag=True, help="Take the files of folders and of the folders in them."),
        click.option("-o", "--output-dir", metavar="DIR", help="Write below this folder; all arguments are inputs then."),
        click.argument("paths", metavar="IN... [OUT]", nargs=-1, required=True),
    ):
        command = add(command)
    return command


def _positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above 0")
    return value


@cli.command()
@_coding_options
@click.option(
    "-b", "--bitrate", type=float, callback=_positive, metavar="BPS",
    help="Bit/s of the whole file, for fewer than speech takes by itself: met within a minute, from about 170 up.",
)  # fmt: skip
@click.option("--salvage", is_flag=True, help="Code what there is of a file that is damaged or cut short.")
@click.option("--raw", is_flag=True, help="IN is bare samples: say their --rate, --channels and --format.")
@click.option("--rate", type=click.IntRange(1, 1 << 20), metavar="HZ", help="Sample rate of --raw.")
@click.option("--channels", type=click.IntRange(1, 1024), metavar="N", help="Channels of --raw, interleaved.  [default: 1]")
@click.option("--format", "encoding", type=click.Choice(list(ENCODINGS)), help="Samples of --raw.  [default: s16le]")
def encode(
    paths: tuple[str, ...],
    output_dir: str | None,
    recursive: bool,
    overwrite: bool,
    model: str,
    device: str,
    quiet: bool,
    bitrate: float | None,
    salvage: bool,
    raw: bool,
    rate: int | None,
    channels: int | None,
    encoding: str | None,
) -> int:
    """Compress speech: WAV, FLAC, Ogg, Opus, MP3, MP4, WebM and more, from 8 kHz up, mixed to mono.

    OUT is IN with the suffix .uc by default; - is standard input or output.
    """
    samples = _raw_format(raw, rate, channels, encoding)
    jobs = plan(paths, _ENCODE_RAW if raw else _ENCODE, output_dir, recursive, overwrite)
    check_stdout(jobs)
    load = loader(model, device)
    return each(jobs, lambda job: _encode_one(job, load, quiet, bitrate, samples, salvage), _source)


@cli.command()
@_coding_options
@click.option("--raw", is_flag=True, help="Write bare 16-bit little-endian samples at 16 kHz instead of WAV.")
@click.option("--conceal", is_flag=True, help="Play a damaged file: fill in for what is lost instead of refusing it.")
@click.option(
    "--salvage", is_flag=True, help="The same, and play what there is of one whose end or header is damaged or missing."
)
def decode(
    paths: tuple[str, ...],
    output_dir: str | None,
    recursive: bool,
    overwrite: bool,
    model: str,
    device: str,
    quiet: bool,
    raw: bool,
    conceal: bool,
    salvage: bool,
) -> int:
    """Turn .uc files into speech: 16-bit mono WAV at 16 kHz, as long as the original.

    OUT is IN with the suffix .wav (.s16 with --raw) by default; - is standard input or output. Without --model a file is
    decoded by the model that it names, packaged or in a folder of models that the variable UNITCODEC_MODELS names.
    """
    jobs = plan(paths, _DECODE_RAW if raw else _DECODE, output_dir, recursive, overwrite)
    check_stdout(jobs)
    opener = Opener(model, device)
    on_error: OnError = "salvage" if salvage else "conceal" if conceal else "strict"
    return each(jobs, lambda job: _decode_one(job, opener, quiet, raw, on_error), _source)


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="A JSON list with one object a file.")
@click.option(
    "--plot", metavar="OUT", help="Draw bits over time, by stream, as OUT.png or another of matplotlib's kinds; one FILE."
)
def info(files: tuple[str, ...], as_json: bool, plot: str | None) -> int:
    """Show what .uc files hold, without decoding them. Exit status 1 when one is damaged or is none."""
    from unitcodec.command import report

    if plot is not None:
        _plot(files, plot)
    reports = []
    for name in files:
        try:
            reports.append(report.describe(name, _read_stream(name)))
        except Exception as error:
            if not expected(error):
                raise
            reports.append(report.failed(name, words(error)))
            if not as_json:
                complain(error, name)
    if as_json:
        click.echo(report.as_json(reports))
    else:
        click.echo(printable("\n\n".join(report.as_table(one) for one in reports if one["size"] is not None)))
    return 1 if any(one["error"] for one in reports) else 0


def _plot(files: Sequence[str], target: str) -> None:
    from bitstream import inspect
    from unitcodec.command.plot import draw

    if len(files) != 1:
        raise JobError("--plot draws one file")
    if os.path.exists(target):
        raise JobError(f"{target}: exists already")
    picture = draw(files[0], inspect(_read_stream(files[0])), os.path.splitext(target)[1])
    with Output(target) as output:
        output.write(picture)


@cli.command()
@click.argument("stage", metavar="pitch|content|vocoder|joint|export|all")
@click.option("--data", metavar="MANIFEST", required=True, help="What to train on.")
@click.option("--out", metavar="DIR", required=True, help="Checkpoints, logs and samples.")
@click.option("--config", metavar="FILE", help="Settings that differ from the stage's own.")
@click.option("--resume/--restart", default=True, show_default=True, help="Go on from the last checkpoint in DIR, or anew.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--validation", metavar="MANIFEST", help="What export reports the rate on.")
@click.option("--family", type=click.Choice(["fsq", "vqvae", "hubert", "cpc", "pretrained"]), help="Of the content encoder.")
@click.option("--initial", metavar="MODEL", help="Begin with the weights of a model, by name or folder.")
def train(
    stage: str,
    data: str,
    out: str,
    config: str | None,
    resume: bool,
    seed: int,
    device: str,
    validation: str | None,
    family: str | None,
    initial: str | None,
) -> None:
    """Train one stage of a model, or all in order.

    MANIFEST is a TSV file with the columns path (relative to it), speaker and, optionally, transcript.
    """
    from unitcodec.training import run

    run(stage, data, out, config, resume, seed, device, validation, family, initial)


def _source(job: Job) -> str:
    return source_name(job.source)


def _raw_format(raw: bool, rate: int | None, channels: int | None, encoding: str | None) -> RawFormat | None:
    if not raw:
        if (rate, channels, encoding) != (None, None, None):
            raise JobError("--rate, --channels and --format tell what --raw samples are; other files tell it themselves")
        return None
    if rate is None:
        raise JobError("--raw needs --rate HZ")
    return RawFormat(rate, channels or 1, encoding or "s16le")


def _encode_one(
    job: Job, load: Callable[[], Codec], quiet: bool, bitrate: float | None, raw: RawFormat | None, salvage: bool
) -> None:
    from unitcodec.audio import open_reader

    source = stdin() if job.source == STANDARD else job.source
    with open_reader(source, source_name(job.source), raw, salvage) as reader, Output(job.target, job.parents) as output:
        codec = load()
        begin = time.perf_counter()
        size = 0
        for data in codec.compress_blocks(progress(reader, reader.duration, job.source, quiet), bitrate):
            output.write(data)
            size += len(data)
    if not quiet:
        _summarize(job, reader.num_samples, size, time.perf_counter() - begin)


def _decode_one(job: Job, opener: Opener, quiet: bool, raw: bool, on_error: OnError) -> None:
    from unitcodec.audio import SAMPLE_RATE, write_wav

    # From one pipe into another every packet is played when it comes, so what it says of its end comes too late.
    live = job.source == STANDARD and job.target == STANDARD and not stdin().seekable()
    stream = stdin() if live else _read_checked(job, on_error)
    with Output(job.target, job.parents) as output:
        codec, reader = opener.open(stream, on_error)
        begin = time.perf_counter()
        num_samples = None if live else _measure(reader)
        duration = None if num_samples is None else num_samples / SAMPLE_RATE
        write_wav(output, progress(codec.decompress_blocks(reader), duration, job.source, quiet), num_samples, SAMPLE_RATE, raw)
    if live and reader.lost:
        say(f"unitcodec: {source_name(job.source)}: {reader.lost} packets are damaged or missing; concealed")
    if not quiet:
        _summarize(job, reader.num_samples or 0, reader.offset, time.perf_counter() - begin)


def _read_checked(job: Job, on_error: OnError) -> bytes:
    """A stream's bytes. All checks are verified before the first sound is made, and damage is never passed over in silence."""
    from bitstream import BitstreamError, Damaged, inspect
    from unitcodec.command.report import damage

    data = _read_stream(job.source, any_bytes=on_error == "salvage")
    try:
        facts = inspect(data)
    except BitstreamError as error:
        if on_error != "salvage":
            raise
        say(f"unitcodec: {source_name(job.source)}: {words(error)}; salvaged")
        return data
    problem = damage(facts)
    if problem is not None:
        if on_error == "strict" or (on_error == "conceal" and not facts.complete):
            cure = "--conceal plays the rest" if facts.complete else "--salvage plays what is there"
            raise Damaged(f"{problem}; {cure}")
        say(f"unitcodec: {source_name(job.source)}: {problem}; concealed")
    return data


def _measure(reader: PacketReader) -> int | None:
    """The stream's exact length, which its end tells."""
    for _ in reader.slots():
        pass
    reader.seek(0)
    return reader.num_samples


def _read_stream(source: str, any_bytes: bool = False) -> bytes:
    """The bytes of a stream; anything else, however long, is refused by its first bytes, unless `any_bytes` are wanted."""
    from bitstream import NotUnitcodec
    from bitstream.header import MAGIC

    with contextlib.nullcontext(stdin()) if source == STANDARD else open(source, "rb") as stream:
        head = stream.read(len(MAGIC))
        if not head:
            raise NotUnitcodec("is empty")
        if head != MAGIC and not any_bytes:
            raise NotUnitcodec("not a unitcodec stream ('unitcodec encode' makes one of audio)")
        return head + stream.read()


def _summarize(job: Job, num_samples: int, num_bytes: int, elapsed: float) -> None:
    from unitcodec.audio import SAMPLE_RATE

    duration = num_samples / SAMPLE_RATE
    facts = [f"{duration:.2f} s", f"{num_bytes} bytes"]
    if duration > 0:
        facts += [f"{8 * num_bytes / duration:.1f} bit/s", f"{duration / elapsed:.1f} x real time"]
    target = "standard output" if job.target == STANDARD else job.target
    say(f"{source_name(job.source)} -> {target}: {', '.join(facts)}")


if __name__ == "__main__":
    sys.exit(main())
