"""A click command run as a program: every expected failure ends as one line on standard error.

Exit status: 0 done; 1 some input is bad or some output cannot be written; 2 wrong usage; 130 and 143 interrupted; 141, and
no word, where nobody reads standard output any more, as of cat or opusenc.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from unitcodec.command.jobs import JobError
from unitcodec.command.run import complain, expected, noted, say


def run(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    """Run ``command``, called ``name``, and return its exit status; ``arguments`` None: those of the process."""
    previous = signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError):  # raised outside the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        with noted():
            return _run(command, arguments, name)
    finally:
        _settle_stdout()
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, previous)


def _run(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    try:
        status = command.main(args=None if arguments is None else list(arguments), prog_name=name, standalone_mode=False)
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
        if (ending := _ending(error)) is not None:
            if isinstance(ending, SystemExit):
                raise ending from None
            say("unitcodec: interrupted")
            return 130
        if not expected(error):
            raise
        complain(error, "standard output" if _of_echo(error) else None)
        return 2 if isinstance(error, JobError) else 1


class Group(click.Group):
    """A group that leaves Ctrl-C and a closed pipe to ``run``; click itself would print an empty line, and call it a failure."""

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


class _Interrupted(Exception):
    """Ctrl-C, in words."""


class _NobodyReads(Exception):
    """A closed pipe."""


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


def _ending(error: BaseException | None) -> SystemExit | KeyboardInterrupt | None:
    """What a signal raised, if that is why ``error`` came: a C extension that is being imported makes an ImportError of it."""
    while error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
        error = error.__cause__ or error.__context__
    return error


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
