"""Codes -> a stream, as they come: every packet is written as soon as it is complete."""

from __future__ import annotations

import math
from collections import deque
from os import PathLike
from types import TracebackType
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import MAX_SAMPLES, as_codes
from bitstream.entropy.model import EntropyModel
from bitstream.errors import InvalidCodes
from bitstream.stream.framing import Layout, frame_end, frame_payload
from bitstream.stream.header import write_header
from bitstream.stream.packet import PacketCoder
from bitstream.stream.reader import open_stream
from bitstream.stream.source import Source
from bitstream.stream.walk import strict_walk


class Sink(Protocol):
    """Anything that takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


class Frames:
    """Frames that come in any portions and leave in whole packets: `units` is (rows, n) int32, `f0` is (m,) int32."""

    def __init__(self, entropy: EntropyModel) -> None:
        self._entropy = entropy
        self.units = np.zeros((len(entropy.spec.rows), 0), dtype=np.int32)
        self.f0 = np.zeros(0, dtype=np.int32)

    def add(self, units: ArrayLike, f0: ArrayLike) -> None:
        """Take units (rows, any number) and f0 (any number,). Raises InvalidCodes if they are not the model's."""
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        self._entropy.check_symbols(units, f0)
        self.units = np.concatenate([self.units, units], axis=1)
        self.f0 = np.concatenate([self.f0, f0])

    def has(self, frames: int, f0_frames: int) -> bool:
        """Whether so many are there."""
        return self.units.shape[1] >= frames and len(self.f0) >= f0_frames

    def take(self, frames: int, f0_frames: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The first so many, which leave."""
        taken = self.units[:, :frames], self.f0[:f0_frames]
        self.units, self.f0 = self.units[:, frames:], self.f0[f0_frames:]
        return taken

    def pad(self, block: int) -> None:
        """Repeat the last unit and F0 frame until both reach the next multiple of `block` samples.

        What ended within an F0 frame cannot otherwise go on, since that frame's code is spent.
        """
        spec = self._entropy.spec
        samples = max(self.units.shape[1] * spec.unit_hop, len(self.f0) * spec.f0_hop)
        whole = -(-samples // block) * block
        if whole:
            self.units = np.pad(self.units, ((0, 0), (0, whole // spec.unit_hop - self.units.shape[1])), mode="edge")
            self.f0 = np.pad(self.f0, (0, whole // spec.f0_hop - len(self.f0)), mode="edge")


class PacketWriter:
    """A stream that is being written, in constant memory.

        with PacketWriter(file, entropy, speaker) as writer:
            writer.write(units, f0)             # any number of frames, any number of times

    The header goes out at once, every packet as soon as it is full. Leaving the `with` block ends the stream, unless by an
    exception: then it stays without its end, and readers will say so.
    """

    def __init__(self, file: Sink, entropy: EntropyModel, speaker: ArrayLike) -> None:
        """`file`: a file, a pipe, io.BytesIO. `speaker` is (speaker_fields,). Raises InvalidCodes if it is not the model's."""
        header = write_header(entropy.fingerprint, entropy.pack_speaker(speaker))
        self._begin(file, entropy, 0)
        file.write(header)

    def _begin(self, file: Sink, entropy: EntropyModel, packets: int) -> None:
        self._file, self._spec = file, entropy.spec
        self._coder, self._frames = PacketCoder(entropy), Frames(entropy)
        self._packets = packets
        self._open, self._broken = True, False
        self._owned: BinaryIO | None = None

    @staticmethod
    def after(file: Sink, entropy: EntropyModel, packets: int) -> PacketWriter:
        """Go on with a stream whose header and first `packets` packets, all full ones, were written before.

        Its end must not have been. What was written is not looked at: `append` is for streams that have ended.
        """
        writer = PacketWriter.__new__(PacketWriter)
        writer._begin(file, entropy, packets)
        return writer

    @staticmethod
    def append(file: str | PathLike[str] | BinaryIO, entropy: EntropyModel | None = None) -> PacketWriter:
        """Reopen a stream that was ended, to go on with it.

        `file` is a path, or a seekable file that is open for reading and writing and holds nothing else. A stream that ends
        within an F0 frame goes on after that frame: its last unit frame is repeated to fill it. Raises what a strict
        PacketReader raises for a stream that is not sound, InvalidCodes for one of version 1, and OSError.
        """
        owned = open(file, "r+b") if isinstance(file, (str, PathLike)) else None  # noqa: SIM115
        target = owned or cast(BinaryIO, file)
        try:
            target.seek(0)
            source = Source(target)
            header, entropy = open_stream(source, entropy)
            if header.version == 1:
                raise InvalidCodes("a stream of version 1 cannot go on; pack(unpack(data)) makes one of version 2 of it")
            *_, last = deque(strict_walk(source, Layout(header.version, entropy.spec)), maxlen=1)
            writer = PacketWriter.after(target, entropy, last.index)
            writer._owned = owned
            if last.payload is not None and last.samples is not None:
                shape = entropy.spec.packet_shape(last.samples, 0)
                writer._frames.add(*writer._coder.decode_payload(last.payload, *shape))
                writer._frames.pad(math.lcm(entropy.spec.unit_hop, entropy.spec.f0_hop))
            target.seek(last.offset)
            target.truncate()
            writer._write_full()
        except BaseException:
            if owned is not None:
                owned.close()
            raise
        return writer

    def write(self, units: ArrayLike, f0: ArrayLike) -> None:
        """Take units (rows, any number) and f0 (any number,), in order. Raises InvalidCodes, ValueError after `close`."""
        if not self._open:
            raise ValueError("the stream is closed")
        self._frames.add(units, f0)
        self._write_full()

    def _write_full(self) -> None:
        shape, full = (self._spec.packet_frames, self._spec.packet_f0_frames), []
        while self._frames.has(*shape):
            full.append(self._frames.take(*shape))
        try:
            for payload in self._coder.encode_payloads(full):
                self._file.write(frame_payload(payload, self._packets))
                self._packets += 1
        except BaseException:
            # The frames are taken: what came after would stand in their place.
            self._open, self._broken = False, True
            if self._owned is not None:
                self._owned.close()
            raise

    def close(self, num_samples: int | None = None) -> None:
        """End the stream: `num_samples` in all, by default what the unit frames cover. The second time nothing happens.

        Raises InvalidCodes, and leaves the stream without its end, if so many samples have other frames than were written;
        ValueError if a packet could not be written before.
        """
        if self._broken:
            raise ValueError("a packet could not be written; the stream has no end")
        if not self._open:
            return
        self._open = False
        try:
            self._file.write(self._end(num_samples))
        finally:
            if self._owned is not None:
                self._owned.close()

    def _end(self, num_samples: int | None) -> bytes:
        spec, frames, f0_frames = self._spec, self._frames.units.shape[1], len(self._frames.f0)
        before = self._packets * spec.packet_samples
        samples = frames * spec.unit_hop if num_samples is None else num_samples - before
        shortest = min(spec.unit_hop, spec.f0_hop)
        if not frames and not f0_frames and (-shortest < samples <= 0 if self._packets else samples == 0):
            return frame_end(self._packets, -samples)
        if samples <= 0 or spec.packet_shape(samples, 0) != (frames, f0_frames) or before + samples > MAX_SAMPLES:
            end = f"{frames} unit and {f0_frames} F0 frames after {self._packets} packets"
            raise InvalidCodes(f"{before + samples} samples do not end with {end}")
        return frame_payload(self._coder.encode_payload(*self._frames.take(frames, f0_frames)), self._packets, samples)

    def __enter__(self) -> PacketWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        elif self._owned is not None:
            self._owned.close()
