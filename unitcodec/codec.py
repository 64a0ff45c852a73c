"""The whole path, both ways: waveform -> codes -> bytes -> codes -> waveform."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import BinaryIO, Literal, Self, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray

import bitstream
from bitstream import InvalidCodes, OnError, Packet, PacketReader, PacketWriter, SpeechCodes, UnknownModel
from bitstream.codes import as_codes, require_codes
from bitstream.entropy.find import find_sibling

from . import model as models
from .audio.recording import Rate, Recording, as_block, batch_blocks, mono_blocks
from .decoder.conversion import convert
from .decoder.live import LiveDecoder
from .decoder.packets import packets_between, packets_of
from .decoder.stream import PIECE, StreamDecoder, decode_whole
from .encoder.live import LIVE_SECONDS, LiveEncoder
from .encoder.rate import above_zero
from .encoder.stream import Checkpoint, StreamEncoder
from .encoder.together import Work, together
from .errors import AudioError, ModelError
from .features import SAMPLE_RATE
from .fields import Fields, IntArray
from .packed import pack

FloatArray = NDArray[np.float32]

_SLICE = 163840  # samples handed to the encoder at once: about 10 s

RECORDINGS = 8
"""Of a batch that are encoded side by side: each may hold a minute of its samples."""


class Codec:
    """A speech codec with one loaded model.

    >>> codec = Codec.from_pretrained()
    >>> data = codec.compress("talk.flac")
    >>> waveform, sample_rate = codec.decompress(data)

    It can be pickled at any time: processes that are spawned, Ray and DataLoader workers get a codec of their own. With the
    start method "fork" this is safe only before anything was coded: a forked child has none of PyTorch's threads and may wait
    for them for ever. Use "spawn" or "forkserver", or load in the child.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, model: models.Model, device: str | torch.device = "auto"):
        """``device``: "auto" (CUDA where there is one), "cpu", "cuda" or any other that torch knows. Raises ModelError."""
        if not isinstance(model, models.Model):
            raise ModelError(f"a codec is made of a Model, not of {model!r:.40}; by a name or a folder: Codec.from_pretrained")
        self.model = model
        self.to(device)

    @classmethod
    def from_pretrained(cls, name: str | Path = "default", device: str | torch.device = "auto") -> Self:
        """A packaged model by name or a model folder by path. Raises ModelError."""
        return cls(models.load(name), device)

    @classmethod
    def load(cls, name: str | Path = "default", device: str | torch.device = "auto") -> Self:
        """The same."""
        return cls.from_pretrained(name, device)

    def to(self, device: str | torch.device) -> Self:
        """Go to a device, named as for :meth:`from_pretrained`; streams that are open stay. Returns itself. Raises ModelError."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if not isinstance(device, (str, int, torch.device)) or str(device) == "meta":
            raise ModelError(f"device {device!r:.40} cannot be used; name one that computes: 'auto', 'cpu', 'cuda', 'cuda:1'")
        try:
            # Inference tensors, which a caller's inference mode makes, could not take part in the search for a voice.
            with torch.inference_mode(False):
                self.device, moved = torch.device(device), copy.deepcopy(self.model.networks).to(device)
                for name, part in moved.named_children():
                    # F0 is summed up to a phase, so that the last bits of the F0 decoder are seen in the samples.
                    if name != "pitch":
                        pack(part)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"device '{device}' cannot be used: {str(error).splitlines()[0]}") from error
        self._float = moved
        self.__dict__.pop("_double", None)
        return self

    def __repr__(self) -> str:
        rate = f"about {self.model.config.bitrate:.0f} bit/s, " if self.model.config.bitrate else ""
        return f"<{type(self).__name__} {self.model.config.name!r}, {rate}on {self.device}>"

    # From a pickle it is made anew: what it computes with now need not travel, and not all of it can.
    def __reduce__(self) -> tuple[type[Codec], tuple[models.Model, str]]:
        return type(self), (self.model, str(self.device))

    @cached_property
    def _double(self) -> models.Networks:
        with torch.inference_mode(False):
            return copy.deepcopy(self.model.networks).to(self.device).double()

    @overload
    def encode(  # type: ignore[overload-overlap]  # a path is a sequence of paths, to a type checker
        self, audio: Recording, sample_rate: Rate = None, bitrate: float | None = None
    ) -> SpeechCodes: ...
    @overload
    def encode(self, audio: Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None) -> list[SpeechCodes]: ...
    def encode(
        self, audio: Recording | Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None
    ) -> SpeechCodes | list[SpeechCodes]:
        """Speech -> codes.

        Args:
            audio: a file's path, or the file, open for reading bytes (io.BytesIO for one in memory); or an array or tensor of
                samples, float in [-1, 1] or integers of up to 32 bits, (T,), or (channels, T) or (T, channels), which is mixed as
                a file's channels are. A list of such is a batch, never samples: an utterance's codes are the same alone and in a
                batch. One sample is enough; audio without any is refused.
            sample_rate: of arrays, in Hz, from 8000 up; files know theirs.
            bitrate: bit/s of the file that the codes make, for fewer than they take by themselves; met within a minute, with the
                default model from about 170 up. None: the codes nearest to the speech.

        Returns:
            SpeechCodes, or a list of them for a batch.

        Raises:
            AudioError: anything else, a rate that is none, NaN or infinite samples, no samples, a file that is no audio. All
                arguments are looked at before the first recording of a batch is coded.
            ValueError: a bitrate that is no number above 0.
        """
        if bitrate is not None:
            above_zero(bitrate)
        if isinstance(audio, (list, tuple)):
            return self._encode(batch_blocks(audio, sample_rate), bitrate)
        return self._encode([mono_blocks(cast(Recording, audio), sample_rate)], bitrate)[0]

    def encode_blocks(self, blocks: Iterable[FloatArray], bitrate: float | None = None) -> SpeechCodes:
        """Blocks of mono float32 samples at 16 kHz, of any lengths -> codes; ``bitrate`` as for :meth:`encode`.

        Raises AudioError for blocks that are none, and where they hold no sample between them; ValueError for a bitrate.
        """
        return self._encode([blocks], bitrate)[0]

    def _encode(self, recordings: Sequence[Iterable[FloatArray]], bitrate: float | None) -> list[SpeechCodes]:
        """Of recordings in blocks, a few of them at a time, the packets of these side by side."""
        codes: dict[int, SpeechCodes] = {}
        waiting, open_ = enumerate(recordings), dict[int, _Encoding]()
        while len(codes) < len(recordings):
            for index, blocks in islice(waiting, RECORDINGS - len(open_)):
                open_[index] = _Encoding(self.analysis(bitrate), _portions(blocks))
            encodings = list(open_.values())
            found = together(encodings[0].encoder.packets.decide, [each.go_on() for each in encodings])
            for index, packets in zip(list(open_), found, strict=True):
                open_[index].packets += packets
                if open_[index].complete:
                    codes[index] = self._codes(open_.pop(index))
        return [codes[index] for index in range(len(recordings))]

    def _codes(self, encoding: _Encoding) -> SpeechCodes:
        encoder, rows = encoding.encoder, len(self.model.entropy.spec.rows)
        assert encoder.fields is not None
        units = np.concatenate([np.zeros((rows, 0), np.int32)] + [units for units, _ in encoding.packets], 1)
        f0 = np.concatenate([np.zeros(0, np.int32)] + [f0 for _, f0 in encoding.packets])
        return SpeechCodes(units, f0, encoder.fields.codes(), encoder.num_samples, self.model.entropy.fingerprint)

    @overload
    def decode(self, codes: SpeechCodes) -> FloatArray: ...
    @overload
    def decode(self, codes: Sequence[SpeechCodes]) -> list[FloatArray]: ...
    def decode(self, codes: SpeechCodes | Sequence[SpeechCodes]) -> FloatArray | list[FloatArray]:
        """Codes -> waveform (num_samples,) at 16 kHz, float32 NumPy; a list of codes -> a list of waveforms.

        Raises bitstream.InvalidCodes, before the first is decoded, for what is no codes or not this model's.
        """
        if isinstance(codes, (list, tuple)):
            return [self._speak(one) for one in [self._check(one, f"codes[{index}]") for index, one in enumerate(codes)]]
        return self._speak(self._check(codes))

    def decode_blocks(self, codes: SpeechCodes) -> Iterator[FloatArray]:
        """Codes -> blocks of float32 samples at 16 kHz, about 10 s each, together num_samples.

        Raises bitstream.InvalidCodes, before the first block, if the codes are not this model's.
        """
        self._check(codes)
        return _cut(self._decoder(codes.speaker).run(packets_of(codes, self.model.entropy.spec)), codes.num_samples)

    def convert(self, codes: SpeechCodes, voice: IntArray) -> SpeechCodes:
        """Voice conversion: the same words and intonation in another's voice, mean F0, range and level.

        Args:
            codes: of what is said.
            voice: (fields,), ``speaker`` of the codes of any stretch of the wanted voice; of a file ``encode(path).speaker``.

        Raises:
            bitstream.InvalidCodes: the codes or the voice are not this model's.
        """
        self._check(codes)
        try:
            voice = as_codes("voice", voice, 1)
        except InvalidCodes as error:
            raise InvalidCodes(f"{error}; a voice is the speaker of codes, encode('voice.wav').speaker for instance") from error
        return convert(self.model, codes, voice)

    @overload
    def compress(  # type: ignore[overload-overlap]
        self, audio: Recording, sample_rate: Rate = None, bitrate: float | None = None
    ) -> bytes: ...
    @overload
    def compress(self, audio: Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None) -> list[bytes]: ...
    def compress(
        self, audio: Recording | Sequence[Recording], sample_rate: Rate = None, bitrate: float | None = None
    ) -> bytes | list[bytes]:
        """Speech -> the bytes of a ``.uc`` file, a list of them for a batch. Arguments and errors as for :meth:`encode`."""
        if isinstance(audio, (list, tuple)):
            return bitstream.pack_many(self.encode(audio, sample_rate, bitrate), self.model.entropy)
        return bitstream.pack(self.encode(cast(Recording, audio), sample_rate, bitrate), self.model.entropy)

    def decompress(self, data: bytes, on_error: OnError = "strict", max_seconds: float | None = None) -> tuple[FloatArray, int]:
        """Bytes of a ``.uc`` file -> (waveform (num_samples,) float32, 16000).

        ``on_error="conceal"`` holds the sound before packets that are damaged or missing for 0.3 s, fades it, and decodes the
        rest; "salvage" also decodes what there is of a stream that has lost its end or its header; otherwise they raise.

        A longer stream than ``max_seconds`` is refused, before anything is spoken. None, the default, is safe with files from
        anywhere and refuses no recording: what is limited is silence in the place of packets that are damaged or missing, to an
        hour in all, for a few bytes can claim any number of these. Sound packets have their bytes, and may make a day.

        Raises bitstream.BitstreamError; bitstream.TooLong for what is longer.
        """
        reader = self._reader(data, on_error, max_seconds)
        if isinstance(data, (bytes, bytearray, memoryview)):
            for _ in reader.slots():  # what is wrong with the bytes is said now
                pass
            reader.seek(0)
        blocks = list(self.decompress_blocks(reader))
        return (np.concatenate(blocks) if blocks else np.zeros(0, np.float32)), self.sample_rate

    def analysis(self, bitrate: float | None = None) -> StreamEncoder:
        """A fresh encoder state, for audio that arrives in pieces; ``bitrate`` as for :meth:`encode`."""
        return StreamEncoder(self.model, self._double, bitrate, self._float)

    @overload
    def encoder(
        self,
        *,
        live: Literal[True],
        bitrate: float | None = None,
        packet: float = LIVE_SECONDS,
        cbr: int | None = None,
        dtx: bool = False,
        fec: int = 0,
    ) -> LiveEncoder: ...
    @overload
    def encoder(
        self, *, live: Literal[False] = False, bitrate: float | None = None, resume: Checkpoint | None = None
    ) -> FileEncoder: ...
    def encoder(
        self,
        *,
        live: bool = False,
        bitrate: float | None = None,
        packet: float = LIVE_SECONDS,
        cbr: int | None = None,
        dtx: bool = False,
        fec: int = 0,
        resume: Checkpoint | None = None,
    ) -> LiveEncoder | FileEncoder:
        """An encoder for audio that arrives in blocks: ``push(samples) -> [bytes, ...]``, and ``flush()`` at its end.

        How the audio is cut does not show in the bytes.

        Args:
            live: live packets for :meth:`decoder`, which stand alone, each 0.16 s after its last sample; else the pieces of a
                ``.uc`` file, the first after 8 s of speech.
            bitrate: of live packets the most that they take, 450 bit/s by default; of files as for :meth:`encode`.
            packet: seconds of a live packet: 0.16, 0.32, 0.64, 1.28 or 2.56 with the default model.
            cbr: bytes of every live packet, exactly.
            dtx: live packets come only while somebody speaks; a pause takes one, of 3 bytes or ``cbr``.
            fec: each live packet carries a coarse copy of the one 1, 4 or 8 packets before: 100 bit/s, on top of the 450 or
                within ``bitrate``. 1 serves where single packets are lost, 4 or 8 where several in a row are.
            resume: the ``checkpoint`` of another encoder of a file. This one gives the pieces that follow those which that one
                had given. It takes the same audio, from the first sample on, and lets go of what lies before.

        Raises ValueError for a bitrate that is none or too low, for a checkpoint of another encoder, for ``cbr`` that is no whole
        number, too low or beside a bitrate, and for what is about live packets without ``live`` or about files with it;
        bitstream.InvalidCodes for a packet that is no whole number of F0 codes or too long.
        """
        if bitrate is not None:
            above_zero(bitrate)
        if not live:
            if (packet, cbr, dtx, fec) != (LIVE_SECONDS, None, False, 0):
                raise ValueError("packet, cbr, dtx and fec are about live packets: encoder(live=True, ...)")
            return FileEncoder(self, bitrate, resume)
        if resume is not None:
            raise ValueError("resume is about files, not about live packets")
        if cbr is not None and (isinstance(cbr, bool) or not isinstance(cbr, int)):
            raise ValueError(f"cbr is {cbr!r:.40}; it must be a whole number of bytes, 20 for instance")
        if cbr is not None and bitrate is not None:
            raise ValueError("cbr, the size of every packet, fixes the bitrate: leave one of them out")
        most, frames = None if bitrate is None else float(bitrate), self._live_frames(packet)
        return LiveEncoder(self.model, self._double, self._float, frames, most, cbr, dtx, fec)

    def decoder(self, packet: float = LIVE_SECONDS, fec: int = 0) -> LiveDecoder:
        """A decoder of live packets of so many seconds: ``push(packet) -> samples``, ``push(None)`` for one that did not come.

        ``fec``: the encoder's. In the place of a missing packet the decoder waits for its copy, and gives no samples until then.

        Raises ModelError for a model whose vocoder is fed codes, or that has no copies, bitstream.InvalidCodes as
        :meth:`encoder`.
        """
        return LiveDecoder(self.model, self._float, self._live_frames(packet), fec)

    def _live_frames(self, packet: float) -> int:
        spec = self.model.entropy.spec
        number = not isinstance(packet, bool) and isinstance(packet, Real)
        frames = float(packet) * self.sample_rate / spec.unit_hop if number else math.nan
        if not (math.isfinite(frames) and frames > 0 and abs(frames - round(frames)) < 1e-6):
            raise InvalidCodes(
                f"live packets of {packet!r:.40} s; it must be a number of unit frames of {spec.unit_hop / self.sample_rate} s"
            )
        return round(frames)

    def compress_blocks(self, blocks: Iterable[FloatArray], bitrate: float | None = None) -> Iterator[bytes]:
        """Blocks of mono float32 samples at 16 kHz, of any lengths -> the bytes of a ``.uc`` file, in pieces as they are ready.

        The header waits for the speaker code, a packet for the F0 of the one after it. ``bitrate`` as for :meth:`encode`. Raises
        what :meth:`encode_blocks` does: of the bitrate at once, of blocks as they come.
        """
        return self._compress(FileEncoder(self, bitrate), blocks)

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
        """A ``.uc`` file's bytes, the file, a pipe, or a reader of one -> blocks of float32 samples at 16 kHz, about 10 s each.

        A block is given as soon as its packets are there; of a pipe it is one packet, given when the next is there, which it
        sounds into. With ``start`` and ``duration`` (seconds) it is that part, as far as the stream has it, and no more is
        decoded than it needs; the voice's phase begins anew. ``max_seconds`` is as for :meth:`decompress`, but what is longer is
        refused where it gets so long; a reader has its own. Raises bitstream.BitstreamError, and TypeError for what is no stream,
        with the first block; ValueError at once for a start or a duration that is no number from 0 up.
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
        find_sibling(self.model.entropy, reader.entropy.fingerprint)
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
        return PacketReader(stream, self.model.entropy, on_error, max_seconds)

    def _speak(self, codes: SpeechCodes) -> FloatArray:
        return decode_whole(self._decoder(codes.speaker), packets_of(codes, self.model.entropy.spec), codes.num_samples)

    def _check(self, given: object, name: str = "codes") -> SpeechCodes:
        """The same; InvalidCodes unless they are codes of this model."""
        codes = require_codes(given, name)
        try:
            find_sibling(self.model.entropy, codes.model).check(codes)
        except UnknownModel as error:
            raise InvalidCodes(f"{name} of model {codes.model}; {self.model.entropy.fingerprint} is loaded") from error
        return codes

    def _decoder(self, speaker: IntArray) -> StreamDecoder:
        return StreamDecoder(self.model, self._float, Fields.from_codes(speaker))


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
    """The encoder of one ``.uc`` file; see :meth:`Codec.encoder`."""

    def __init__(self, codec: Codec, bitrate: float | None = None, resume: Checkpoint | None = None) -> None:
        self._encoder, self._entropy = codec.analysis(bitrate), codec.model.entropy
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
        """Take (n,) float samples at 16 kHz -> the next pieces of the file. Raises what :meth:`Codec.encode_blocks` does."""
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
