"""Audio in and out: files and pipes, mixing to mono, resampling to 16 kHz.

Everything runs in blocks, so memory does not grow with duration, and everything goes through one mixer and one resampler,
so that a file read in blocks and the same samples handed over as an array give the same codes.

What libsndfile reads exactly (WAV, AIFF, FLAC, CAF and others) it reads, ``media`` reads the rest. Nothing is lost in silence: a
file that announces more than it holds is refused, or coded with an ``AudioWarning`` where that is asked for.

One rule for lengths, here and everywhere: ``frames`` at ``rate`` Hz become ``ceil(frames * 16000 / rate)`` samples. Audio
that is not empty therefore never becomes empty.

>>> import numpy as np
>>> to_mono_16k(np.zeros((2, 48000)), 48000).shape
(16000,)
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Protocol, SupportsInt

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from unitcodec.audio.live import open_live
from unitcodec.audio.mixing import Mixer, peak_of, scale_down, to_float32
from unitcodec.audio.raw import RawFormat
from unitcodec.audio.sources import Source, open_source
from unitcodec.errors import AudioError, AudioWarning, is_url, reason, warn

SAMPLE_RATE = 16000
"""Rate, in Hz, at which the codec works and writes."""

MIN_SAMPLE_RATE = 8000
"""Lowest input rate, in Hz: below it the speech band itself is missing."""

MAX_SAMPLE_RATE = 10_000_000
"""Highest input rate, in Hz: beyond it the number is wrong, and resampling would take for ever."""

MAX_CHANNELS = 1024
"""As in libsndfile; an array with more rows than this was handed over transposed."""

NARROW = 2.0**-16
"""Full scale of 16 bits in a type of 32."""

Samples = NDArray[np.float32]

_COPY_BYTES = 1 << 20


def resampled_length(frames: int, sample_rate: int) -> int:
    """Number of samples at 16 kHz that ``frames`` at ``sample_rate`` Hz become: the quotient rounded up.

    >>> resampled_length(1, 48000), resampled_length(48000, 48000), resampled_length(8001, 8000)
    (1, 16000, 16002)
    """
    return -(-frames * SAMPLE_RATE // sample_rate)


def open_reader(
    source: str | os.PathLike[str] | BinaryIO, name: str | None = None, raw: RawFormat | None = None, salvage: bool = False
) -> Reader:
    """Open audio for reading in blocks.

    Args:
        source: a path, or a binary stream (standard input, a socket, ``io.BytesIO``). Of pipes, named ones too, WAV and raw
            samples are read as they come. All other streams are copied to a temporary file first: what decodes them seeks.
        name: what messages call it; the path by default.
        raw: what it is, for bare samples without a header.
        salvage: read what there is of a file that is damaged or cut short, and warn, instead of refusing it.

    Raises:
        AudioError: not readable, not audio, or a rate below 8 kHz.
    """
    return Reader(source, name, raw, salvage)


class Sink(Protocol):
    """Anything that takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


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
            _check_rate(self.sample_rate, self.name)
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
            _check_rate(rate, self.name)
            mixer, resampler = Mixer(channels, rate, self.name, scale, seconds), _Resampler(rate)
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
            live, head = (None, b"") if stream.seekable() else open_live(stream, self.name, self._raw)
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
                ended = not spool.tell() and getattr(stream, "seekable", lambda: False)() and stream.tell() > 0
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


def _shown(path: str) -> str:
    """What messages call a path."""
    if not path:
        return "''"
    return path if is_url(path) else str(Path(path))


class _Resampler:
    """Mono to 16 kHz in a stream; the length is ``resampled_length`` of the whole, whatever the blocks were."""

    def __init__(self, sample_rate: int) -> None:
        self.frames = 0  # pushed so far
        self._rate = sample_rate
        self._done = 0
        self._stream: Any = None
        if sample_rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def push(self, mono: Samples) -> Samples:
        self.frames += len(mono)
        return mono if self._stream is None else self._count(self._stream.resample_chunk(mono))

    def finish(self) -> Samples:
        if self._stream is None or self.frames == 0:
            return np.zeros(0, np.float32)
        # soxr rounds the length to the nearest; a little silence behind the end lets it be rounded up.
        silence = np.zeros(self._rate // SAMPLE_RATE + 2, np.float32)
        left = resampled_length(self.frames, self._rate) - self._done
        return self._count(self._stream.resample_chunk(silence, last=True)[:left])

    def _count(self, block: Samples) -> Samples:
        self._done += len(block)
        return block


def to_mono_16k(waveform: ArrayLike, sample_rate: SupportsInt, name: str = "waveform") -> Samples:
    """Mix to mono and resample to 16 kHz, exactly as a file of the same samples would be.

    Args:
        waveform: ``(T,)`` or ``(channels, T)``; floating point with full scale 1.0, or integers of up to 32 bits with the
            full scale of their type (``uint8`` is centred on 128, as in WAV).
        sample_rate: Hz, a whole number of any type, at least 8000.
        name: what messages call it.

    Returns:
        ``(ceil(T * 16000 / sample_rate),)``, float32.

    Raises:
        AudioError: wrong shape or type, a rate that is none or below 8 kHz, or samples that are NaN or infinite.
    """
    array = np.asarray(waveform)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[0] == 0):
        raise AudioError(f"{name}: shape (T,) or (channels, T) expected, not {array.shape}")
    array = np.atleast_2d(array)
    if array.shape[0] > MAX_CHANNELS:
        raise AudioError(f"{name}: {array.shape[0]} channels of {array.shape[1]} samples; channels come first, transpose it")
    rate = _check_rate(sample_rate, name)
    frames = to_float32(array, name).T
    peak = peak_of(frames)
    if array.dtype.kind == "i" and array.dtype.itemsize == 4 and 0 < peak <= NARROW:
        warn(
            f"{name}: its {array.dtype} samples are as small as those of int16, here next to silence; make them int16",
            AudioWarning,
        )
    mixer, resampler = Mixer(frames.shape[1], rate, name, scale_down(peak, name)), _Resampler(rate)
    mono = np.concatenate([mixer.push(frames), mixer.finish()])
    return np.concatenate([resampler.push(mono), resampler.finish()])


def write_wav(
    target: str | os.PathLike[str] | Sink,
    blocks: Iterable[Samples],
    num_samples: int | None,
    sample_rate: int = SAMPLE_RATE,
    raw: bool = False,
) -> None:
    """Write mono 16-bit PCM: a WAV file, or with ``raw`` the bare little-endian samples.

    The length is stated in advance, so ``target`` may be a pipe. Above 4 GiB the header is RF64's. Samples are rounded to
    the nearest and clipped to full scale.

    Args:
        target: a path, or anything with ``write(bytes)``.
        blocks: float ``(T,)`` each, full scale 1.0.
        num_samples: their total length. None if only their end will tell: the header then states the largest length there is,
            as is usual in pipes.
        sample_rate: Hz.
        raw: no header.

    Raises:
        AudioError: the blocks hold more or fewer than ``num_samples``.
        OSError: as the system says.
    """
    if isinstance(target, (str, os.PathLike)):
        with open(target, "wb") as stream:
            write_wav(stream, blocks, num_samples, sample_rate, raw)
        return
    if not raw:
        target.write(_wav_header(num_samples, sample_rate))
    written = 0
    for block in blocks:
        written += len(block)
        if num_samples is not None and written > num_samples:
            break
        target.write(_to_pcm16(block).tobytes())
    if num_samples is not None and written != num_samples:
        raise AudioError(f"{num_samples} samples announced, {'more' if written > num_samples else written} given")


def _wav_header(num_samples: int | None, sample_rate: int) -> bytes:
    wave = b"WAVE"
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    if num_samples is None:
        return struct.pack("<4sI", b"RIFF", 0xFFFFFFFF) + wave + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)
    data_bytes = 2 * num_samples
    riff_bytes = len(wave) + len(fmt) + 8 + data_bytes
    if riff_bytes < 1 << 32:
        return struct.pack("<4sI", b"RIFF", riff_bytes) + wave + fmt + struct.pack("<4sI", b"data", data_bytes)
    # EBU Tech 3306: the 32-bit sizes are all ones, the true ones stand in a ds64 chunk in front.
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes + 36, data_bytes, num_samples, 0)
    return struct.pack("<4sI", b"RF64", 0xFFFFFFFF) + wave + ds64 + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)


def _to_pcm16(block: Samples) -> NDArray[np.int16]:
    """Round and clip; the inverse of the division by 32768 on reading."""
    scaled = np.rint(np.asarray(block, np.float32) * np.float32(32768))
    return np.asarray(np.clip(scaled, -32768, 32767), "<i2")


def _check_rate(sample_rate: SupportsInt, name: str) -> int:
    """The rate as an int, whatever type the whole number has: NumPy's narrow ones would overflow. Raises AudioError."""
    try:
        whole = int(sample_rate)
        exact = bool(whole == sample_rate)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # of tensors without a value the last
        whole, exact = -1, False
    if not exact or isinstance(sample_rate, (bool, np.bool_)) or not 0 < whole <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name}: {sample_rate!r:.40} is no sample rate; it takes a whole number of Hz, 16000 or 44100 for instance"
        )
    if whole < MIN_SAMPLE_RATE:
        raise AudioError(
            f"{name}: a sample rate of {whole} Hz is too low for speech; at least {MIN_SAMPLE_RATE} Hz is needed "
            "(if the header is wrong, mend it; else record at a higher rate)"
        )
    return whole
