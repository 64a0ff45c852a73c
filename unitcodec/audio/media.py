"""Audio that FFmpeg reads, through PyAV: MP3, Ogg, AAC, MP4, Matroska and whatever else libsndfile does not read exactly.

Why PyAV and not libsndfile, which knows MP3 and Ogg too: libsndfile stops where it takes an MP3 to end, by its header or by a
guess, at the first damage, and at the end of the first link of an Ogg file, and says nothing; and libmpg123 inside it writes to
the terminal. Of sound files their lengths are the same, and their samples but for rounding. Why PyAV and not the ffmpeg command:
pip brings it, and nothing has to be installed beside it. What it costs: a wheel of 35 MB. PyAV is under the BSD licence; the
FFmpeg in its wheels calls itself LGPL 3, but x264 and x265, which are GPL, are bound to it: who passes the wheels on has to keep
to that. Nothing here is needed to read WAV, FLAC and the like: without PyAV these are read as ever, and the rest is refused in
one line.

Nobody vouches for what comes in, so FFmpeg gets one open file and may open no other, by name or over a network; it knows the
formats and decoders listed here alone, and no video is decoded. Blocks are small, whatever the file's length.
"""

from __future__ import annotations

import bisect
import io
import itertools
import mmap
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

import numpy as np

from ..arrays import Samples
from .headers import MOST_FILES, Size, mp3_problem, ogg_links, sized_files, to_the_end
from .mixing import to_float32
from .starts import kind_at, untagged
from .tables import states_too_much

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer


SELF_FRAMING = ("aac", "ac3", "amr", "eac3", "loas", "mp3", "mpeg", "mpegts", "ogg")
"""Formats whose headers do not say how long they are, or not by the clock; FFmpeg guesses."""

FORMATS = (
    *SELF_FRAMING, "aiff", "ape", "asf", "au", "avi", "caf", "flac", "flv", "gsm", "matroska", "webm",
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "tta", "w64", "wav", "wv",
)  # fmt: skip
"""None of them is a list of other files."""

DECODERS = (
    "aac", "ac3", "adpcm_ima_", "adpcm_ms", "alac", "amr", "ape", "dca", "eac3", "flac", "g72", "gsm", "mp1", "mp2", "mp3",
    "opus", "pcm_", "speex", "tta", "vorbis", "wavpack", "wma",
)  # fmt: skip
"""How the names begin of those that are used."""

_BLOCK = 1 << 16  # samples (frames times channels) handed out at once
_TOLERANCE = 0.25  # seconds by which a stated length may be wrong
_EXACT = 1e-3  # the same in FLAC; a frame has more
_GAP = 0.05  # seconds between two packets of an Ogg file from which something is missing
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS", b"\0\0\0\0")  # what lies between and behind MP3s and is no damage


CURE = "convert it to WAV first (ffmpeg -i IN OUT.wav)"
"""Of a file that is sound but is not read; the ffmpeg of one's own may know more kinds."""


class MediaError(Exception):
    """It cannot be read; the text, where there is one, says why."""


class Media:
    """The first audio stream of a file, in blocks.

    Attributes:
        sample_rate, channels: of the first block. Later ones may have others.
        frames: about how many there are; None where the file does not say.
        floating: bare floating-point samples, which may be of any size.
        problem: what the file announces and does not hold; known at the latest when the blocks are used up.
    """

    def __init__(self, path: str) -> None:
        """Raises MediaError, OSError."""
        try:
            import av
        except ImportError as error:
            raise MediaError("it takes PyAV to read this: pip install av") from error
        self._av = av
        self.problem: str | None = None
        self.frames: int | None = None
        self.floating = False
        self._decoded = self._damaged = 0  # packets
        self._missing = 0.0  # seconds
        self._first_loss: float | None = None
        self._open_end = False
        self._behind: str | None = None  # what follows the file
        self._tracks = 1
        self._file = open(path, "rb")  # noqa: SIM115
        self._blocks = self._decode()
        try:
            first = next(self._blocks, None)
        except BaseException:
            self.close()
            raise
        if first is None:
            self.close()
            raise MediaError(f"holds no samples that can be decoded; {CURE}, or get it again if that fails too")
        self._first = first
        self.sample_rate, self.channels = first[0], first[1].shape[1]

    def blocks(self) -> Iterator[tuple[int, Samples]]:
        """Sample rates in Hz and samples ``(T, channels)``, full scale 1.0. Once only."""
        yield self._first
        yield from self._blocks

    @property
    def notes(self) -> list[str]:
        """What else a listener should know when the blocks are used up."""
        notes = []
        if self._damaged:
            notes.append(f"{self._damaged} of {self._damaged + self._decoded} packets are damaged")
        if self._missing:
            notes.append(f"{self._missing:.2f} s are damaged or missing")
        if notes:
            notes[-1] += f" (first at {self._first_loss:.2f} s); the rest is coded"
        if self._open_end:
            notes.append("the end is not marked as such; what may have followed is not there")
        if self._behind is not None:
            notes.append(self._behind)
        if self._tracks > 1:
            notes.append(f"holds {self._tracks} audio tracks; the first is coded")
        return notes

    def close(self) -> None:
        self._blocks.close()
        self._file.close()

    def _decode(self) -> Generator[tuple[int, Samples]]:
        """Blocks of ``_BLOCK`` samples or one of the decoder's frames more, as these are small."""
        held: list[Samples] = []
        rate = size = 0
        for frame in self._frames():
            samples = _samples(frame)
            if held and (size >= _BLOCK or frame.sample_rate != rate or samples.shape[1] != held[0].shape[1]):
                yield rate, np.concatenate(held)
                held, size = [], 0
            rate, size = frame.sample_rate, size + samples.size
            held.append(samples)
        if held:
            yield rate, np.concatenate(held)

    def _frames(self) -> Iterator[AudioFrame]:
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            files = sized_files(data)
            links = [link for file, _ in files if data[file.start : file.start + 4] == b"OggS" for link in ogg_links(data, file)]
            if max(len(files), len(links)) > MOST_FILES:
                raise MediaError(f"holds more than {MOST_FILES} files end to end; code them one by one")
            pieces = [(piece, _options(data, file, size)) for file, size in files for piece in _pieces(data, file, size)]
            sizes = [size for _, size in files if size is not None]
            # FFmpeg passes over what is no FLAC without a word.
            sizes += [
                Size(1, 1, None, len(span))
                for spans, _ in pieces
                if kind_at(data, spans[0].start) == "FLAC"
                for span in spans[1:]
            ]
            self._behind = next((size.note for size in sizes if size.note), None)
            self.problem = next((size.problem for size in sizes if size.problem), None)
            for file, _ in files:
                if kind_at(data, file.start) in (None, "MP4") and states_too_much(data, file):
                    cure = "copy or download it again, whole"
                    raise MediaError(f"cut short or damaged: its index states more samples than it has bytes for; {cure}")
            for spans, _ in pieces:
                if self.problem is None and kind_at(data, spans[0].start) in (None, "MP3"):
                    self.problem = mp3_problem(data, spans, file)
        if not all(link.whole for link in links):
            self.problem = "cut short: a last page is not all there"
        elif not all(link.ended for link in links):
            self._open_end = True
        # FFmpeg goes on from one into the next only where it is of the very same kind.
        for spans, options in pieces:
            try:
                with self._open(_Spans(self._file, spans), options) as container:
                    yield from self._frames_of(container)
            except MediaError as error:
                if not self._decoded:
                    raise
                self.problem = self.problem or f"a later part of it: {str(error) or 'cannot be read'}"
        if self._damaged > self._decoded:
            self.problem = f"{self._damaged} of {self._damaged + self._decoded} packets are damaged"

    def _open(self, file: _Spans, options: dict[str, str]) -> InputContainer:
        decoders = sorted(name for name in self._av.codecs_available if name.startswith(DECODERS))
        options = {**options, "format_whitelist": ",".join(FORMATS), "codec_whitelist": ",".join(decoders)}
        try:
            return cast("InputContainer", self._av.open(file, options=options, io_open=_refuse))
        except self._av.FFmpegError as error:
            file.seek(4)
            cut = file.read(4) == b"ftyp"
            cure = "copy or download it again, whole; nothing can be salvaged without that index (the moov atom)"
            raise MediaError(f"cut short: an MP4 without the index of its sound; {cure}" if cut else "") from error

    def _frames_of(self, container: InputContainer) -> Iterator[AudioFrame]:
        if not container.streams.audio:
            raise MediaError("holds no audio; give a file that has an audio track")
        self._tracks = max(self._tracks, len(container.streams.audio))
        stream = container.streams.audio[0]
        context, kind = stream.codec_context, container.format.name
        if context is None or not context.codec.name.startswith(DECODERS):
            coding = "unknown" if context is None else context.codec.name
            raise MediaError(f"its audio is coded in a way that is not read ({coding}); {CURE}")
        context.thread_count = 1
        if context.codec.name == "flac":
            context.options = {"err_detect": "crccheck+explode"}  # else what is damaged is played
        self.floating = context.codec.name.startswith("pcm_f")
        start, duration = ((time or 0) / self._av.time_base for time in (container.start_time, container.duration))
        self.frames = round(duration * context.sample_rate) or None
        end = sounding = 0.0  # of all streams, by their clock; of the audio, as it was decoded
        heard: float | None = None  # end of the audio
        try:
            for packet in container.demux():
                time = None if packet.pts is None else float(packet.pts * packet.time_base)
                after = None if time is None else time + float((packet.duration or 0) * packet.time_base)
                # A last packet that cannot be decoded was cut through; of FLAC all that was not decoded is counted below.
                # Not packet.stream_index: every stream, of chapters too, is ended by a packet in which that is 0.
                other = packet.stream.index != stream.index
                if kind == "flac" or other:
                    end = max(end, after or 0.0)
                if other:
                    continue
                if kind == "ogg" and heard is not None and time is not None and time - heard > _GAP:
                    self._missing += time - heard
                    self._lost_at(heard)
                if kind == "flac" and time is not None and time - start - sounding > _EXACT:
                    self._lost_at(heard or 0.0)
                heard = after if after is not None else heard
                try:
                    frames = packet.decode()
                except self._av.FFmpegError:
                    if not bytes(packet).startswith(_TAGS):
                        self._damaged += kind != "flac"  # counted below
                        self._lost_at(heard or 0.0 if time is None else time)
                    continue
                end = max(end, after or 0.0)
                self._decoded += packet.size > 0
                for frame in cast("list[AudioFrame]", frames):
                    sounding += frame.samples / frame.sample_rate
                    yield frame
        except self._av.FFmpegError:
            self.problem = f"what follows {sounding:.2f} s cannot be read"
        held = max(end - start, sounding)
        if kind == "flac" and (whole := max(duration, held)) - sounding > _EXACT:
            # All that FFmpeg leaves out is counted: what its parser passes over comes as no packet.
            self._lost_at(sounding)
            first = min(self._first_loss or 0.0, sounding)
            what = "damaged" if sounding - first > _EXACT else "cut short"
            found = f"{what}: {sounding:.2f} of {whole:.2f} s are there (the first loss at {first:.2f} s)"
            self.problem = "; ".join(filter(None, [self.problem, found]))
        elif kind not in SELF_FRAMING and held < duration - _TOLERANCE:
            self.problem = f"cut short: {held:.2f} of {duration:.2f} s are there"

    def _lost_at(self, time: float) -> None:
        if self._first_loss is None:
            self._first_loss = time


class _Spans(io.RawIOBase):
    """Parts of a file as a file."""

    def __init__(self, file: BinaryIO, spans: Sequence[range]) -> None:
        self._file, self._spans, self._position = file, spans, 0
        self._begins = list(itertools.accumulate(map(len, spans), initial=0))
        self._size = self._begins.pop()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        left = left if size < 0 else min(size, left)
        number, pieces = bisect.bisect_right(self._begins, self._position) - 1, []
        skip = self._position - self._begins[number]
        while left and number < len(self._spans):
            self._file.seek(self._spans[number].start + skip)
            pieces.append(self._file.read(min(left, len(self._spans[number]) - skip)))
            left -= len(pieces[-1])
            number, skip = number + 1, 0
        data = b"".join(pieces)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position


def _pieces(data: mmap.mmap, file: range, size: Size | None) -> list[list[range]]:
    """What FFmpeg opens of a file one after another, each as the parts of it that are to be decoded."""
    head = data[file.start : file.start + 4]
    if head == b"OggS":
        return [[range(link.start, link.stop)] for link in ogg_links(data, file)]
    if head[:3] != b"ID3" and head[:1] != b"\xff" and head != b"fLaC":  # a tag, MPEG audio or AAC, FLAC
        # Some of FFmpeg's readers take a tag behind it for more of it.
        stop = file.stop if size is None or size.end is None or size.behind else min(file.stop, size.end)
        return [[range(file.start, stop)]]
    pieces: list[list[range]] = []
    for span in untagged(data, file) or [file]:  # nothing but tags: FFmpeg has to say so
        if pieces and not (kind_at(data, pieces[0][0].start) == "FLAC" and kind_at(data, span.start)):
            pieces[-1].append(span)
        else:
            pieces.append([span])
    return pieces


def _options(data: mmap.mmap, file: range, size: Size | None) -> dict[str, str]:
    """FFmpeg takes an RF64 that nobody closed for an empty one."""
    if size is None or data[file.start : file.start + 4] not in (b"RF64", b"BW64"):
        return {}
    return {"ignore_length": "1"} if to_the_end(size.announced) or (size.announced == 0 and size.behind) else {}


def _samples(frame: AudioFrame) -> Samples:
    """(T, channels)"""
    array = frame.to_ndarray()  # (channels, T), or (1, T * channels)
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    return to_float32(array, "audio").T


def _refuse(url: str, flags: int, options: object) -> NoReturn:
    raise PermissionError(f"{url} is another file")
