"""Make the golden files of bitstream version 1: a small entropy model, a stream, and the codes it must decode to.

    python tests/golden/make.py

The numbers come from a linear congruential generator, so that they hang on no library. The files are the format's memory:
make them again only for a new version of the format, into a new folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from bitstream import EntropyModel, EntropySpec, SpeechCodes, Stream, fit_tables, pack

FOLDER = Path(__file__).parent / "v1"
SPEC = EntropySpec(
    rows=(Stream(4, ((0, 1), ("f0", 0))), Stream(5, ((0, 0), (1, 1), (0, 2)))),
    f0=Stream(6, (("f0", 1), (1, 1))),
    speaker=(8, 5, 3),
    packet_frames=8,
)


def numbers(seed: int, count: int, alphabet: int) -> list[int]:
    """A walk that mostly stays or steps by one, so that contexts tell something."""
    state, value, out = seed, 0, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        value = (value + (0, 0, 0, 0, 1, 1, 2, 3)[state >> 16 & 7]) % alphabet
        out.append(value)
    return out


def utterance(seed: int, num_samples: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    frames, f0_frames, _ = SPEC.frames(num_samples)
    units = [numbers(seed + row, frames, stream.alphabet) for row, stream in enumerate(SPEC.rows)]
    return np.array(units, np.int32), np.array(numbers(seed + 17, f0_frames, SPEC.f0.alphabet), np.int32)


def model() -> EntropyModel:
    return fit_tables([utterance(100 * i, 64000 + 640 * i) for i in range(20)], SPEC)


def codes(fingerprint: str) -> SpeechCodes:
    num_samples = 27 * 640 + 5
    return SpeechCodes(*utterance(12345, num_samples), np.array([7, 0, 2], np.int32), num_samples, fingerprint)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    entropy = model()
    entropy.save(FOLDER / "entropy.safetensors")
    made = codes(entropy.fingerprint)
    (FOLDER / "stream.uc").write_bytes(pack(made, entropy))
    arrays = {name: getattr(made, name).tolist() for name in ("units", "f0", "speaker")}
    (FOLDER / "codes.json").write_text(json.dumps({**arrays, "num_samples": made.num_samples, "model": made.model}) + "\n")


if __name__ == "__main__":
    main()
