"""What a stream says of itself, for people and programs that do not decode it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitstream.entropy.spec import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class PacketInfo:
    """A packet's number, first byte, size in bytes with its framing (0: missing), and whether its check matches.

    `bits`: what it spends on "units", "f0" and "framing", summing to 8 * size; None without the entropy model, if damaged, and if
    it was not decoded, as most of a long stream are not.
    """

    index: int
    offset: int
    size: int
    ok: bool
    bits: dict[str, float] | None = None


@dataclass(frozen=True)
class StreamInfo:
    """A stream's facts.

    Attributes:
        version, model: as in the header.
        num_samples: exact length at 16 kHz. None where it takes the entropy model to tell, which is not at hand; if the stream's
            end is missing, what the sound packets cover.
        size, header_size: bytes.
        packets: one a packet, in order.
        trailing: bytes after the end; 0 in a sound stream. In version 1 known only with the entropy model, else 0.
        stray: bytes before the end that belong to no packet; 0 in a sound stream.
        complete: whether the end is there and sound.
        speaker: speaker fields; None without the entropy model.
        bits: bits spent on "units", "f0", "speaker" and "framing" (header, lengths, checks, end, the coder's rounding), summing
            to 8 * size; None without the entropy model or if the stream is not sound. Where not all packets were decoded, an
            estimate.
    """

    version: int
    model: str
    num_samples: int | None
    size: int
    header_size: int
    packets: tuple[PacketInfo, ...]
    trailing: int = 0
    stray: int = 0
    complete: bool = True
    speaker: tuple[int, ...] | None = None
    bits: dict[str, float] | None = None

    @property
    def duration(self) -> float:
        """Seconds; NaN where num_samples is not known."""
        return math.nan if self.num_samples is None else self.num_samples / SAMPLE_RATE

    @property
    def bits_per_second(self) -> float:
        """The whole file's rate, header and checks included; 0 for an empty stream, NaN for an unknown duration."""
        return 8 * self.size / self.duration if self.duration else 0.0

    @property
    def ok(self) -> bool:
        """Whether the end is there, every check matches, and no byte belongs to nothing."""
        return self.complete and not self.trailing and not self.stray and all(packet.ok for packet in self.packets)
