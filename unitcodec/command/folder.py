"""Model folders, as output, that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
from types import TracebackType

from unitcodec.command.jobs import JobError
from unitcodec.command.output import OutputError, OutputExists, sync
from unitcodec.command.temporary import ASIDE, Temporary, clean, remove_tree

_PART = re.compile(
    r"(config|onnx)\.json|(model|entropy)\.safetensors|MODEL_CARD\.md|LICENSE(-whisper)?(\.txt)?"
    r"|(content|tracker|f0_decoder|mel|pulses|filters)\.onnx"
)
"""Files of a model folder. A folder that holds others is somebody's who gave the wrong name, and is not removed."""


class OutputFolder:
    """A folder that appears under its name when all of it is written, and never when something failed.

    Entered, it gives the path of a temporary folder beside the target, to be filled; on leaving the ``with`` block it is moved
    there, or removed when the block ends by an exception; if the process is killed, by the next one that writes beside it.

    Raises:
        OutputExists: on leaving, without ``overwrite``, if another program has put something there in the meantime.
        JobError: at once, if the target exists and is not to be replaced, or is no model folder.
        OutputError: on entering or leaving.
    """

    def __init__(self, target: str, overwrite: bool = False) -> None:
        clean(os.path.dirname(os.path.realpath(target)))  # a run that was killed may have left the folder that belongs there
        if os.path.lexists(target):
            if os.path.isdir(target) and not overwrite:
                raise JobError(f"{target}: exists already; --overwrite replaces it")
            _check_replaceable(target, target)
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
        for each in os.scandir(self._temporary):
            with open(each, "r+b") as file:
                sync(file)
        if not os.path.lexists(self._target) or not self._overwrite:
            try:
                os.rename(self._temporary, self._target)  # replaces an empty folder at most
            except OSError as error:
                raise OutputExists(self.name) if os.path.lexists(self._target) else error from error
            return
        _check_replaceable(self._target, self.name)  # as it is by now
        # A folder with something in it cannot be renamed over: it steps aside first, and comes back if that fails.
        assert self._mark is not None
        self._mark.stream.write(os.fsencode(os.path.basename(self._target)))
        self._mark.stream.flush()
        sync(self._mark.stream)
        aside = self._temporary + ASIDE
        os.rename(self._target, aside)
        try:
            os.rename(self._temporary, self._target)
        except OSError as error:
            try:
                os.rename(aside, self._target)
            except OSError:
                left = f"what was there is in {aside} now, the new folder in {self._temporary}"
                raise OutputError(f"{self.name}: {error.strerror or error}; {left}") from error
            raise
        remove_tree(aside)

    def _named(self, error: OSError) -> OutputError:
        return OutputError(f"{self.name}: {error.strerror or error}")


def _check_replaceable(path: str, name: str) -> None:
    """Raises JobError, with ``name``."""
    if not os.path.isdir(path):
        raise JobError(f"{name}: exists, and is not a directory")
    with os.scandir(path) as entries:
        found = {each.name: not each.is_file() or not _PART.fullmatch(each.name) for each in entries}
    if foreign := sorted(each for each, strange in found.items() if strange):
        raise JobError(f"{name}: exists, and holds {foreign[0]}, which is no part of a model; --overwrite replaces nothing else")
    if found and not {"config.json", "entropy.safetensors"} <= set(found):
        raise JobError(f"{name}: exists, and holds no model; --overwrite replaces nothing else")
