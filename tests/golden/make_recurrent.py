"""Make the golden files of the recurrent entropy model: a small network, packets, and the payloads that they must become.

    python tests/golden/make_recurrent.py

The numbers come from a linear congruential generator, so that they hang on no library. The files are the format's memory:
make them again only for a new kind of model, into a new folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from bitstream import EntropySpec, PacketCoder, RecurrentModel, Stream
from bitstream.entropy.spec import stream_title

FOLDER = Path(__file__).parent / "recurrent"
HIDDEN = 24
SPEC = EntropySpec(
    rows=(Stream(9, ((0, 1), ("f0", 0))), Stream(5, ((0, 0),)), Stream(1)),
    f0=Stream(6, (("f0", 1), (1, 1))),
    speaker=(8, 5, 3),
    packet_frames=32,
)


def numbers(seed: int) -> Iterator[int]:
    """0 .. 32767, without end."""
    state = seed
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state >> 16


def model() -> RecurrentModel:
    source = numbers(2026)

    def integers(limit: int, *shape: int) -> NDArray[np.int32]:
        flat = [next(source) % (2 * limit + 1) - limit for _ in range(int(np.prod(shape)))]
        return np.array(flat, np.int32).reshape(shape)

    parts = {
        "recurrent.initial": integers(9000, HIDDEN),
        "recurrent.weight": integers(400, 3 * HIDDEN, HIDDEN),
        "recurrent.bias": integers(600, HIDDEN),
    }
    shifts = {"recurrent.weight": 8}
    for name in SPEC.names:
        title, alphabet = stream_title(name), SPEC.stream(name).alphabet
        if alphabet > 1:
            parts[f"input.{title}"] = integers(1500, alphabet, 3 * HIDDEN)
            parts[f"output.{title}"] = integers(700, alphabet, HIDDEN)
            parts[f"table.{title}"] = integers(2500, *SPEC.table_shape(name))
            shifts[f"output.{title}"] = 8
    return RecurrentModel(SPEC, shifts, parts)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    entropy = model()
    entropy.save(FOLDER / "entropy.safetensors")
    source, coder, packets = numbers(7), PacketCoder(entropy), []
    for frames in (1, 2, 3, 17, 31, *[32] * 40):
        f0_frames = -(-frames // 2)
        units = np.array([[next(source) % row.alphabet for _ in range(frames)] for row in SPEC.rows], np.int32)
        f0 = np.array([next(source) % SPEC.f0.alphabet for _ in range(f0_frames)], np.int32)
        payload = coder.encode_payload(units, f0).hex()
        packets.append({"units": units.tolist(), "f0": f0.tolist(), "payload": payload})
    golden = {"fingerprint": entropy.fingerprint, "packets": packets}
    (FOLDER / "packets.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
