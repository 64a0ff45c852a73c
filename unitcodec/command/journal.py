"""What was coded of a long recording so far, kept beside the output in case that the run is interrupted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import stat
import time
import zlib
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from unitcodec.command.jobs import STANDARD
from unitcodec.command.output import OutputError
from unitcodec.command.temporary import locked
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from unitcodec.encoder.stream import Checkpoint

LEAST_PACKETS = 24
"""A recording with fewer packets (a minute) is coded again from its start: that takes seconds."""

SYNC_SECONDS = 10.0
"""After so long what was written is sure to outlive the machine's failure, too; that of the process it outlives at once."""

LONGEST_LINE = 1 << 20


class Journal:
    """A file of lines: what it is about, then the bytes given since the line before and where the encoder stood after them.

    Used as a ``with`` block around the output. It is removed when the output is there or when it cannot be, and stays where
    the run was interrupted or the output could not be written: an interrupt, a kill, a full disk. Each line has a check, so a
    last one that was cut off is left out. While it is open the file is locked.

    If it cannot be written, the recording is coded without it.
    """

    def __init__(self, source: str, target: str) -> None:
        """Nothing is done yet; nothing will be for pipes, devices and standard streams."""
        self.path: str | None = None
        self._file: BinaryIO | None = None
        self._failed = False
        self._waiting: list[bytes] = []
        self._synced = time.monotonic()
        if STANDARD in (source, target) or not _is_file(source) or (os.path.lexists(target) and not _is_file(target)):
            return
        self._source, self.path = source, journal_path(target)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        interrupted = kind is not None and (not issubclass(kind, Exception) or issubclass(kind, OutputError))
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            if not interrupted and self.path is not None:
                remove_journal(self.path)

    @property
    def kept(self) -> bool:
        """Whether there is something to go on from."""
        return self._file is not None

    def begin(self, about: dict[str, Any], resume: bool) -> tuple[bytes, Checkpoint | None]:
        """Ready for :meth:`add`; with ``resume`` what an interrupted run has left: the bytes that it gave, and where it stood.

        Args:
            about: what makes the bytes what they are, fit for JSON: the model, the options. The recording's size and time of
                change are added.

        Raises:
            UnitcodecError: with ``resume``: another run is writing this output, or what is left is about something else.
        """
        if self.path is None:
            return b"", None
        with contextlib.suppress(OSError):  # gone meanwhile: the reader will say so
            state = os.stat(self._source)
            about = {**about, "size": state.st_size, "changed": state.st_mtime_ns}
        self._about = about
        return self._read() if resume else (b"", None)

    def add(self, data: bytes, checkpoint: Checkpoint | None) -> None:
        """Bytes that follow those before, and where the encoder stands now; None: not at the border of a packet."""
        if self.path is None or self._failed or (not data and not self._waiting):
            return
        self._waiting.append(data)
        if checkpoint is None or checkpoint.packets < LEAST_PACKETS:
            return
        record = {"data": base64.b64encode(b"".join(self._waiting)).decode("ascii"), "at": asdict(checkpoint)}
        try:
            if self._file is None:
                self._file = self._create()
                self._file.write(_line(self._about))
            self._file.write(_line(record))
            self._file.flush()
            if time.monotonic() > self._synced + SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError:  # no room, or another run has it: what is there stays good
            self._failed = True
        self._waiting = []

    def _create(self) -> BinaryIO:
        assert self.path is not None
        file = _open(self.path, os.O_CREAT)
        if locked(file.fileno()) is False:
            file.close()
            raise BlockingIOError
        file.truncate(0)
        return file

    def _read(self) -> tuple[bytes, Checkpoint | None]:
        assert self.path is not None
        try:
            file = _open(self.path)
        except OSError:
            return b"", None
        try:
            if locked(file.fileno()) is False:
                raise UnitcodecError("another run is coding it to the same output")
            about = _record(file.readline(LONGEST_LINE))
            if about is None:
                file.close()
                return b"", None
            if about != json.loads(json.dumps(self._about)):
                changed = [name for name in self._about if about.get(name) != self._about[name]]
                raise UnitcodecError(
                    f"what an interrupted run has left is of another {' and '.join(_WORDS.get(name, name) for name in changed)}; "
                    "without --resume it is coded from the start"
                )
            parts, end = list[bytes](), file.tell()
            checkpoint: Checkpoint | None = None
            while (record := _record(file.readline(LONGEST_LINE))) is not None:
                with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
                    data, checkpoint = base64.b64decode(record["data"], validate=True), _checkpoint(record["at"])
                    parts.append(data)
                    end = file.tell()
                    continue
                break
            file.seek(end)
            file.truncate()
        except BaseException:
            file.close()
            raise
        self._file = file
        return b"".join(parts), checkpoint


_WORDS = {"size": "recording", "changed": "recording (its time of change differs)", "unitcodec": "version of unitcodec"}


def journal_path(target: str) -> str:
    """Where the journal of an output is; a name of fixed length, as the output's own may be the longest there is."""
    folder, name = os.path.split(os.path.realpath(target))
    return os.path.join(folder, f".unitcodec-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.resume")


def remove_journal(path: str) -> None:
    """If there is one."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _open(path: str, flags: int = 0) -> BinaryIO:
    """For reading and writing; not through a link, nor a file of another user, who may have put it there. Raises OSError."""
    flags |= os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o666)
    state = os.fstat(descriptor)
    owners = {os.geteuid(), os.stat(os.path.dirname(path) or ".").st_uid} if hasattr(os, "geteuid") else {state.st_uid}
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1 or state.st_uid not in owners:
        os.close(descriptor)
        raise FileExistsError(path)
    return os.fdopen(descriptor, "r+b")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _checkpoint(given: dict[str, Any]) -> Checkpoint:
    from unitcodec.encoder.stream import Checkpoint

    return Checkpoint(int(given["packets"]), tuple(map(int, given["fields"])), given["rate"], given.get("before"))


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is none, or was cut off."""
    check, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(text):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
