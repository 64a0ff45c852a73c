"""The whole path, both ways, whatever computes a model's networks: waveform -> codes -> bytes -> codes -> waveform."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from numbers import Real
from typing import BinaryIO, cast, overload

import numpy as np

import bitstream
from bitstream import InvalidCodes, OnError, Packet, PacketReader, PacketWriter, SpeechCodes, UnknownModel
from bitstream.arrays import IntArray
from bitstream.codes import as_codes, require_codes
from bitstream.entropy.find import find_sibling
from bitstream.entropy.spec import SAMPLE_RATE

from .arrays import FloatArray
from .audio.recording import Rate, Recording, as_block, batch_blocks, mono_blocks
from .configuration import Described
from .decoder.conversion import convert
from .decoder.packets import packets_between, packets_of
from .decoder.stream import PIECE, StreamDecoder, decode_whole
from .encoder.effort import checked_effort
from .encoder.rate import above_zero
from .encoder.stream import Checkpoint, StreamEncoder
from .encoder.together import Work, together
from .errors import AudioError

_SLICE = 163840  # samples handed to the encoder at once: about 10 s

RECORDINGS = 8
"""Of a batch that are encoded side by side: each may hold a minute of its samples."""


class AnyCodec(ABC):
    """What codecs have in common, whatever computes their networks."""

    sample_rate = SAMPLE_RATE

    @property
    @abstractmethod
    def described(self) -> Described:
        """The model, as far as it is no networks."""

    @abstractmethod
    def analysis(self, bitrate: float | None = None, effort: int = 0) -> StreamEncoder:
        """A fresh encoder state, for audio that arrives in pieces; ``bitrate`` and ``effort`` as for :meth:`encode`."""

    @abstractmethod
    def _decoder(self, speaker: IntArray) -> StreamDecoder:
        """The decoder of a stream of these fields."""

    @overload
    def encode(  # type: ignore[overload-overlap]  # a path is a sequence of paths, to a type checker
        self, audio: Recording, sample_rate: Rate = None, bitrate: float | None = None, effort: int = 0
    ) -> SpeechCodes: ...
    @overload
    def encode(
        self, audio: Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None, effort: int = 0
    ) -> list[SpeechCodes]: ...
    def encode(
        self,
        audio: Recording | Sequence[Recording],
        sample_rate: Rate = None,
        bitrate: float | None = None,
        effort: int = 0,
    ) -> SpeechCodes | list[SpeechCodes]:
        """Speech -> codes.

        Args:
            audio: a recording, or a list of them. A recording is a file's path; a file that is open for reading bytes, such as
                io.BytesIO; or an array or tensor of samples: float in [-1, 1] or integers of up to 32 bits, (T,), (channels, T)
                or (T, channels). Channels are mixed as those of a file are. A list is a batch, never samples: each recording
                gets the codes that it gets alone. A recording has at least one sample.
            sample_rate: of arrays, in Hz, at least 8000. Files have their own.
            bitrate: bit/s of the file that the codes will make, if that is to be less than they take by themselves. It is
                reached within a minute; the default model reaches 170 bit/s and more. None: the codes nearest to the speech.
            effort: steps, for each packet, of a search for units that are heard as the recording is. 0: no search.

        Returns:
            SpeechCodes, or a list of them for a batch.

        Raises:
            AudioError: anything else, a bad sample rate, NaN or infinite samples, no samples, a file that is not audio. All
                arguments are checked before the first recording of a batch is coded.
            ValueError: a bitrate that is not a number above 0, an effort that is not a whole number from 0 to 1000.
            ModelError: an effort above 0 with a model that cannot search.
        """
        if bitrate is not None:
            above_zero(bitrate)
        checked_effort(effort)
        if isinstance(audio, (list, tuple)):
            return self._encode(batch_blocks(audio, sample_rate), bitrate, effort)
        return self._encode([mono_blocks(cast(Recording, audio), sample_rate)], bitrate, effort)[0]

    def encode_blocks(self, blocks: Iterable[FloatArray], bitrate: float | None = None, effort: int = 0) -> SpeechCodes:
        """Blocks of mono float32 samples at 16 kHz, of any lengths -> codes; ``bitrate`` and ``effort`` as for :meth:`encode`.

        Raises AudioError for anything that is not such blocks, and if they hold no sample at all; otherwise as :meth:`encode`.
        """
        return self._encode([blocks], bitrate, effort)[0]

    def _encode(self, recordings: Sequence[Iterable[FloatArray]], bitrate: float | None, effort: int) -> list[SpeechCodes]:
        """Of recordings in blocks, a few of them at a time, the packets of these side by side."""
        codes: dict[int, SpeechCodes] = {}
        waiting, open_ = enumerate(recordings), dict[int, _Encoding]()
        while len(codes) < len(recordings):
            for index, blocks in islice(waiting, RECORDINGS - len(open_)):
                open_[index] = _Encoding(self.analysis(bitrate, effort), _portions(blocks))
            encodings = list(open_.values())
            found = together(encodings[0].encoder.packets.decide, [each.go_on() for each in encodings])
            for index, packets in zip(list(open_), found, strict=True):
                open_[index].packets += packets
                if open_[index].complete:
                    codes[index] = self._codes(open_.pop(index))
        return [codes[index] for index in range(len(recordings))]

    def _codes(self, encoding: _Encoding) -> SpeechCodes:
        encoder, entropy = encoding.encoder, self.described.entropy
        assert encoder.fields is not None
        units = np.concatenate([np.zeros((len(entropy.spec.rows), 0), np.int32)] + [units for units, _ in encoding.packets], 1)
        f0 = np.concatenate([np.zeros(0, np.int32)] + [f0 for _, f0 in encoding.packets])
        return SpeechCodes(units, f0, encoder.fields.codes(), encoder.num_samples, entropy.fingerprint)

    @overload
    def decode(self, codes: SpeechCodes) -> FloatArray: ...
    @overload
    def decode(self, codes: Sequence[SpeechCodes]) -> list[FloatArray]: ...
    def decode(self, codes: SpeechCodes | Sequence[SpeechCodes]) -> FloatArray | list[FloatArray]:
        """Codes -> waveform (num_samples,) at 16 kHz, float32 NumPy; a list of codes -> a list of waveforms.

        The waveforms of a list are those that each has alone. On a GPU 16 are spoken side by side, but for rounding the same.

        Raises bitstream.InvalidCodes, before anything is decoded, for anything that is not codes of this model.
        """
        if isinstance(codes, (list, tuple)):
            return self._speak_all([self._check(one, f"codes[{index}]") for index, one in enumerate(codes)])
        return self._speak(self._check(codes))

    def decode_blocks(self, codes: SpeechCodes) -> Iterator[FloatArray]:
        """Codes -> blocks of float32 samples at 16 kHz, about 10 s each, together num_samples.

        Raises bitstream.InvalidCodes, before the first block, if the codes are not this model's.
        """
        self._check(codes)
        return _cut(self._decoder(codes.speaker).run(packets_of(codes, self.described.entropy.spec)), codes.num_samples)

    def convert(self, codes: SpeechCodes, voice: IntArray) -> SpeechCodes:
        """Voice conversion: the same words and intonation in another's voice, mean F0, range and level.

        Args:
            codes: what is said.
            voice: (fields,), the ``speaker`` of the codes of any speech in the wanted voice, such as ``encode(path).speaker``.

        Raises:
            bitstream.InvalidCodes: the codes or the voice are not this model's.
        """
        self._check(codes)
        try:
            voice = as_codes("voice", voice, 1)
        except InvalidCodes as error:
            raise InvalidCodes(f"{error}; a voice is the speaker of codes, encode('voice.wav').speaker for instance") from error
        return convert(self.described, codes, voice)

    @overload
    def compress(  # type: ignore[overload-overlap]
        self, audio: Recording, sample_rate: Rate = None, bitrate: float | None = None, effort: int = 0
    ) -> bytes: ...
    @overload
    def compress(
        self, audio: Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None, effort: int = 0
    ) -> list[bytes]: ...
    def compress(
        self,
        audio: Recording | Sequence[Recording],
        sample_rate: Rate = None,
        bitrate: float | None = None,
        effort: int = 0,
    ) -> bytes | list[bytes]:
        """Speech -> the bytes of a ``.uc`` file, a list of them for a batch. Arguments and errors as for :meth:`encode`."""
        if isinstance(audio, (list, tuple)):
            return bitstream.pack_many(self.encode(audio, sample_rate, bitrate, effort), self.described.entropy)
        return bitstream.pack(self.encode(cast(Recording, audio), sample_rate, bitrate, effort), self.described.entropy)

    def decompress(self, data: bytes, on_error: OnError = "strict", max_seconds: float | None = None) -> tuple[FloatArray, int]:
        """Bytes of a ``.uc`` file -> (waveform (num_samples,) float32, 16000).

        Args:
            data: the file's bytes.
            on_error: what is done about damage. "strict": it is an error. "conceal": in the place of packets that are damaged or
                missing, the sound before them is held for 0.3 s and fades; the rest is decoded. "salvage": also what is left of
                a stream that has lost its end or its header is decoded.
            max_seconds: a longer stream is refused before anything is spoken. None is safe with files from anywhere, and refuses
                no recording: only the silence in the place of damaged or missing packets is limited, to an hour in all, because
                a few bytes can claim any number of them.

        Raises:
            bitstream.BitstreamError: the bytes are damaged, no stream, or of another model; bitstream.TooLong: it is too long.
        """
        reader = self._reader(data, on_error, max_seconds)
        if isinstance(data, (bytes, bytearray, memoryview)):
            for _ in reader.slots():  # what is wrong with the bytes is said now
                pass
            reader.seek(0)
        blocks = list(self.decompress_blocks(reader))
        return (np.concatenate(blocks) if blocks else np.zeros(0, np.float32)), self.sample_rate

    def compress_blocks(self, blocks: Iterable[FloatArray], bitrate: float | None = None, effort: int = 0) -> Iterator[bytes]:
        """Blocks of mono float32 samples at 16 kHz, of any lengths -> the bytes of a ``.uc`` file, in pieces as they are ready.

        The header waits for the speaker code, and each packet for the F0 of the next one. ``bitrate`` and ``effort`` are as for
        :meth:`encode`. Raises what :meth:`encode_blocks` does: for bitrate and effort at once, for blocks as they come.
        """
        return self._compress(FileEncoder(self, bitrate, effort=effort), blocks)

    def _compress(self, encoder: FileEncoder, blocks: Iterable[FloatArray]) -> Iterator[bytes]:
        for portion in _portions(blocks):
            yield from encoder.push(portion)
        yield from encoder.flush()

    def decompress_blocks(
        self,
        stream: bytes | BinaryIO | PacketReader,
        on_error: OnError = "strict",
        start: float = 0.0,
        duration: float | None = None,
        max_seconds: float | None = None,
    ) -> Iterator[FloatArray]:
        """A ``.uc`` stream -> blocks of float32 samples at 16 kHz, about 10 s each, as soon as their packets are there.

        Args:
            stream: the bytes, a file, a pipe, or a reader of one. From a pipe a block is one packet. It comes when the next
                packet is there, which its sound depends on.
            on_error: as for :meth:`decompress`.
            start, duration: in seconds, the part that is wanted. No more than it needs is decoded; the voice's phase begins anew.
            max_seconds: as for :meth:`decompress`, but a longer stream is refused at the place where it gets too long. A reader
                has a limit of its own.

        Raises:
            bitstream.BitstreamError: with the first block or later.
            TypeError: with the first block, for anything that is not a stream.
            ValueError: at once, for a start or a duration that is not a number of at least 0.
        """
        _check_seconds("start", start)
        _check_seconds("duration", 0.0 if duration is None else duration)
        return self._decompress(stream, on_error, start, duration, max_seconds)

    def _decompress(
        self,
        stream: bytes | BinaryIO | PacketReader,
        on_error: OnError,
        start: float,
        duration: float | None,
        max_seconds: float | None,
    ) -> Iterator[FloatArray]:
        reader = self._reader(stream, on_error, max_seconds)
        find_sibling(self.described.entropy, reader.entropy.fingerprint)
        decoder, packets, done = self._decoder(reader.speaker), cast(Iterator[Packet], reader), 0
        begin, end = round(start * self.sample_rate), None
        if start or duration is not None:
            size, around = reader.entropy.spec.packet_samples, decoder.context * reader.entropy.spec.unit_hop
            first, stop = max(0, begin - around) // size, None
            if duration is not None:
                end = begin + round(duration * self.sample_rate)
                stop = -(-(end + around) // size)
            packets, done = packets_between(reader, first, stop), first * size
        for block in decoder.run(packets, 1 if reader.is_pipe else PIECE):
            # The end of the stream is known before its last frames are spoken.
            limits = [limit - done for limit in (end, reader.num_samples) if limit is not None]
            yield block[max(0, begin - done) : max(0, min(limits, default=len(block)))]
            done += len(block)

    def _reader(self, stream: bytes | BinaryIO | PacketReader, on_error: OnError, max_seconds: float | None) -> PacketReader:
        if isinstance(stream, PacketReader):
            return stream
        return PacketReader(stream, self.described.entropy, on_error, max_seconds)

    def _speak(self, codes: SpeechCodes) -> FloatArray:
        return decode_whole(self._decoder(codes.speaker), packets_of(codes, self.described.entropy.spec), codes.num_samples)

    def _speak_all(self, codes: Sequence[SpeechCodes]) -> list[FloatArray]:
        return [self._speak(one) for one in codes]

    def _check(self, given: object, name: str = "codes") -> SpeechCodes:
        """The same; InvalidCodes unless they are codes of this model."""
        codes = require_codes(given, name)
        try:
            find_sibling(self.described.entropy, codes.model).check(codes)
        except UnknownModel as error:
            raise InvalidCodes(f"{name} of model {codes.model}; {self.described.entropy.fingerprint} is loaded") from error
        return codes


@dataclass
class _Encoding:
    """A recording on its way: its encoder, what is still to come of it in portions, the packets so far."""

    encoder: StreamEncoder
    portions: Iterator[FloatArray]
    packets: list[tuple[IntArray, IntArray]] = field(default_factory=list)
    complete: bool = False

    def go_on(self) -> Work[list[tuple[IntArray, IntArray]]]:
        """By a portion, or to the end."""
        for portion in self.portions:
            return self.encoder.pushing(portion)
        self.complete = True
        return self.encoder.finishing()


def _check_seconds(name: str, seconds: object) -> None:
    if not isinstance(seconds, Real) or not 0 <= float(seconds) < math.inf:
        raise ValueError(f"{name} is {seconds!r:.40}; it must be a number of seconds from 0 up")


def _cut(blocks: Iterable[FloatArray], num_samples: int) -> Iterator[FloatArray]:
    """Blocks up to so many samples in all."""
    left = num_samples
    for block in blocks:
        yield block[: max(0, left)]
        left -= len(block)


def _portions(blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Blocks of samples in portions that the encoder takes at once. Raises AudioError for what is none."""
    if not isinstance(blocks, Iterable):
        raise AudioError(f"blocks are an iterable of arrays (n,), not of type {type(blocks).__name__}")
    for block in map(as_block, blocks):
        yield from (block[start : start + _SLICE] for start in range(0, len(block), _SLICE))


def taken(stream: io.BytesIO) -> bytes:
    """What was written, which leaves."""
    data = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return data


class FileEncoder:
    """The encoder of one ``.uc`` file; see :meth:`.Codec.encoder`."""

    def __init__(self, codec: AnyCodec, bitrate: float | None = None, resume: Checkpoint | None = None, effort: int = 0) -> None:
        self._encoder, self._entropy = codec.analysis(bitrate, effort), codec.described.entropy
        self._stream = io.BytesIO()
        self._writer: PacketWriter | None = None
        if resume is not None:
            self._encoder.resume(resume)
            self._writer = PacketWriter.after(self._stream, self._entropy, resume.packets)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where it stands; ``encoder(resume=)`` goes on behind the pieces given so far. None before the first, and at the end."""
        return self._encoder.checkpoint

    def push(self, samples: FloatArray) -> list[bytes]:
        """Take (n,) floats, mono, at 16 kHz -> the next pieces of the file. Raises what :meth:`AnyCodec.encode_blocks` does."""
        return self._written(self._encoder.push(samples))

    def flush(self) -> list[bytes]:
        """The rest of the file. Raises AudioError if there was no sample."""
        pieces = self._written(self._encoder.finish())
        assert self._writer is not None
        self._writer.close(self._encoder.num_samples)
        return [*pieces, taken(self._stream)]

    def _written(self, packets: Iterable[tuple[IntArray, IntArray]]) -> list[bytes]:
        if self._writer is None and self._encoder.fields is not None:
            self._writer = PacketWriter(self._stream, self._entropy, self._encoder.fields.codes())
        pieces = []
        for units, f0 in packets:
            assert self._writer is not None
            self._writer.write(units, f0)
            pieces.append(taken(self._stream))
        return pieces
