"""What bare samples are, which no header says."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import AudioError

ENCODINGS = {
    "s8": ("PCM_S8", "LITTLE", 1),
    "u8": ("PCM_U8", "LITTLE", 1),
    "s16le": ("PCM_16", "LITTLE", 2),
    "s16be": ("PCM_16", "BIG", 2),
    "s24le": ("PCM_24", "LITTLE", 3),
    "s32le": ("PCM_32", "LITTLE", 4),
    "f32le": ("FLOAT", "LITTLE", 4),
    "f64le": ("DOUBLE", "LITTLE", 8),
    "mulaw": ("ULAW", "LITTLE", 1),
    "alaw": ("ALAW", "LITTLE", 1),
}
"""FFmpeg's names of them, and libsndfile's: subtype, byte order; and how many bytes a sample is."""


@dataclass(frozen=True)
class RawFormat:
    """Bare samples: ``sample_rate`` in Hz, channels (interleaved), one of ``ENCODINGS``. Raises AudioError."""

    sample_rate: int
    channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        if not (0 < self.sample_rate < 1 << 31 and 0 < self.channels <= 1024 and self.encoding in ENCODINGS):
            raise AudioError(f"{self.encoding}, {self.channels} channels at {self.sample_rate} Hz: no format of bare samples")
