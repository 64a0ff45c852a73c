"""Every bit of streams turned over, one at a time: is anything wrong ever given as right?

    python tests/fuzz/flips.py FILE.uc...

Strict reading has to refuse, and what conceal and salvage do not mark as lost has to be what was sent. Exit status 1 otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import bitstream
from bitstream import BitstreamError, OnError, SpeechCodes


def wrong(sent: SpeechCodes, heard: SpeechCodes) -> bool:
    """Whether a code that is given as sound is another than was sent, or the length is."""
    frames = min(sent.units.shape[1], heard.units.shape[1])
    sound = np.ones(frames, bool)
    for start, stop in heard.lost:
        sound[start:stop] = False
    return not np.array_equal(sent.units[:, :frames][:, sound], heard.units[:, :frames][:, sound])


def flips(files: Sequence[Path]) -> int:
    """How many bits were turned over and taken for sound."""
    bits, passed = 0, 0
    modes: tuple[OnError, ...] = ("conceal", "salvage")
    for file in files:
        data = file.read_bytes()
        sent = bitstream.unpack(data)
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
                    passed += wrong(sent, bitstream.unpack(bytes(bad), on_error=mode))
                except BitstreamError:
                    continue
    print(f"{len(files)} files, {bits:,} bits turned over: {passed} times something wrong was given as right")
    return passed


if __name__ == "__main__":
    sys.exit(bool(flips([Path(name) for name in sys.argv[1:]])))
