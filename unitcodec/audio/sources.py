"""Which library reads a file: libsndfile what it reads exactly, FFmpeg (``media``) the rest."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import Protocol

import soundfile

from ..arrays import Samples
from ..errors import AudioError
from .headers import sized_files, to_the_end
from .media import CURE, Media, MediaError
from .raw import ENCODINGS, RawFormat
from .starts import kind_of_stump, untagged

ANOTHER = f"is it a sound file, and whole? If so {CURE}; bare samples: --raw"
"""Where every reader has given up: few formats are let through to FFmpeg, so another program may know it."""

_BLOCK = 1 << 16  # samples (frames times channels) read at once
_UNKNOWN_FRAMES = (1 << 63) - 1  # libsndfile's "the header does not say"

_MPEG_SUFFIXES = (".mp3", ".mp2", ".mp1", ".m1a")


class Source(Protocol):
    """An open file.

    Attributes:
        sample_rate, channels: of the first block, in Hz.
        frames: how many the header announces, in media files about; None where it does not say.
        floating: bare floating-point samples, which may be of any size.
        problem: what the file announces and does not hold; known at the latest when the blocks are used up.
        notes: what else was left out, as far as the blocks are used up.
    """

    sample_rate: int
    channels: int
    frames: int | None
    floating: bool
    problem: str | None

    @property
    def notes(self) -> list[str]: ...

    def blocks(self) -> Iterator[tuple[int, Samples]]:
        """Sample rates in Hz and samples ``(T, channels)``, full scale 1.0. Once only."""

    def close(self) -> None: ...


def open_source(path: str, name: str, raw: RawFormat | None, salvage: bool) -> Source:
    """A regular file, called ``name`` in messages; see ``audio.open_reader``. Raises AudioError."""
    try:
        return _open(path, raw, salvage)
    except OSError as error:
        raise AudioError(f"{name}: {error.strerror or error}") from error
    except MediaError as error:
        raise AudioError(f"{name}: {str(error) or _stump(path) or f'not audio that FFmpeg can read; {ANOTHER}'}") from error


def _open(path: str, raw: RawFormat | None, salvage: bool) -> Source:
    if raw is not None:
        return PlainFile(path, raw)
    with open(path, "rb") as stream:
        head = stream.read(16)
    _refuse_others(head)
    if _is_media(path, head):
        return Media(path)
    try:
        file = PlainFile(path)
    except TypeError as error:  # soundfile asks for a rate where the suffix is .raw
        what = "--raw --rate 16000 --channels 1 --format s16le"
        raise MediaError(f"raw samples without a header; say what they are, for instance: unitcodec encode {what}") from error
    except soundfile.LibsndfileError as error:
        try:
            return Media(path)
        except MediaError as other:
            reason = f"not audio that libsndfile can read ({error.error_string.rstrip('.')}), nor FFmpeg; {ANOTHER}"
            raise MediaError(str(other) or _stump(path) or reason) from other
    # libsndfile stops at damage, and it takes the first of several FLAC files, or a WAV that nobody closed, for all there is.
    if file.more or (salvage and file.is_flac):
        file.close()
        return Media(path)
    return file


def _stump(path: str) -> str:
    """What to say of a file that no reader can read but that begins as sound does; empty of others."""
    with open(path, "rb") as stream:
        kind = kind_of_stump(stream.read(12))
    if kind is None:
        return ""
    return f"cut short or damaged: begins as {kind} does, but no sound is in it; copy or download it again, whole"


def _refuse_others(head: bytes) -> None:
    from bitstream.stream.header import MAGIC  # only here: reading audio needs no bitstream

    if not head:
        raise MediaError("the file is empty; record or copy it again")
    if head.startswith(MAGIC):
        raise MediaError("already a unitcodec stream; decode it with 'unitcodec decode'")


def _is_media(path: str, head: bytes) -> bool:
    """What libsndfile would read, but not all of it: Ogg and MPEG audio, by its first bytes or, behind others, by its name."""
    if head[:4] == b"OggS" or head[:3] == b"ID3" or (head[0] == 0xFF and head[1:2] >= b"\xe0"):
        return True
    return path.lower().endswith(_MPEG_SUFFIXES)


class PlainFile:
    """A file that libsndfile reads exactly, or bare samples: a ``Source``. Raises soundfile.LibsndfileError, OSError."""

    def __init__(self, path: str, raw: RawFormat | None = None) -> None:
        # As bytes, where the system's names are bytes: they need not be valid text.
        name = os.fsencode(path) if os.name == "posix" else path
        if raw is None:
            self._file = _ForwardFile(name)
        else:
            subtype, endian, width = ENCODINGS[raw.encoding]
            self._file = _ForwardFile(name, "r", raw.sample_rate, raw.channels, subtype, endian, "RAW")
        self.sample_rate, self.channels = int(self._file.samplerate), int(self._file.channels)
        frames = int(self._file.frames)
        self.frames = None if frames == _UNKNOWN_FRAMES else frames
        self.floating = self._file.subtype in ("FLOAT", "DOUBLE")
        self.is_flac = self._file.format == "FLAC"
        self.more = False
        self.problem: str | None = None
        self.notes: list[str] = []
        if raw is None:
            self._examine(path)
        elif rest := os.path.getsize(path) % (width * raw.channels):
            self.notes.append(f"{rest} bytes at the end are no whole sample of every channel; left out")

    def blocks(self) -> Iterator[tuple[int, Samples]]:
        done = 0
        try:
            while len(block := self._file.read(max(1, _BLOCK // self.channels), dtype="float32", always_2d=True)):
                done += len(block)
                yield self.sample_rate, block
        except soundfile.LibsndfileError as error:
            self.problem = f"damaged audio: {error.error_string.rstrip('.')}"
        # Only FLAC states a length that is both exact and not mended on opening, as libsndfile mends that of a cut WAV.
        if self.is_flac and self.frames is not None and done < self.frames and self.problem is None:
            self.problem = f"cut short: {done} of {self.frames} samples are there"

    def close(self) -> None:
        self._file.close()

    def _examine(self, path: str) -> None:
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            files = sized_files(data)
            self.more = len(files) > 1 or (self.is_flac and untagged(data) != [range(len(data))])
        found = files[0][1]
        if found is None:
            return
        self.problem = found.problem
        if found.note is not None:
            self.notes.append(found.note)
        unclosed = (
            found.behind > 0 if found.announced == 0 else to_the_end(found.announced) and found.held > 0 and self.frames == 0
        )
        self.more = self.more or unclosed


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that only goes forward.

    soundfile seeks to the current position after each block where it can; in FLAC of unknown length that fails.
    """

    def seekable(self) -> bool:
        return False
