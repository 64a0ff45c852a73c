"""How a command works through its inputs: one model for all of them, and what is wrong with one does not stop the others."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

import unitcodec
from unitcodec.command.jobs import STANDARD, Job, JobError
from unitcodec.command.output import OutputError
from unitcodec.errors import AudioError, AudioWarning, ModelError, UnitcodecError

if TYPE_CHECKING:
    from unitcodec.audio import Samples
    from unitcodec.codec import Codec

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")


class CannotGoOn(UnitcodecError):
    """Ends the whole run, as a ModelError does: no further input can do better."""


def model_options(command: Command) -> Command:
    """The options ``--overwrite``, ``--model``, ``--device`` and ``--quiet``."""
    for add in (
        click.option("-q", "--quiet", is_flag=True, help="No progress bar and no closing line."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option("--model", metavar="NAME|DIR", default="default", show_default=True, help="Packaged model or folder."),
        click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
    ):
        command = add(command)
    return command


def loader(model: str, device: str) -> Callable[[], Codec]:
    """The codec, loaded at its first use: a bad input is reported at once, not after seconds of loading."""
    loaded: list[Codec] = []

    def load() -> Codec:
        if not loaded:
            # Threads that spin while they wait cost a busy machine minutes; read when PyTorch starts its threads.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
            loaded.append(unitcodec.load(model, device=device))
        return loaded[0]

    return load


def each(items: Iterable[Item], work: Callable[[Item], None], name: Callable[[Item], str]) -> int:
    """Do all ``items``; what is wrong with one is reported under its name and does not keep the others from being done.

    Returns the exit status. Raises CannotGoOn and ModelError as ``work`` does.
    """
    status = 0
    for item in items:
        try:
            work(item)
        except (BrokenPipeError, CannotGoOn, ModelError):
            raise
        except Exception as error:
            if not expected(error):
                raise
            complain(error, name(item))
            status = 1
    return status


def check_stdout(jobs: Sequence[Job], text: bool = False) -> None:
    """Raise JobError where standard output is closed, or a terminal that bytes which are no ``text`` would go to."""
    if not any(job.target == STANDARD for job in jobs):
        return
    if sys.stdout is None:  # a shell's >&-
        raise JobError("standard output is closed")
    if sys.stdout.isatty() and not text:
        raise JobError("standard output is a terminal; name an output file or redirect it")


def stdin() -> BinaryIO:
    """Standard input's bytes. Raises OSError where it is closed."""
    if sys.stdin is None:  # a shell's <&-
        raise OSError("standard input is closed")
    return sys.stdin.buffer


def source_name(source: str) -> str:
    """What messages call an input."""
    return "standard input" if source == STANDARD else source


def progress(blocks: Iterable[Samples], duration: float | None, source: str, quiet: bool) -> Iterator[Samples]:
    """The blocks, with a bar over ``duration`` (seconds) on a terminal unless ``quiet``."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield from blocks
        return
    from tqdm import tqdm

    from unitcodec.audio import SAMPLE_RATE

    total = None if duration is None else round(duration, 1)
    with tqdm(total=total, desc=source_name(source), unit=" s", leave=False, file=sys.stderr) as bar:
        for block in blocks:
            yield block
            bar.update(round(len(block) / SAMPLE_RATE, 2))


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """What is to be known of the audio comes as lines on standard error, each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AudioWarning)
        show = warnings.showwarning

        def say_it(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
            if issubclass(category, AudioWarning):
                say(f"unitcodec: {message}")
            else:
                show(message, category, *where, **options)

        warnings.showwarning = say_it
        yield


def expected(error: Exception) -> bool:
    """Whether ``error`` is about the inputs, the outputs or the machine, and not a fault of this program."""
    kinds: list[type[BaseException]] = [UnitcodecError, OSError, MemoryError]
    # The errors of a module that was never imported cannot have come from anywhere.
    if "bitstream" in sys.modules:
        kinds.append(sys.modules["bitstream"].BitstreamError)
    if "benchmarks.errors" in sys.modules:
        kinds.append(sys.modules["benchmarks.errors"].BenchmarkError)
    if "torch" in sys.modules:
        kinds.append(sys.modules["torch"].OutOfMemoryError)
    return isinstance(error, tuple(kinds))


def words(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    return " ".join(str(error).split())


def complain(error: Exception, source: str | None = None) -> None:
    """One line on standard error: who, which file, what."""
    named = isinstance(error, (AudioError, OutputError))  # their messages begin with the file's name
    where = getattr(error, "filename", None) or (None if named else source)
    say(f"unitcodec: {f'{where}: ' if where else ''}{words(error)}")


def say(text: str) -> None:
    """A line on standard error."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """File names need not be valid text; what is not is shown as a replacement character."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
