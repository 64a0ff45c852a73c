"""Output folders that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from types import TracebackType

from unitcodec.command.jobs import JobError
from unitcodec.command.output import OutputError, OutputExists, sync
from unitcodec.command.temporary import ASIDE, Temporary


class OutputFolder:
    """A folder that appears under its name when all of it is written, and never when something failed.

    Entered, it gives the path of a temporary folder beside the target, to be filled; on leaving the ``with`` block it is moved
    there, or removed when the block ends by an exception; if the process is killed, by the next one that writes beside it.

    Raises:
        OutputExists: on leaving, without ``overwrite``, if another program has put something there in the meantime.
        JobError: at once, if the target exists and is not to be replaced, or is no folder.
        OutputError: on entering or leaving.
    """

    def __init__(self, target: str, overwrite: bool = False) -> None:
        if os.path.lexists(target):
            if not os.path.isdir(target):
                raise JobError(f"{target}: exists, and is not a directory")
            if not overwrite:
                raise JobError(f"{target}: exists already; --overwrite replaces it")
        self._target, self._overwrite = os.path.realpath(target), overwrite
        self._mark: Temporary | None = None  # while it lies beside the folder, that is not one that was left
        self.name = target

    def __enter__(self) -> str:
        try:
            self._mark = Temporary(os.path.dirname(self._target))
            self._temporary = self._mark.path.removesuffix(".part")
            os.mkdir(self._temporary)
        except OSError as error:
            raise self._named(error) from error
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        assert self._mark is not None
        try:
            if kind is None:
                self._finish()
        except OSError as error:
            raise self._named(error) from error
        finally:
            with contextlib.suppress(OSError):  # of its own bytes, which nobody needs any more
                self._mark.close()

    def _finish(self) -> None:
        if not self._overwrite or not os.path.isdir(self._target):
            try:
                os.rename(self._temporary, self._target)  # replaces an empty folder at most
            except OSError as error:
                raise OutputExists(self.name) if os.path.lexists(self._target) else error from error
            return
        # A folder with something in it cannot be renamed over: it steps aside first, and comes back if that fails.
        assert self._mark is not None
        self._mark.stream.write(os.fsencode(os.path.basename(self._target)))
        self._mark.stream.flush()
        sync(self._mark.stream)
        aside = self._temporary + ASIDE
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
