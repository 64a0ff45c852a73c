"""What a stream says of itself, for people and programs that do not decode it."""

from __future__ import annotations

from dataclasses import dataclass

from bitstream.spec import SAMPLE_RATE


@dataclass(frozen=True)
class PacketInfo:
    """A packet's number, first byte, size in bytes with its framing (0: missing), and whether its check matches."""

    index: int
    offset: int
    size: int
    ok: bool


@dataclass(frozen=True)
class StreamInfo:
    """A stream's facts.

    Attributes:
        version, model, num_samples: as in the header (num_samples at 16 kHz).
        size, header_size: bytes.
        packets: one a packet, in order.
        trailing: bytes after the last packet; 0 in a sound stream. Known only with the entropy model, else 0.
        speaker: speaker fields; None without the entropy model.
        bits: bits spent on "units", "f0", "speaker" and "framing" (header, lengths, checks, the coder's rounding), summing
            to 8 * size; None without the entropy model or if any packet is damaged.
    """

    version: int
    model: str
    num_samples: int
    size: int
    header_size: int
    packets: tuple[PacketInfo, ...]
    trailing: int = 0
    speaker: tuple[int, ...] | None = None
    bits: dict[str, float] | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_samples / SAMPLE_RATE

    @property
    def bits_per_second(self) -> float:
        """The whole file's rate, header and checks included; 0 for an empty stream."""
        return 8 * self.size / self.duration if self.num_samples else 0.0

    @property
    def ok(self) -> bool:
        """Whether every packet's check matches and nothing trails."""
        return not self.trailing and all(packet.ok for packet in self.packets)
