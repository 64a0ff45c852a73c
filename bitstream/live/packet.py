"""A live packet <-> its bytes. docs/bitstream.md, section 10."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bitstream.arrays import IntArray
from bitstream.codes import as_codes
from bitstream.entropy.model import EntropyModel
from bitstream.errors import Damaged, InvalidCodes
from bitstream.stream.header import CRC_START, LIVE_VERSION
from bitstream.stream.packet import PacketCoder

TURNS = 8
"""In so many packets each speaker field is sent once."""
NUMBERS = 64
"""Packets are numbered modulo this."""
LATE = 56
"""A packet whose number is so far ahead of the one that is due has come late, or twice."""
OVERHEAD = 2
"""Bytes beside the payload: head and check."""
SAMPLES_BYTES = 3
"""Of an end, behind its head: how many samples of it count, and two flags."""
ALL, SILENT = 1 << 23, 1 << 22
"""Of an end: it holds all speaker fields; it holds no speech."""
NOISE_LEVELS = 128
"""Alphabet of a pause's noise level, in dB below full scale."""

MOST_FRAMES = 64
"""Unit frames of a packet: six bits of the byte that tells the layout."""
DISTANCES = (0, 1, 4, 8)
"""How many packets before it lies the packet of which each carries a copy; 0: none. The two highest bits of the layout."""
COPY_BITS = dict(zip(DISTANCES, (0, 1, 2, 2), strict=True))
"""Of each value of a copy. In a burst copies stand alone, and have to tell more."""

Kind = Literal["speech", "opening", "pause", "end"]
KINDS: tuple[Kind, ...] = ("speech", "opening", "pause", "end")
"""By bits 7 and 6 of the head."""


@dataclass(frozen=True, eq=False)
class LivePacket:
    """What a live packet says.

    Attributes:
        kind: "speech"; "opening", speech with all speaker fields; "pause", from here on nobody speaks; "end", the last of speech.
        number: of the packet in its stream, modulo 64.
        units, f0: (rows, n), (m,); empty in a pause, and of an end that says nothing.
        fields: speaker fields by index, as far as the packet carries them.
        noise: of a pause, the level of the noise in dB below full scale.
        samples: those that count; of an end they may be fewer, or none.
        copy: (rows - 1, frames), a bit or two for each unit of an earlier packet, coarsely; None where packets carry no copies.
    """

    kind: Kind
    number: int
    units: IntArray = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    f0: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    fields: Mapping[int, int] = field(default_factory=dict)
    noise: int = 0
    samples: int = 0
    copy: IntArray | None = None


class LiveCoder:
    """Live packets of one length <-> bytes.

    Args:
        entropy: the model of the codes.
        frames: unit frames a packet, at most 64; it covers whole F0 frames and is no longer than a packet of a file.
        fec: forward error correction: each packet carries a coarse copy of the units of the one 1, 4 or 8 packets before, a bit
            (of 4 or 8: two) for each unit frame of each row but the first. What they mean is the model's business. 0: none does.

    Raises InvalidCodes for another number of frames, for copies of another packet or of one row, or for a model whose speaker
    fields have more values than 2^precision.
    """

    def __init__(self, entropy: EntropyModel, frames: int, fec: int = 0) -> None:
        spec = entropy.spec
        if not 1 <= frames <= min(spec.packet_frames, MOST_FRAMES) or frames * spec.unit_hop % spec.f0_hop:
            raise InvalidCodes(f"live packets of {frames} unit frames: no whole F0 frames, or more than {spec.packet_frames}")
        if max(spec.speaker, default=1) > 2**spec.precision:
            raise InvalidCodes(f"a speaker field of {max(spec.speaker)} values: live packets have at most 2^{spec.precision}")
        if isinstance(fec, bool) or fec not in DISTANCES:
            raise InvalidCodes(f"copies of the packet {fec!r:.40} before; forward error correction knows 1, 4 and 8, or 0: none")
        if fec and len(spec.rows) < 2:
            raise InvalidCodes("forward error correction copies all rows but the first, and this model has one")
        self.entropy, self.frames, self.samples, self.fec = entropy, frames, frames * spec.unit_hop, fec
        self.layout = DISTANCES.index(fec) << 6 | frames - 1
        """What a stream's header says of its packets, in one byte."""
        self.copy_bits = COPY_BITS[fec]
        """Of each value of a copy."""
        self.copy_bytes = -(-(len(spec.rows) - 1) * frames * self.copy_bits // 8)
        self._coder, self._f0_frames = PacketCoder(entropy), self.samples // spec.f0_hop
        self._distributions = entropy.speaker_distributions()
        self._salt = crc_hqx(bytes([LIVE_VERSION, self.layout]) + bytes.fromhex(entropy.fingerprint), CRC_START)

    def turn(self, number: int) -> range:
        """The speaker fields that packet ``number`` carries if it is no opening."""
        return range(number % TURNS, len(self._distributions), TURNS)

    def speech(
        self,
        number: int,
        units: ArrayLike,
        f0: ArrayLike,
        speaker: ArrayLike,
        opening: bool = False,
        samples: int | None = None,
        copy: ArrayLike | None = None,
    ) -> bytes:
        """Packet ``number`` with units (rows, frames), f0 (m,) and its share of the speaker fields (fields,), or all.

        ``samples``: it is the last, and so many of its samples count. ``copy``: (rows - 1, frames) values below
        2 ** ``copy_bits`` of the packet ``fec`` before; zeros if there was none.

        Raises InvalidCodes for codes that are not the model's or make no whole packet, for values of a copy that are too large,
        and for more samples than it has.
        """
        units, f0, speaker = as_codes("units", units, 2), as_codes("f0", f0, 1), as_codes("speaker", speaker, 1)
        if (units.shape[1], len(f0)) != (self.frames, self._f0_frames):
            raise InvalidCodes(
                f"{units.shape[1]} unit and {len(f0)} F0 frames; live packets have {self.frames} and {self._f0_frames}"
            )
        self.entropy.check_speaker(speaker)
        sent = self._sent(number, opening)
        payload = self._copy(copy) if self.fec else b""
        payload += self._coder.encode_after([(self._distributions[i], int(speaker[i])) for i in sent], units, f0)
        if samples is not None:
            return self._seal("end", number, self._counted(samples, opening * ALL) + payload)
        return self._seal("opening" if opening else "speech", number, payload)

    def speaker_bits(self, number: int, speaker: ArrayLike, opening: bool = False) -> float:
        """What the speaker fields of such a packet cost."""
        fields = np.asarray(speaker)
        share = [self._distributions[i].frequencies[int(fields[i])] for i in self._sent(number, opening)]
        return float(self.entropy.spec.precision * len(share) - np.log2(share).sum())

    def pause(self, number: int, noise: int) -> bytes:
        """From packet ``number`` on nobody speaks, and there is noise so many dB below full scale."""
        return self._seal("pause", number, bytes([min(max(noise, 0), NOISE_LEVELS - 1)]))

    def silent_end(self, number: int, samples: int) -> bytes:
        """The last packet, if nothing is said in it; so many of its samples count. Raises InvalidCodes as ``speech``."""
        return self._seal("end", number, self._counted(samples, SILENT))

    def _counted(self, samples: int, flags: int) -> bytes:
        if not 0 <= samples <= self.samples:
            raise InvalidCodes(f"{samples} samples of an end count; live packets have {self.samples}")
        return (flags + samples).to_bytes(SAMPLES_BYTES, "big")

    def read(self, data: bytes | bytearray | memoryview) -> LivePacket:
        """Inverse of the others. Zero bytes may follow a payload, before the check: they fill a fixed slot.

        Raises Damaged, and TypeError for anything but bytes.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a live packet is bytes, not {type(data).__name__}")
        data = bytes(data)
        kind, number, samples = self.head(data)
        payload = data[1:-1] if kind != "end" else data[1 + SAMPLES_BYTES : -1]
        if kind == "pause":
            if not payload or payload[0] >= NOISE_LEVELS or any(payload[1:]):
                raise Damaged("a live packet that begins a pause is malformed")
            return LivePacket(kind, number, noise=payload[0], samples=samples)
        flags = int.from_bytes(data[1 : 1 + SAMPLES_BYTES], "big") if kind == "end" else 0
        if flags & SILENT:
            if any(payload) or flags & ALL:
                raise Damaged("a live packet that ends a stream is malformed")
            return LivePacket(kind, number, samples=samples)
        copy = None
        if self.fec:
            rows = len(self.entropy.spec.rows) - 1
            bits = np.unpackbits(np.frombuffer(payload[: self.copy_bytes].ljust(self.copy_bytes, b"\0"), np.uint8))
            told = rows * self.frames * self.copy_bits
            if bits[told:].any():
                raise Damaged("a live packet's copy is malformed")
            places = 1 << np.arange(self.copy_bits, dtype=np.int32)[::-1]
            copy, payload = bits[:told].reshape(rows, -1, self.copy_bits) @ places, payload[self.copy_bytes :]
        sent = self._sent(number, kind == "opening" or flags & ALL > 0)
        values, (units, f0) = self._coder.decode_after(
            [self._distributions[i] for i in sent], payload, self.frames, self._f0_frames
        )
        return LivePacket(kind, number, units, f0, dict(zip(sent, values, strict=True)), samples=samples, copy=copy)

    def _copy(self, values: ArrayLike | None) -> bytes:
        rows = len(self.entropy.spec.rows) - 1
        copy = np.zeros((rows, self.frames), np.int32) if values is None else as_codes("copy", values, 2)
        if copy.shape != (rows, self.frames) or (copy >> self.copy_bits).any():
            raise InvalidCodes(f"a copy is ({rows}, {self.frames}) values below {2**self.copy_bits}")
        return np.packbits(copy[..., None] >> np.arange(self.copy_bits)[::-1] & 1).tobytes()

    def head(self, data: bytes) -> tuple[Kind, int, int]:
        """Kind, number and samples of a packet, which is verified but not decoded. Raises Damaged."""
        if len(data) < OVERHEAD or self._check(data[:-1]) != data[-1:]:
            raise Damaged(f"a live packet of {len(data)} bytes is damaged or of another stream: its check does not match")
        kind, samples = KINDS[data[0] >> 6], self.samples
        if kind == "end":
            samples = int.from_bytes(data[1 : 1 + SAMPLES_BYTES], "big") & SILENT - 1
            if len(data) < OVERHEAD + SAMPLES_BYTES or samples > self.samples:
                raise Damaged("a live packet that ends a stream is malformed")
        return kind, data[0] & NUMBERS - 1, samples

    def _sent(self, number: int, opening: bool) -> range:
        return range(len(self._distributions)) if opening else self.turn(number)

    def _seal(self, kind: Kind, number: int, payload: bytes) -> bytes:
        body = bytes([KINDS.index(kind) << 6 | number % NUMBERS]) + payload
        return body + self._check(body)

    def _check(self, covered: bytes) -> bytes:
        return bytes([crc_hqx(covered, self._salt) & 0xFF])

    def filled(self, packet: bytes, size: int) -> bytes:
        """A packet, with zero bytes behind its payload, of ``size`` bytes. Raises InvalidCodes if it is longer."""
        if len(packet) > size:
            raise InvalidCodes(f"a live packet of {len(packet)} bytes does not fit into {size}")
        body = packet[:-1].ljust(size - 1, b"\0")
        return body + self._check(body)
