"""Files and pipes -> mono blocks at 16 kHz.

Everything runs in blocks, so memory does not grow with duration, and everything goes through one mixer and one resampler,
so that a file read in blocks and the same samples handed over as an array give the same codes.

What libsndfile reads exactly (WAV, AIFF, FLAC, CAF and others) it reads, ``media`` reads the rest. Nothing is lost in silence: a
file that announces more than it holds is refused, or coded with an ``AudioWarning`` where that is asked for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn

from ..arrays import Samples
from ..errors import AudioError, AudioWarning, is_url, reason, warn
from .mixing import Mixer, peak_of, scale_down
from .pipe import open_pipe
from .raw import RawFormat
from .resampling import Resampler, check_rate
from .sources import Source, open_source

_COPY_BYTES = 1 << 20


def open_reader(
    source: str | os.PathLike[str] | BinaryIO, name: str | None = None, raw: RawFormat | None = None, salvage: bool = False
) -> Reader:
    """Open audio for reading in blocks.

    Args:
        source: a path, or a binary stream (standard input, a socket, ``io.BytesIO``). From pipes, also named ones, WAV and raw
            samples are read as they come. All other streams are copied to a temporary file first, because their decoders seek.
        name: what messages call it; the path by default.
        raw: the format of bare samples without a header.
        salvage: read what is left of a file that is damaged or cut short, and warn, instead of refusing it.

    Raises:
        AudioError: not readable, not audio, or a rate below 8 kHz.
    """
    return Reader(source, name, raw, salvage)


class Reader:
    """Audio as mono float32 blocks ``(T,)`` at 16 kHz. Made by ``open_reader``.

    Attributes:
        name: what messages call the file.
        sample_rate: the file's own, Hz.
        channels: the file's own.
        frames: the length that the header states, in samples a channel at ``sample_rate``; None when it does not say. For what
            ``media`` reads this is an estimate.
        num_samples: samples at 16 kHz handed out so far; the exact length once the blocks are used up.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        raw: RawFormat | None = None,
        salvage: bool = False,
    ) -> None:
        self.num_samples = 0
        self._raw, self._salvage = raw, salvage
        self._spool: str | None = None
        self._pipe: BinaryIO | None = None  # opened here
        self._source: Source | None = None
        if isinstance(source, (str, os.PathLike)):
            self.name = name or _shown(os.fsdecode(source))
        else:
            self.name = name or str(getattr(source, "name", "stream"))
        try:
            self._source = self._opened(source)
            self.sample_rate, self.channels, self.frames = self._source.sample_rate, self._source.channels, self._source.frames
            check_rate(self.sample_rate, self.name)
            if self._source.problem is not None and not salvage:
                self._refuse(self._source.problem)
        except BaseException:
            self.close()
            raise

    @property
    def duration(self) -> float | None:
        """Length that the header states, in seconds; None when it does not say."""
        return None if self.frames is None else self.frames / self.sample_rate

    def __iter__(self) -> Iterator[Samples]:
        """Mono blocks ``(T,)`` at 16 kHz, float32, full scale 1.0, together ``resampled_length(frames read)`` samples.

        Warns of what was left out or changed (AudioWarning).

        Raises:
            AudioError: a sample is NaN or infinite, the file is damaged or cut short, or it holds no samples.
        """
        if self._source is None:
            raise ValueError("the reader is closed")
        scale = self._scale() if self._source.floating else 1.0
        seconds = 0.0
        # Nearly always one: streams that were put end to end may differ.
        for (rate, channels), blocks in itertools.groupby(self._source.blocks(), lambda block: (block[0], block[1].shape[1])):
            check_rate(rate, self.name)
            mixer, resampler = Mixer(channels, rate, self.name, scale, seconds), Resampler(rate)
            for _, block in blocks:
                yield from self._counted(resampler.push(mixer.push(block)))
            yield from self._counted(resampler.push(mixer.finish()))
            yield from self._counted(resampler.finish())
            seconds += resampler.frames / rate
        if self._source.problem is not None and not self._salvage:
            self._refuse(self._source.problem)
        if self.num_samples == 0:
            raise AudioError(f"{self.name}: holds no samples")
        for note in filter(None, [self._source.problem, *self._source.notes]):
            warn(f"{self.name}: {note}", AudioWarning)

    def close(self) -> None:
        """Close the file and remove the temporary copy, if there was one."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._spool is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._spool)
            self._spool = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> Source:
        return open_source(self._path, self.name, self._raw, self._salvage)

    def _opened(self, source: str | os.PathLike[str] | BinaryIO) -> Source:
        """What reads the source itself, or a temporary copy of it that can be sought in."""
        if not isinstance(source, (str, os.PathLike)):
            return self._from_stream(source)
        self._path = os.fsdecode(source)
        try:
            stream = open(self._path, "rb")  # noqa: SIM115  # the system's own words for what is missing, forbidden or a directory
        except OSError as error:
            raise AudioError(f"{self.name}: {reason(error, self._path)}") from error
        except ValueError as error:  # a null byte, or what the system's encoding does not have
            raise AudioError(f"{self._path!r} cannot be a file's name: {error}") from error
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            return self._open()
        self._pipe = stream
        return self._from_stream(stream)

    def _from_stream(self, stream: BinaryIO) -> Source:
        try:
            live, head = (None, b"") if _seekable(stream) else open_pipe(stream, self.name, self._raw)
        except OSError as error:
            raise AudioError(f"{self.name}: {error.strerror or error}") from error
        if live is not None:
            return live
        self._path = self._copy(stream, head)
        return self._open()

    def _copy(self, stream: BinaryIO, head: bytes) -> str:
        try:
            descriptor, self._spool = tempfile.mkstemp(prefix="unitcodec-")
            with open(descriptor, "wb") as spool:
                spool.write(head)
                shutil.copyfileobj(stream, spool, _COPY_BYTES)
                ended = not spool.tell() and _seekable(stream) and stream.tell() > 0
        except OSError as error:
            where = f"copying to {tempfile.gettempdir()}"
            raise AudioError(f"{self.name}: {where}: {error.strerror or error}") from error
        if ended:
            raise AudioError(
                f"{self.name}: it is read from where it stands, which is its end; seek(0) goes back to the beginning"
            )
        return self._spool

    def _scale(self) -> float:
        """By a reading before the one that counts: the factor has to be known at the first sample."""
        with contextlib.closing(self._open()) as source:
            return scale_down(max((peak_of(block) for _, block in source.blocks()), default=0.0), self.name)

    def _refuse(self, problem: str) -> NoReturn:
        raise AudioError(f"{self.name}: {problem}; --salvage of 'unitcodec encode' and 'units' codes what is there")

    def _counted(self, block: Samples) -> Iterator[Samples]:
        if len(block):
            self.num_samples += len(block)
            yield block


def _seekable(stream: BinaryIO) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())


def _shown(path: str) -> str:
    """What messages call a path."""
    if not path:
        return "''"
    return path if is_url(path) else str(Path(path))
