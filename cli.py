"""The ``unitcodec`` command: speech files to a few hundred bits a second and back.

Nothing heavy is imported before it is needed: ``--help``, ``--version`` and ``info`` run without PyTorch.

Exit status: 0 done; 1 some input is bad or some output cannot be written; 2 wrong usage; 130 and 143 interrupted; 141, and
no word, where nobody reads standard output any more, as of cat or opusenc.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

import unitcodec
from unitcodec.command.coding import Coding, coding_options
from unitcodec.command.jobs import (
    AUDIO_SUFFIXES,
    RAW_SUFFIXES,
    STANDARD,
    STREAM_SUFFIXES,
    Direction,
    Job,
    JobError,
    check_targets,
    inputs,
)
from unitcodec.command.output import Output
from unitcodec.command.run import (
    PATH,
    Work,
    check_stdout,
    complain,
    expected,
    loader,
    noted,
    progress,
    say,
    source_name,
    stdin,
    sum_up,
    summarize,
    words,
)
from unitcodec.command.stream import read_stream
from unitcodec.raw import ENCODINGS, RawFormat
from unitcodec.training import STAGES

if TYPE_CHECKING:
    from unitcodec.codec import Codec


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
    except _NobodyReads:
        return 141
    except _Interrupted as error:
        say(f"unitcodec: {error}")
        return 130
    except click.ClickException as error:
        if error.exit_code == 2 and type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # the help
        else:
            say(f"unitcodec: {_usage(error)}")
        return error.exit_code
    except Exception as error:
        if not expected(error):
            raise
        complain(error, "standard output" if _of_echo(error) else None)
        return 2 if isinstance(error, JobError) else 1


class _Interrupted(Exception):
    """Ctrl-C, as click does not know it: it would print an empty line. In words."""


class _NobodyReads(Exception):
    """A closed pipe, as click does not know it: it would call it a failure."""


def _usage(error: click.ClickException) -> str:
    """In one line, as everything that is wrong."""
    text = error.format_message()
    if isinstance(error, click.MissingParameter):  # a list of what there is to choose from
        text = " ".join(text.split())
    name = getattr(error, "option_name", None)
    if name is not None and len(name) == 2:
        text = f"{text.rstrip('.')}; a file's name that begins with a dash stands after --"
    context = getattr(error, "ctx", None)
    return text if context is None else f"{text.rstrip('.')} ('{context.command_path} --help' tells more)"


def _terminate(number: int, frame: object) -> NoReturn:
    """SIGTERM as an exception, so that temporary files are removed on the way out."""
    raise SystemExit(128 + number)


def _of_echo(error: Exception) -> bool:
    """Whether it was writing words to standard output that failed; such an error names no file."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_code is click.echo.__code__


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
    "cut": "unitcodec.command.edit",
    "decode": "unitcodec.command.decode",
    "import-checkpoint": "unitcodec.command.checkpoint",
    "join": "unitcodec.command.edit",
    "play": "unitcodec.command.play",
    "resynth": "unitcodec.command.resynth",
    "units": "unitcodec.command.units",
}
"""Commands in modules of their own, each under its own name with _ for -."""


class _Commands(click.Group):
    """Imports a command when it is asked for. ``bench`` is another package's, and where that is missing the rest works."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError as error:  # --help and --version
            raise _NobodyReads from error

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt as error:
            raise _Interrupted("; ".join(["interrupted", *map(str, error.args)])) from None
        except BrokenPipeError as error:
            raise _NobodyReads from error

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


# The rate is told in one place: the package's first line.
_ABOUT = (unitcodec.__doc__ or "").partition("\n")[0].removesuffix(".")


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"{_ABOUT}: encode, decode, look inside, train, measure.",
)
@click.version_option(unitcodec.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    pass


def _positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above 0")
    return value


@cli.command()
@coding_options
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
    coding: Coding,
    bitrate: float | None,
    salvage: bool,
    raw: bool,
    rate: int | None,
    channels: int | None,
    encoding: str | None,
) -> int:
    """Compress speech: WAV, FLAC, Ogg, Opus, MP3, MP4, WebM and more, from 8 kHz up, mixed to mono.

    OUT is IN with the suffix .uc by default; - is standard input or output. From a pipe, WAV and --raw samples are coded as they
    come, and each packet is written when it is ready; other kinds are copied to a temporary file first.
    """
    samples = _raw_format(raw, rate, channels, encoding)
    jobs = coding.jobs(Direction(reads=RAW_SUFFIXES if raw else AUDIO_SUFFIXES, suffix=".uc"))
    model = coding.model, coding.device
    return coding.run(jobs, partial(_encoder, model, samples, salvage, coding.overwrite, coding.quiet, bitrate))


def _raw_format(raw: bool, rate: int | None, channels: int | None, encoding: str | None) -> RawFormat | None:
    if not raw:
        if (rate, channels, encoding) != (None, None, None):
            raise JobError("--rate, --channels and --format tell what --raw samples are; other files tell it themselves")
        return None
    if rate is None:
        raise JobError("--raw needs --rate HZ")
    return RawFormat(rate, channels or 1, encoding or "s16le")


def _encoder(
    model: tuple[str, str], raw: RawFormat | None, salvage: bool, overwrite: bool, quiet: bool, bitrate: float | None
) -> Work[Job]:
    return partial(_encode_one, loader(*model), raw, salvage, overwrite, quiet, bitrate)


def _encode_one(
    load: Callable[[], Codec],
    raw: RawFormat | None,
    salvage: bool,
    overwrite: bool,
    quiet: bool,
    bitrate: float | None,
    job: Job,
) -> None:
    from unitcodec.audio import open_reader

    source, name = stdin() if job.source == STANDARD else job.source, source_name(job.source)
    with open_reader(source, name, raw, salvage) as reader, Output(job.target, job.parents, overwrite) as output:
        codec = load()
        begin = time.perf_counter()
        size = 0
        for data in codec.compress_blocks(progress(reader, reader.duration, job.source, quiet), bitrate):
            output.write(data)
            size += len(data)
    if not quiet:
        summarize(job, reader.num_samples, size, time.perf_counter() - begin)


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="A JSON list with one object a file.")
@click.option(
    "--plot",
    metavar="OUT",
    type=PATH,
    help="Draw bits over time, by stream, as OUT.png or another of matplotlib's kinds; one FILE.",
)
@click.option("--overwrite", is_flag=True, help="Replace what --plot draws if it exists.")
def info(files: tuple[str, ...], as_json: bool, plot: str | None, overwrite: bool) -> int:
    """Show what .uc files, and those in folders, hold, without decoding them. Exit status 1 when one is damaged or is none."""
    from unitcodec.command import report

    check_stdout([Job(STANDARD, STANDARD)], text=True)
    names = inputs(files, STREAM_SUFFIXES, recursive=True)
    if plot is not None:
        _plot(names, plot, overwrite)
    reports = []
    for name in names:
        try:
            reports.append(report.describe(name, read_stream(name)))
        except Exception as error:
            if not expected(error):
                raise
            reports.append(report.failed(name, words(error)))
            if not as_json:
                complain(error, source_name(name))
    bad = [source_name(str(one["file"])) for one in reports if one["error"]]
    tables = [report.as_table(one) for one in reports if one["size"] is not None]
    if as_json:
        click.echo(report.as_json(reports))
    else:
        click.echo("\n\n".join(tables), nl=bool(tables))
        sum_up(bad, len(names), "damaged or unreadable")
    return 1 if bad else 0


def _plot(files: Sequence[str], target: str, overwrite: bool) -> None:
    from bitstream import inspect
    from unitcodec.command.plot import draw

    if len(files) != 1:
        raise JobError("--plot draws one file")
    check_targets([Job(files[0], target)], overwrite)
    picture = draw(files[0], inspect(read_stream(files[0]), whole=True), os.path.splitext(target)[1])
    with Output(target, overwrite=overwrite) as output:
        output.write(picture)


def _renamed(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("--initial is called --warm-start now")


@cli.command()
@click.argument("stage", metavar="STAGE", type=click.Choice([*STAGES, "all"]))
@click.option("--data", metavar="MANIFEST", required=True, type=PATH, help="What to train on.")
@click.option("-o", "--out", metavar="DIR", required=True, type=PATH, help="Checkpoints, logs and samples.")
@click.option("--config", metavar="FILE", type=PATH, help="Settings that differ from the stage's own.")
@click.option("--resume/--restart", default=True, show_default=True, help="Go on from the last checkpoint in DIR, or anew.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--validation", metavar="MANIFEST", type=PATH, help="What export reports the rate on.")
@click.option(
    "--family", type=click.Choice(["fsq", "whisper", "vqvae", "hubert", "cpc", "pretrained"]), help="Of the content encoder."
)
@click.option("--warm-start", metavar="NAME|DIR", help="Begin with the weights of a model, by name or folder.")
@click.option("--initial", hidden=True, expose_value=False, callback=_renamed)
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
    warm_start: str | None,
) -> None:
    """Train one stage of a model, or all in order.

    STAGE is pitch, content, vocoder, joint, entropy, export or all.

    MANIFEST is a TSV file with the columns path (relative to it), speaker and, optionally, transcript.
    """
    from unitcodec.training import run

    run(stage, data, out, config, resume, seed, device, validation, family, warm_start)


if __name__ == "__main__":
    sys.exit(main())
