"""Output folders that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from types import TracebackType

from unitcodec.command.jobs import JobError
from unitcodec.command.output import OutputError


class OutputFolder:
    """A folder that appears under its name when all of it is written, and never when something failed.

    Entered, it gives the path of a temporary folder beside the target, to be filled; on leaving the ``with`` block it is moved
    there, or removed when the block ends by an exception.

    Raises:
        JobError: at once, if the target exists and is not to be replaced, or is no folder.
        OutputError: on entering or leaving.
    """

    def __init__(self, target: str, overwrite: bool = False) -> None:
        if os.path.lexists(target):
            if not os.path.isdir(target):
                raise JobError(f"{target}: exists, and is not a directory")
            if not overwrite:
                raise JobError(f"{target}: exists already; --overwrite replaces it")
        self._target = os.path.realpath(target)
        # A short name of its own: the target's may already be as long as the file system allows.
        self._temporary = os.path.join(os.path.dirname(self._target), f".unitcodec-{os.getpid()}-{id(self):x}")
        self.name = target

    def __enter__(self) -> str:
        try:
            os.mkdir(self._temporary)
        except OSError as error:
            raise self._named(error) from error
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as error:
            raise self._named(error) from error
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _finish(self) -> None:
        if not os.path.isdir(self._target):
            os.rename(self._temporary, self._target)
            return
        # A folder with something in it cannot be renamed over: it steps aside first, and comes back if that fails.
        aside = self._temporary + ".old"
        os.rename(self._target, aside)
        try:
            os.rename(self._temporary, self._target)
        except OSError:
            with contextlib.suppress(OSError):
                os.rename(aside, self._target)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def _named(self, error: OSError) -> OutputError:
        return OutputError(f"{self.name}: {error.strerror or error}")
