"""The whole path, both ways: waveform -> codes -> bytes -> codes -> waveform."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray

import bitstream
from bitstream import Packet, PacketCoder, SpeechCodes

from . import model as models
from .analysis import Analysis, Fields, IntArray
from .audio import to_mono_16k
from .errors import ModelError
from .synthesis import Synthesis, speak

FloatArray = NDArray[np.float32]
Waveform = NDArray[Any] | torch.Tensor
OnError = Literal["raise", "conceal"]

_SLICE = 163840  # samples handed to the analysis at once: about 10 s


class Codec:
    """A speech codec with one loaded model.

    >>> codec = unitcodec.load()
    >>> data = codec.compress(waveform, 48000)
    >>> waveform, sample_rate = codec.decompress(data)
    """

    sample_rate = 16000

    def __init__(self, model: models.Model, device: str = "auto"):
        """``device``: "auto" (CUDA where there is one), "cpu", "cuda" or any name that torch knows. Raises ModelError."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model
        try:
            self.device = torch.device(device)
            self._float = copy.deepcopy(model.networks).to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"device '{device}' cannot be used: {str(error).splitlines()[0]}") from error

    @staticmethod
    def load(name: str | Path = "default", device: str = "auto") -> Codec:
        """A packaged model by name or a model folder by path. Raises ModelError."""
        return Codec(models.load(name), device)

    @cached_property
    def _double(self) -> models.Networks:
        return copy.deepcopy(self._float).double()

    @overload
    def encode(self, waveform: Waveform, sample_rate: int = 16000) -> SpeechCodes: ...
    @overload
    def encode(self, waveform: Sequence[Waveform], sample_rate: int = 16000) -> list[SpeechCodes]: ...
    def encode(self, waveform: Waveform | Sequence[Waveform], sample_rate: int = 16000) -> SpeechCodes | list[SpeechCodes]:
        """Waveform -> codes.

        Args:
            waveform: (T,) samples of one mono utterance, float in [-1, 1] or any integer type, NumPy or torch; a list of
                such, or (B, T), is a batch. An utterance's codes are the same alone and in a batch.
            sample_rate: in Hz, from 8000 up.

        Returns:
            SpeechCodes, or a list of them for a batch.

        Raises:
            AudioError: a rate below 8 kHz, NaN or infinite samples.
        """
        if isinstance(waveform, (list, tuple)) or np.ndim(waveform) == 2:
            return [self._encode_one(one, sample_rate) for one in waveform]
        return self._encode_one(cast(Waveform, waveform), sample_rate)

    def _encode_one(self, waveform: Waveform, sample_rate: int) -> SpeechCodes:
        array = waveform.detach().cpu().numpy() if isinstance(waveform, torch.Tensor) else np.asarray(waveform)
        if array.ndim != 1:
            raise ValueError(f"one utterance is (T,); got {array.shape}. Mix channels with unitcodec.audio.to_mono_16k")
        mono = to_mono_16k(array, sample_rate)
        analysis = self.analysis()
        parts = []
        for start in range(0, len(mono), _SLICE):
            parts += analysis.push(mono[start : start + _SLICE])
        parts += analysis.finish()
        assert analysis.fields is not None
        rows = len(self.model.entropy.spec.rows)
        units = np.concatenate([np.zeros((rows, 0), np.int32)] + [units for units, _ in parts], 1)
        f0 = np.concatenate([np.zeros(0, np.int32)] + [f0 for _, f0 in parts])
        return SpeechCodes(units, f0, analysis.fields.codes(), analysis.num_samples, self.model.entropy.fingerprint)

    @overload
    def decode(self, codes: SpeechCodes) -> FloatArray: ...
    @overload
    def decode(self, codes: Sequence[SpeechCodes]) -> list[FloatArray]: ...
    def decode(self, codes: SpeechCodes | Sequence[SpeechCodes]) -> FloatArray | list[FloatArray]:
        """Codes -> waveform (num_samples,) at 16 kHz, float32 NumPy; a sequence of codes -> a list of waveforms.

        Raises bitstream.InvalidCodes if the codes are not this model's.
        """
        if not isinstance(codes, SpeechCodes):
            return [self.decode(one) for one in codes]
        self.model.entropy.check(codes)
        return speak(self._synthesis(codes.speaker, codes.num_samples), self._packets(codes))

    def compress(self, waveform: Waveform, sample_rate: int = 16000) -> bytes:
        """Waveform (T,) -> the bytes of a ``.uc`` file. Arguments and errors as for :meth:`encode`."""
        return bitstream.pack(self.encode(waveform, sample_rate), self.model.entropy)

    def decompress(self, data: bytes, on_error: OnError = "raise") -> tuple[FloatArray, int]:
        """Bytes of a ``.uc`` file -> (waveform (num_samples,) float32, 16000).

        ``on_error="conceal"`` mutes packets that are damaged or missing and decodes the rest; otherwise they raise.
        Raises bitstream.BitstreamError.
        """
        blocks = list(self.decompress_blocks(data, on_error))
        return (np.concatenate(blocks) if blocks else np.zeros(0, np.float32)), self.sample_rate

    def analysis(self) -> Analysis:
        """A fresh encoder state, for audio that arrives in pieces."""
        return Analysis(self.model, self._double)

    def compress_blocks(self, blocks: Iterable[FloatArray]) -> bytes:
        """Blocks of mono float32 samples at 16 kHz, of any lengths -> the bytes of a ``.uc`` file.

        Only the finished packets (46 bytes a second) are kept while blocks come in.
        """
        packets: list[bytes] = []
        analysis, coder = self.analysis(), PacketCoder(self.model.entropy)

        def keep(ready: list[tuple[IntArray, IntArray]]) -> None:
            for units, f0 in ready:
                packets.append(coder.encode_packet(units, f0, len(packets)))

        for block in blocks:
            for start in range(0, len(block), _SLICE):
                keep(analysis.push(block[start : start + _SLICE]))
        keep(analysis.finish())
        assert analysis.fields is not None
        return bitstream.write_header(analysis.num_samples, analysis.fields.codes(), self.model.entropy) + b"".join(packets)

    def decompress_blocks(self, data: bytes, on_error: OnError = "raise") -> Iterator[FloatArray]:
        """Bytes of a ``.uc`` file -> blocks of float32 samples at 16 kHz, about 10 s each. Raises bitstream.BitstreamError."""
        info = bitstream.inspect(data, self.model.entropy)
        if info.speaker is None:
            raise bitstream.UnknownModel(
                f"the stream was made with model {info.model}; {self.model.entropy.fingerprint} is loaded"
            )
        synthesis = self._synthesis(np.array(info.speaker, np.int32), info.num_samples)
        yield from synthesis.run(bitstream.iter_packets(data, self.model.entropy, on_error))

    def _synthesis(self, speaker: IntArray, num_samples: int) -> Synthesis:
        return Synthesis(self.model, self._float, Fields.from_codes(speaker), num_samples)

    def _packets(self, codes: SpeechCodes) -> Iterator[Packet]:
        spec = self.model.entropy.spec
        lost = np.zeros(codes.units.shape[1], bool)
        for start, stop in codes.lost:
            lost[start:stop] = True
        for index in range(spec.frames(codes.num_samples)[2]):
            first, first_f0 = index * spec.packet_frames, index * spec.packet_f0_frames
            units = codes.units[:, first : first + spec.packet_frames]
            f0 = codes.f0[first_f0 : first_f0 + spec.packet_f0_frames]
            yield Packet(units, f0, first, bool(lost[first : first + spec.packet_frames].all()))
