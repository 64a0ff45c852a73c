"""Every bit of streams turned over, one at a time: is anything wrong ever given as right?

    python tests/fuzz/flips.py FILE.uc...

Strict reading has to refuse, and what conceal and salvage do not mark as lost has to be what was sent: units, F0, speaker and
length. Exit status 1 otherwise.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import bitstream
from bitstream import BitstreamError, EntropySpec, OnError, SpeechCodes, find_entropy_model


def wrong(sent: SpeechCodes, heard: SpeechCodes, spec: EntropySpec, mode: OnError) -> bool:
    """Whether a code or a length that is given as sound is another than was sent. Salvage ends after the last sound packet."""
    ratio = spec.packet_f0_frames / spec.packet_frames
    ends = bool(heard.lost) and heard.lost[-1][1] == heard.units.shape[1]
    longer = heard.num_samples - sent.num_samples
    return (
        not _alike(sent.units, heard.units, heard.lost)
        or not _alike(sent.f0, heard.f0, [(int(start * ratio), math.ceil(stop * ratio)) for start, stop in heard.lost])
        or tuple(heard.speaker) != tuple(sent.speaker)
        or not (ends or longer == 0 or (longer < 0 and mode == "salvage"))
    )


def _alike(sent: NDArray[np.int32], heard: NDArray[np.int32], lost: Sequence[tuple[int, int]]) -> bool:
    """Whether they are, but for frames that are lost; the last axis is time."""
    frames = min(sent.shape[-1], heard.shape[-1])
    sound = np.ones(frames, bool)
    for start, stop in lost:
        sound[start:stop] = False
    return bool(np.array_equal(sent[..., :frames][..., sound], heard[..., :frames][..., sound]))


def flips(files: Sequence[Path]) -> int:
    """How many bits were turned over and taken for sound."""
    bits, passed = 0, 0
    modes: tuple[OnError, ...] = ("conceal", "salvage")
    for file in files:
        data = file.read_bytes()
        sent = bitstream.unpack(data)
        spec = find_entropy_model(sent.model).spec
        for bit in range(8 * len(data)):
            bad = bytearray(data)
            bad[bit // 8] ^= 1 << bit % 8
            bits += 1
            try:
                bitstream.unpack(bytes(bad))
                passed += 1
            except BitstreamError:
                pass
            for mode in modes:
                try:
                    passed += wrong(sent, bitstream.unpack(bytes(bad), on_error=mode), spec, mode)
                except BitstreamError:
                    continue
    print(f"{len(files)} files, {bits:,} bits turned over: {passed} times something wrong was given as right")
    return passed


if __name__ == "__main__":
    sys.exit(bool(flips([Path(name) for name in sys.argv[1:]])))
