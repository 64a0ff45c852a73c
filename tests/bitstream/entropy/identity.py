"""Print a digest of everything that coding gives: the same wherever this runs. Needs NumPy, constriction and safetensors.

    python tests/bitstream/entropy/identity.py [int64]

``int64``: every product of matrices by loops over 64-bit integers instead of a float32 routine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

from bitstream import EntropyModel, EntropySpec, PacketCoder, RecurrentModel, Stream
from bitstream.entropy import recurrent
from bitstream.entropy.recurrent import MAX_SHIFT

GOLDEN = Path(__file__).parents[2] / "golden"
BATCHES = (1, 7, 256)


def numbers(seed: int, size: int) -> np.ndarray:
    """(size,) of 0 .. 2**31 - 1 by integer arithmetic alone, for a generator's stream may change with NumPy's version."""
    state, out = np.uint64(seed), np.empty(size, np.int64)
    with np.errstate(over="ignore"):
        for i in range(size):
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            out[i] = int(state >> np.uint64(33))
    return out


def large_model() -> RecurrentModel:
    """As wide as models that are used, with sums that come near what float32 holds exactly."""
    hidden, alphabet = 192, 100
    spec = EntropySpec((Stream(alphabet, ((0, 1),)),), Stream(1), (), 320, 320 * 64, 64)
    sizes = {
        "recurrent.initial": (hidden,),
        "recurrent.weight": (3 * hidden, hidden),
        "recurrent.bias": (hidden,),
        "input.units.0": (alphabet, 3 * hidden),
        "output.units.0": (alphabet, hidden),
        "table.units.0": (alphabet + 1, alphabet),
    }
    limits = (16384, 330, 800, 1500, 330, 3000)
    parts = {}
    for number, ((name, shape), limit) in enumerate(zip(sizes.items(), limits, strict=True)):
        drawn = numbers(number, int(np.prod(shape))) % (limit + 1) - limit // 2
        parts[name] = drawn.reshape(shape)
    # A third of all rows at the very limit, all of one sign.
    parts["recurrent.weight"][::3] = (2**15 - 1) // hidden
    parts["output.units.0"][::3] = -((2**15 - 1) // hidden)
    return RecurrentModel(spec, {"recurrent.weight": 8, "output.units.0": 8}, parts)


def cases() -> Iterator[tuple[EntropyModel, list[tuple[np.ndarray, np.ndarray]]]]:
    golden = EntropyModel.load(GOLDEN / "recurrent" / "entropy.safetensors")
    packets = json.loads((GOLDEN / "recurrent" / "packets.json").read_text())["packets"]
    yield golden, [(np.array(each["units"], np.int32), np.array(each["f0"], np.int32)) for each in packets]
    tables = EntropyModel.load(GOLDEN / "v1" / "entropy.safetensors")
    codes = json.loads((GOLDEN / "v1" / "codes.json").read_text())
    units, f0 = np.array(codes["units"], np.int32), np.array(codes["f0"], np.int32)
    yield tables, [(units[:, at : at + 8], f0[at // 2 : at // 2 + 4]) for at in range(0, units.shape[1], 8)]
    lengths = numbers(99, 40) % 64 + 1
    symbols = (numbers(100, int(lengths.sum())) % 100).astype(np.int32)
    parts = np.split(symbols[None], np.cumsum(lengths)[:-1], axis=1)
    yield large_model(), [(part, np.zeros(1, np.int32)) for part in parts]


def int64_product(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What `recurrent.product` gives, by integers; NumPy has no BLAS for these. The weights' fraction bits are put back after."""
    whole = np.rint(weights.astype(np.float64) * 2.0**MAX_SHIFT).astype(np.int64)
    return ((values.astype(np.int64) @ whole) / 2.0**MAX_SHIFT).astype(np.float32)


def digest() -> str:
    seen = hashlib.sha256()
    for model, packets in cases():
        seen.update(model.fingerprint.encode())
        shapes = [(units.shape[1], len(f0)) for units, f0 in packets]
        coder = PacketCoder(model)
        alone = [coder.encode_payload(*packet) for packet in packets]
        for size in BATCHES:
            starts = range(0, len(packets), size)
            assert alone == [one for at in starts for one in coder.encode_payloads(packets[at : at + size])], size
            found = [one for at in starts for one in coder.decode_payloads(alone[at : at + size], shapes[at : at + size])]
            for packet, again in zip(packets, found, strict=True):
                assert isinstance(again, tuple), again
                assert np.array_equal(again[0], packet[0]), size
                assert np.array_equal(again[1], packet[1]), size
        for payload in alone:
            seen.update(len(payload).to_bytes(4, "big") + payload)
    return seen.hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["int64"]:
        recurrent.product = int64_product
    print(digest())
