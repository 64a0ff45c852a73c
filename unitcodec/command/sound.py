"""Speech -> sound files; the suffix of a name says of which kind."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from unitcodec.command.jobs import STANDARD, JobError
from unitcodec.command.output import OutputError
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from unitcodec.audio import Samples, Sink

WAV, RAW = ".wav", ".s16"

CODED = {
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".oga": ("OGG", "VORBIS"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
"""libsndfile's names of container and coding."""

BARE = (RAW, ".pcm", ".raw", ".sw")

SLICE = 16000
"""Samples given to libsndfile at once: its Vorbis encoder takes them on the stack."""


def kind_of(target: str, raw: bool = False, rate: int = 16000) -> str:
    """The kind of sound file that a name asks for: WAV, RAW, or a suffix of CODED. Without a suffix it is WAV.

    Raises JobError for a suffix of another kind, for a kind that ``raw`` samples are not, and for a rate (Hz) that it has not.
    """
    suffix = "" if target == STANDARD else os.path.splitext(target)[1].lower()
    if raw and suffix in (WAV, *CODED):
        raise JobError(f"{target}: --raw writes bare samples, and no {suffix}; name it {RAW}")
    if raw or suffix in BARE:
        return RAW
    if suffix in ("", WAV):
        return WAV
    if suffix not in CODED:
        raise JobError(f"{target}: not a kind of sound file that is written; {', '.join((WAV, *CODED, *BARE))} are")
    import soundfile

    try:
        _open(io.BytesIO(), suffix, rate).close()
    except soundfile.SoundFileError as error:
        raise JobError(f"{target}: libsndfile writes no {suffix} at {rate} Hz") from error
    return suffix


def write_sound(output: Sink, blocks: Iterable[Samples], num_samples: int | None, kind: str, rate: int = 16000) -> None:
    """Write blocks of 16 kHz samples as mono sound of a kind that ``kind_of`` gave, resampled to ``rate`` (Hz).

    For the rest see ``unitcodec.audio.write_wav``. Raises OutputError if there is no room for a temporary file, by way of which
    kinds other than WAV and RAW are written, and UnitcodecError where such a kind would hold no samples.
    """
    from unitcodec.audio import SAMPLE_RATE, write_wav

    if rate != SAMPLE_RATE:
        blocks = _resampled(blocks, rate)
        num_samples = None if num_samples is None else -(-num_samples * rate // SAMPLE_RATE)
    if kind in (WAV, RAW):
        write_wav(output, blocks, num_samples, rate, raw=kind == RAW)
        return
    # Some headers are written last, and a pipe cannot go back.
    with tempfile.TemporaryFile(prefix="unitcodec-", buffering=0) as spool:
        with contextlib.closing(_Coded(spool, kind, rate)) as coded:
            write_wav(coded, blocks, num_samples, rate, raw=True)
            if not coded.written:  # what libsndfile makes of nothing, no player opens
                raise UnitcodecError(f"not one sample to write; a {kind} file needs one, .wav does not")
        spool.seek(0)
        while data := spool.read(1 << 20):
            output.write(data)


class _Coded:
    """Takes 16-bit samples, and writes what libsndfile makes of them."""

    def __init__(self, file: BinaryIO, kind: str, rate: int) -> None:
        self._watched = _Watched(file)
        self._sound = _open(self._watched, kind, rate)
        self.written = False

    def write(self, data: bytes) -> None:
        self.written = self.written or bool(data)
        for start in range(0, len(data), 2 * SLICE):
            with self._watched:
                self._sound.buffer_write(data[start : start + 2 * SLICE], dtype="int16")

    def close(self) -> None:
        with self._watched:
            self._sound.close()


class _Watched:
    """A file that libsndfile calls, through which no exception can come; it is raised on leaving the ``with`` block."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell, self.read = file.seek, file.tell, file.read
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            return 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        if self.error is not None:
            # Whatever libsndfile made of it.
            error, self.error = self.error, None
            raise OutputError(f"a temporary file in {tempfile.gettempdir()}: {error.strerror or error}") from error


def _open(file: Any, kind: str, rate: int) -> Any:
    """A file open for writing, as soundfile has it. Raises soundfile.SoundFileError."""
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        """Else soundfile seeks after each block, which not every coding takes well."""

        def seekable(self) -> bool:
            return False

    form, coding = CODED[kind]
    return Forward(file, "w", rate, 1, coding, format=form)


def _resampled(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """16 kHz -> ``rate``; the whole has its length times the ratio, rounded up."""
    import numpy as np
    import soxr

    from unitcodec.audio import SAMPLE_RATE

    stream, taken, given = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="float32", quality="HQ"), 0, 0
    for block in blocks:
        taken += len(block)
        piece = stream.resample_chunk(block)
        given += len(piece)
        yield piece
    # soxr rounds the length to the nearest; a little silence behind the end lets it be rounded up.
    silence = np.zeros(SAMPLE_RATE // rate + 2, np.float32)
    yield stream.resample_chunk(silence, last=True)[: -(-taken * rate // SAMPLE_RATE) - given]
