"""The codec, by PyTorch."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Literal, Self, overload

import torch

from bitstream import InvalidCodes, SpeechCodes
from bitstream.arrays import IntArray

from . import model as models
from .arrays import FloatArray
from .base import AnyCodec, FileEncoder
from .decoder.live import LiveDecoder
from .decoder.piece import NetworkVoice
from .decoder.stream import StreamDecoder
from .decoder.together import decode_together, side_by_side
from .encoder.analyser import NetworkAnalyser
from .encoder.double import DoubleNetworks
from .encoder.effort import checked_effort
from .encoder.live import LIVE_SECONDS, LiveEncoder
from .encoder.rate import above_zero
from .encoder.stream import Checkpoint, StreamEncoder
from .encoder.unit_search import UnitSearch
from .errors import ModelError
from .fields import Fields
from .packed import pack


class Codec(AnyCodec):
    """A speech codec with one loaded model.

    >>> codec = Codec.from_pretrained()
    >>> data = codec.compress("talk.flac")
    >>> waveform, sample_rate = codec.decompress(data)

    It can be pickled at any time: processes that are spawned, Ray and DataLoader workers get a codec of their own. With the
    start method "fork" this is safe only before anything was coded: a forked child has none of PyTorch's threads and may wait
    for them for ever. Use "spawn" or "forkserver", or load in the child.
    """

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
        """Another name for :meth:`from_pretrained`."""
        return cls.from_pretrained(name, device)

    def to(self, device: str | int | torch.device) -> Self:
        """Move to a device, named as for :meth:`from_pretrained`, or a GPU by its number. Open streams stay. Returns itself.

        Raises ModelError.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if not (isinstance(device, (str, torch.device)) or type(device) is int) or str(device) == "meta":
            raise ModelError(f"device {device!r:.40} cannot be used; name one that computes: 'auto', 'cpu', 'cuda', 'cuda:1'")
        try:
            # Inference tensors, which a caller's inference mode makes, could not take part in the search for a voice.
            with torch.inference_mode(False):
                chosen, networks = torch.device(device), self.model.networks
                # On the CPU only the modules are copies, for they get packed; the weights are the model's own.
                own = [*networks.parameters(), *networks.buffers()] if chosen.type == "cpu" else []
                own = [] if any(tensor.is_inference() for tensor in own) else own
                moved = copy.deepcopy(networks, {id(tensor): tensor for tensor in own}).to(chosen)
                for name, part in moved.named_children():
                    # F0 is summed up to a phase, so that the last bits of the F0 decoder are seen in the samples.
                    if name != "pitch":
                        pack(part)
        except (RuntimeError, AssertionError, ValueError, ImportError) as error:
            # PyTorch's own words for a name that it does not know list every kind of processor.
            reason = "there is none of this name" if "device type" in str(error) else str(error).splitlines()[0]
            raise ModelError(f"device '{device}' cannot be used: {reason}; 'cpu' always can") from error
        self.device, self._float = chosen, moved
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
        return DoubleNetworks(self.model.networks, self.device)

    @property
    def described(self) -> models.Model:
        return self.model

    def analysis(self, bitrate: float | None = None, effort: int = 0) -> StreamEncoder:
        """A fresh encoder state, for audio that arrives in pieces; ``bitrate`` and ``effort`` as for :meth:`encode`."""
        search = UnitSearch(self._float, effort) if checked_effort(effort) else None
        return StreamEncoder(self.model, NetworkAnalyser(self._double, self._float), bitrate, search=search)

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
        self,
        *,
        live: Literal[False] = False,
        bitrate: float | None = None,
        resume: Checkpoint | None = None,
        effort: int = 0,
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
        effort: int = 0,
    ) -> LiveEncoder | FileEncoder:
        """An encoder for audio that arrives in blocks: ``push(samples) -> [bytes, ...]``, and ``flush()`` at its end.

        The bytes do not depend on how the audio is cut.

        Args:
            live: True: live packets for :meth:`decoder`. Each can be decoded alone, and comes 0.16 s after its last sample.
                False: the pieces of a ``.uc`` file. The first comes after 8 s of speech.
            bitrate: the highest rate of live packets, 450 bit/s by default; of files as for :meth:`encode`.
            packet: seconds of a live packet: 0.16, 0.32, 0.64, 1.28 or 2.56 with the default model.
            cbr: bytes that every live packet has exactly.
            dtx: live packets come only while somebody speaks. A pause takes one packet of 3 or of ``cbr`` bytes.
            fec: each live packet carries a coarse copy of the packet 1, 4 or 8 before it, on top of the 450 bit/s or within
                ``bitrate``. 1 (100 bit/s) is for links that lose single packets, 4 or 8 (200 bit/s) for those that lose several
                in a row.
            resume: the ``checkpoint`` of another encoder of a file. This encoder takes the same audio, from the first sample on,
                and gives the pieces that follow those that the other one gave.
            effort: of files, as for :meth:`encode`. Packets come one packet later then.

        Raises:
            ValueError: a bitrate that is too low or not a number above 0; a checkpoint of another kind of encoder; a ``cbr`` that
                is too low, not a whole number, or given with a bitrate; an argument about live packets without ``live``, or one
                about files with it.
            ModelError: an effort above 0 with a model that cannot search.
            bitstream.InvalidCodes: a packet that is too long or not a whole number of F0 codes.
        """
        if bitrate is not None:
            above_zero(bitrate)
        if not live:
            if (packet, cbr, dtx, fec) != (LIVE_SECONDS, None, False, 0):
                raise ValueError("packet, cbr, dtx and fec are about live packets: encoder(live=True, ...)")
            return FileEncoder(self, bitrate, resume, effort)
        if resume is not None or effort != 0:
            raise ValueError("resume and effort are about files, not about live packets")
        if cbr is not None and (isinstance(cbr, bool) or not isinstance(cbr, int)):
            raise ValueError(f"cbr is {cbr!r:.40}; it must be a whole number of bytes, 20 for instance")
        if cbr is not None and bitrate is not None:
            raise ValueError("cbr, the size of every packet, fixes the bitrate: leave one of them out")
        most, frames = None if bitrate is None else float(bitrate), self._live_frames(packet)
        return LiveEncoder(self.model, self._double, self._float, frames, most, cbr, dtx, fec)

    def decoder(self, packet: float = LIVE_SECONDS, fec: int = 0) -> LiveDecoder:
        """A decoder of live packets: ``push(packet) -> samples``, and ``push(None)`` for a packet that did not come.

        Model, ``packet`` and ``fec`` are those of the encoder. Else every packet counts as ``damaged``, and nothing is heard.

        Args:
            packet: seconds of a packet, as for :meth:`encoder`.
            fec: as for :meth:`encoder`. If a packet is missing, the decoder gives no samples until the copy is there.

        Raises:
            ModelError: the vocoder of the model is fed codes, or ``fec`` is given and the model has no copies.
            bitstream.InvalidCodes: as for :meth:`encoder`.
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

    def _speak_all(self, codes: Sequence[SpeechCodes]) -> list[FloatArray]:
        if len(codes) > 1 and side_by_side(self._float):
            return decode_together(self.model, self._float, codes)
        return super()._speak_all(codes)

    def _decoder(self, speaker: IntArray) -> StreamDecoder:
        fields = Fields.from_codes(speaker)
        return StreamDecoder(self.model, NetworkVoice(self._float, fields), fields)
