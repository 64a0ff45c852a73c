"""F0 that is filled in: the most probable code at each step, as who decodes a stream would see the probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bitstream import EntropyModel, EntropySpec, InvalidCodes, Stream, fit_tables
from bitstream.entropy.batch import Batch, packet_of
from bitstream.entropy.spec import F0
from unitcodec.decoder.intonation import TOGETHER, fill_f0

GOLDEN = Path(__file__).parent.parent / "golden"


def tables() -> EntropyModel:
    """F0 that follows its past and the first row's last unit."""
    spec = EntropySpec(
        rows=(Stream(5, ((0, 1),)), Stream(3)), f0=Stream(6, (("f0", 1), (0, 1))), speaker=(4,), unit_hop=640, packet_frames=8
    )
    rng = np.random.default_rng(0)
    codes = []
    for _ in range(40):
        units = np.stack([rng.integers(5, size=64), rng.integers(3, size=64)])
        before = np.concatenate([[0], units[0, 1:-1:2]])
        codes.append((units, (np.cumsum(before) + rng.integers(2, size=32)) % 6))
    return fit_tables(codes, spec)


MODELS = {
    "tables": tables,
    "recurrent": lambda: EntropyModel.load(GOLDEN / "recurrent" / "entropy.safetensors"),
}


def one_by_one(entropy: EntropyModel, units: np.ndarray, f0: np.ndarray, index: int) -> None:
    """Fill in one packet's F0 the way that a decoder goes: symbol by symbol."""
    part, own = packet_of(entropy.spec, units, f0, index)
    batch = Batch.of_packets(entropy.spec, [(part, own)])
    lanes = entropy.lanes(batch)
    for name, position, count in batch.steps():
        if name == F0:
            own[position] = np.argmax(lanes.few(name, position, count)[0].frequencies)
            batch.write(name, position, own[position : position + 1])


@pytest.mark.parametrize("name", MODELS)
def test_the_most_probable_code_at_each_step(name: str) -> None:
    entropy = MODELS[name]()
    spec, rng = entropy.spec, np.random.default_rng(1)
    for num_samples in (1, spec.unit_hop + 1, spec.packet_samples, 3 * spec.packet_samples + 5 * spec.unit_hop - 3):
        frames, f0_frames, packets = spec.frames(num_samples)
        units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows]).astype(np.int32)
        expected = np.zeros(f0_frames, np.int32)
        for index in range(packets):
            one_by_one(entropy, units, expected, index)
        filled = fill_f0(entropy, units, num_samples)
        assert filled.dtype == np.int32
        assert np.array_equal(filled, expected)
    assert len(np.unique(expected)) > 1


def test_packets_do_not_depend_on_each_other() -> None:
    entropy = tables()
    packet, frames = entropy.spec.packet_samples, entropy.spec.packet_frames
    units = np.random.default_rng(2).integers(3, size=(2, (TOGETHER + 3) * frames)).astype(np.int32)
    whole = fill_f0(entropy, units, (TOGETHER + 3) * packet)
    for first in (0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 2):
        alone = fill_f0(entropy, units[:, first * frames : (first + 1) * frames], packet)
        assert np.array_equal(whole[first * len(alone) : (first + 1) * len(alone)], alone)


def test_a_model_without_f0() -> None:
    spec = EntropySpec(rows=(Stream(5),), f0=Stream(1), speaker=())
    assert fill_f0(fit_tables([], spec), np.zeros((1, 5), np.int32), 3000).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("units", "num_samples", "message"),
    [
        ([[0, 5], [0, 0]], 1280, "alphabet ends at 4"),
        ([[0, 1]], 1280, "1 unit rows given; the model has 2"),
        ([[0, 1], [0, 1]], 1281, "1281 samples make 3 unit frames; 2 are given"),
        ([[0, 1], [0, 1]], 2**48 - 1, "2 are given"),
    ],
)
def test_units_that_are_not_the_models(units: list[list[int]], num_samples: int, message: str) -> None:
    with pytest.raises(InvalidCodes, match=message):
        fill_f0(tables(), np.array(units, np.int32), num_samples)
