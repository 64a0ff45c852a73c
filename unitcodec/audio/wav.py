"""Samples -> WAV, or bare 16-bit samples, as they come."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.spec import SAMPLE_RATE

from ..arrays import Samples
from ..errors import AudioError


class Sink(Protocol):
    """Anything that takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


def write_wav(
    target: str | os.PathLike[str] | Sink,
    blocks: Iterable[Samples],
    num_samples: int | None,
    sample_rate: int = SAMPLE_RATE,
    raw: bool = False,
) -> None:
    """Write mono 16-bit PCM: a WAV file, or with ``raw`` the bare little-endian samples.

    The length is stated in advance, so ``target`` may be a pipe. Above 4 GiB the header is RF64's. Samples are rounded to
    the nearest and clipped to full scale.

    Args:
        target: a path, or anything with ``write(bytes)``.
        blocks: float ``(T,)`` each, full scale 1.0.
        num_samples: their total length. None if only their end will tell: the header then states the largest length there is,
            as is usual in pipes.
        sample_rate: Hz.
        raw: no header.

    Raises:
        AudioError: the blocks hold more or fewer than ``num_samples``.
        OSError: as the system says.
    """
    if isinstance(target, (str, os.PathLike)):
        with open(target, "wb") as stream:
            write_wav(stream, blocks, num_samples, sample_rate, raw)
        return
    if not raw:
        target.write(_wav_header(num_samples, sample_rate))
    written = 0
    for block in blocks:
        written += len(block)
        if num_samples is not None and written > num_samples:
            break
        target.write(_to_pcm16(block).tobytes())
    if num_samples is not None and written != num_samples:
        raise AudioError(f"{num_samples} samples announced, {'more' if written > num_samples else written} given")


def _wav_header(num_samples: int | None, sample_rate: int) -> bytes:
    wave = b"WAVE"
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    if num_samples is None:
        return struct.pack("<4sI", b"RIFF", 0xFFFFFFFF) + wave + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)
    data_bytes = 2 * num_samples
    riff_bytes = len(wave) + len(fmt) + 8 + data_bytes
    if riff_bytes < 1 << 32:
        return struct.pack("<4sI", b"RIFF", riff_bytes) + wave + fmt + struct.pack("<4sI", b"data", data_bytes)
    # EBU Tech 3306: the 32-bit sizes are all ones, the true ones stand in a ds64 chunk in front.
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes + 36, data_bytes, num_samples, 0)
    return struct.pack("<4sI", b"RF64", 0xFFFFFFFF) + wave + ds64 + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)


def _to_pcm16(block: Samples) -> NDArray[np.int16]:
    """Round and clip; the inverse of the division by 32768 on reading."""
    scaled = np.rint(np.asarray(block, np.float32) * np.float32(32768))
    return np.asarray(np.clip(scaled, -32768, 32767), "<i2")
