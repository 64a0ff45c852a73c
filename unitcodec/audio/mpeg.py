"""Frames of MPEG audio: MP3, layer II, AAC in ADTS. They have no header of the whole, and are known by following each other."""

from __future__ import annotations

import mmap

_BIT_RATES = {  # kbit/s by the four bits of the header; layers III and II; MPEG-1, and the lower rates of MPEG-2 and 2.5
    (1, True): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, True): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, False): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, False): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

_FRAMES = 3
"""Headers of MPEG audio in a row that are no accident: each but the first has to agree in 17 bits or more."""


def mpeg_kind(data: bytes | mmap.mmap, position: int) -> str | None:
    """MP3 (or layer II) or AAC, where some frames follow each other."""
    first = data[position : position + 4]
    for _ in range(_FRAMES):
        head = data[position : position + 6]
        size = frame_bytes(head)
        if not size or head[1] != first[1] or (head[2] ^ first[2]) & 0x0C:  # version and layer; sample rate
            return None
        position += size
    return "MP3" if first[1] & 6 else "AAC"


def frame_bytes(head: bytes) -> int:
    """How long the frame of MPEG audio is whose first six bytes these are; 0 where none begins."""
    if len(head) < 6 or head[0] != 0xFF or head[1] < 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0 and head[1] >= 0xF0:  # ADTS
        size = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
        return size if size > 7 and head[2] >> 2 & 15 < 13 else 0
    rates = _BIT_RATES.get((layer, version == 3))
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if rates is None or version == 1 or bits in (0, 15) or rate == 3:
        return 0
    hertz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (72 if layer == 1 and version != 3 else 144) * 1000 * rates[bits] // hertz + (head[2] >> 1 & 1)
