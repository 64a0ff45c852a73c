"""How a command works through its inputs: one model for all of them, and what is wrong with one does not stop the others."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, cast

import click

import unitcodec
from unitcodec.command import bar
from unitcodec.command.jobs import STANDARD, Job, JobError
from unitcodec.command.output import OutputError
from unitcodec.errors import AudioError, AudioWarning, ModelError, UnitcodecError, UnitcodecWarning, reason

if TYPE_CHECKING:
    from unitcodec.audio import Samples
    from unitcodec.codec import Codec

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")
Work = Callable[[Item], object]
"""Does one item; what it returns has to be pickled where that happens in a process of its own."""

PATH = click.Path(readable=False)
"""A path that nothing is checked of yet: as a type it is what a shell can complete."""

NAMED = 10
"""Failures that a summary names, at most."""


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what ends a line or turns its direction, and bytes that are no text."""


class Outcome(NamedTuple):
    """Whether an item could be done, and what came of it."""

    done: bool
    result: Any = None


class CannotGoOn(UnitcodecError):
    """Ends the whole run, as a ModelError does: no further input can do better."""


def model_options(command: Command) -> Command:
    """The options ``--model`` and ``--device``."""
    for add in (
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option(
            "--model", metavar="NAME|DIR", default="default", show_default=True, type=PATH, help="Packaged model or folder."
        ),
    ):
        command = add(command)
    return command


def output_options(command: Command) -> Command:
    """The options ``--overwrite`` and ``--quiet``."""
    return click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")(quiet_option(command))


def quiet_option(command: Command) -> Command:
    """The option ``--quiet``."""
    return click.option("-q", "--quiet", is_flag=True, help="No progress bar and no closing line.")(command)


def jobs_option(command: Command) -> Command:
    """The option ``--jobs``, as ``processes``."""
    return click.option(
        "-j", "--jobs", "processes", type=click.IntRange(1), default=1, metavar="N", help="How many are coded at a time."
    )(command)


def effort_option(command: Command) -> Command:
    """The option ``--effort``."""
    return click.option(
        "--effort", type=click.IntRange(0, 1000), default=0, metavar="N",
        help="Search N steps for units that are heard as the recording is: fewer words are misheard, for 1 % more bits. With 20 "
        "an encode takes several times as long as the recording.",
    )(command)  # fmt: skip


def recursive_option(command: Command) -> Command:
    """The option ``--recursive``, with which folders were named once; they need it no more."""
    return click.option("-r", "--recursive", is_flag=True, hidden=True, expose_value=False)(command)


def loader(model: str, device: str) -> Callable[[], Codec]:
    """The codec, loaded at its first use: a bad input is reported at once, not after seconds of loading."""
    loaded: list[Codec] = []

    def load() -> Codec:
        if not loaded:
            loaded.append(_load(model, device))
        return loaded[0]

    return load


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """What SIGINT and SIGTERM raise comes at the end of the ``with`` block. An exception within the import of C++ code (PyTorch)
    can abort the process, and temporary files stay."""
    came: list[tuple[int, Any]] = []
    handlers: dict[int, Any] = {}
    main = threading.current_thread() is threading.main_thread()  # which alone gets them
    try:
        for number in (signal.SIGINT, signal.SIGTERM) if main else ():
            if callable(handler := signal.getsignal(number)):
                handlers[number] = handler
                signal.signal(number, lambda *caught: came.append(caught))
        yield
    finally:
        for each_number, handler in handlers.items():  # that of SIGTERM last: if it is not, the command puts it back at its end
            signal.signal(each_number, handler)
        for caught in came:
            handlers[caught[0]](*caught)


def by_pytorch(model: str | Path, device: str) -> Codec:
    """A model by name or folder. PyTorch is imported here, if it was not yet."""
    with signals_wait():
        import_module("unitcodec.codec")
    return unitcodec.load(model, device=device)


def _load(model: str, device: str) -> Codec:
    if not os.path.isfile(os.path.join(model, "onnx.json")):
        return by_pytorch(model, device)
    if device == "cuda":
        raise ModelError(f"{model}: graphs are run on the CPU; --device cuda is for the model itself")
    with signals_wait():
        from unitcodec.onnx import OnnxCodec

    # It has what the commands ask for, or says what it has not.
    return cast("Codec", OnnxCodec.from_pretrained(model))


def each(items: Iterable[Item], work: Work[Item], name: Callable[[Item], str], quiet: bool = False) -> int:
    """Do all ``items``; what is wrong with one is reported under its name and does not keep the others from being done.

    Returns the exit status. Raises CannotGoOn and ModelError as ``work`` does.
    """
    return conclude(outcomes(items, lambda: work, name, 1), name, quiet)


def outcomes(
    items: Iterable[Item], prepare: Callable[[], Work[Item]], name: Callable[[Item], str], processes: int
) -> Iterator[tuple[Item, Outcome]]:
    """Do all ``items``, here or in several processes, for which ``prepare`` is pickled: it makes what does one.

    Each comes as soon as it is done. Raises CannotGoOn and ModelError.
    """
    if processes < 2:
        work = prepare()
        return ((item, attempt(work, item, name(item))) for item in items)
    from unitcodec.command.workers import in_processes

    return in_processes(items, prepare, name, processes)


def attempt(work: Work[Item], item: Item, name: str) -> Outcome:
    """Do an item; if that cannot be, why has been said. Raises CannotGoOn and ModelError as ``work`` does."""
    try:
        with noted(name):
            return Outcome(True, work(item))
    except (BrokenPipeError, CannotGoOn, ModelError):
        raise
    except Exception as error:
        if not expected(error):
            raise
        complain(error, name)
        return Outcome(False)


def conclude(outcomes: Iterable[tuple[Item, Outcome]], name: Callable[[Item], str], quiet: bool) -> int:
    """The exit status of items that were done or not; of several the failures are summed up unless ``quiet``."""
    total, failed = 0, []
    for total, (item, outcome) in enumerate(outcomes, 1):  # noqa: B007
        if not outcome.done:
            failed.append(name(item))
    if not quiet:
        sum_up(failed, total, "failed")
    return 1 if failed else 0


def sum_up(names: Sequence[str], total: int, what: str) -> None:
    """A line that counts and names those of several inputs of which something is to be said."""
    if names and total > 1:
        more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
        say(f"unitcodec: {len(names)} of {total} {what}: {', '.join([*names[:NAMED], *more])}")


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
    """The blocks, with a bar over ``duration`` (seconds) on a terminal unless ``quiet``; in a run over many they move its bar."""
    return bar.progress(blocks, duration, printable(source_name(source)), quiet)


def summarize(job: Job, num_samples: int, num_bytes: int | None, elapsed: float, before: int = 0) -> None:
    """The closing line of a job; ``num_bytes`` None: how many they are has no meaning. ``elapsed`` in seconds, in which all but
    ``before`` samples were coded."""
    from unitcodec.audio import SAMPLE_RATE

    duration = num_samples / SAMPLE_RATE
    facts = [f"{duration:.2f} s"]
    if num_bytes is not None:
        facts.append(f"{num_bytes} bytes")
    if duration > 0:
        facts += [] if num_bytes is None else [f"{8 * num_bytes / duration:.1f} bit/s"]
        facts.append(f"{(duration - before / SAMPLE_RATE) / elapsed:.1f} x real time")
    target = "standard output" if job.target == STANDARD else job.target
    say(f"{source_name(job.source)} -> {target}: {', '.join(facts)}")


@contextlib.contextmanager
def noted(name: str | None = None) -> Iterator[None]:
    """Warnings of ours come as lines on standard error, each time; ``name``: of the input that they are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UnitcodecWarning)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, UnitcodecWarning):
                others(message, category, *where, **more)
            elif name is None or issubclass(category, AudioWarning):  # the audio's begin with the file's name
                say(f"unitcodec: {message}")
            else:
                say(f"unitcodec: {name}: {message}")

        warnings.showwarning = show
        yield


def expected(error: Exception) -> bool:
    """Whether ``error`` is about the inputs, the outputs or the machine, and not a fault of this program."""
    if isinstance(error, (UnitcodecError, OSError, MemoryError)):
        return True
    if isinstance(error, RuntimeError):
        from torch import OutOfMemoryError

        return isinstance(error, OutOfMemoryError)
    from bitstream import BitstreamError

    return isinstance(error, BitstreamError)


def words(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError):
        return reason(error, error.filename or "")
    if isinstance(error, MemoryError):
        return "out of memory"
    # Ours are a line, in which a file's name may hold a newline; others' may be several.
    return str(error) if isinstance(error, UnitcodecError) else " ".join(str(error).split())


def complain(error: Exception, source: str | None = None) -> None:
    """One line on standard error: who, which file, what."""
    named = isinstance(error, (AudioError, OutputError))  # their messages begin with the file's name
    where = getattr(error, "filename", None) or (None if named else source)
    say(f"unitcodec: {f'{where}: ' if where else ''}{words(error)}")


def say(text: str) -> None:
    """A line on standard error. Where it cannot be written nobody reads it, and the work goes on."""
    with contextlib.suppress(OSError):
        click.echo((bar.ERASE if bar.shown() else "") + printable(text), err=True)


def printable(text: str) -> str:
    """A line for people: whatever a file's name holds that would break it or move the cursor is escaped.

    >>> printable("two\\nlines")
    'two\\\\nlines'
    """
    return _UNPRINTABLE.sub(lambda found: _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte that is no text, as Python keeps it in names
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
