"""The second check, behind the CRC: a payload that no writer gives is refused. docs/bitstream.md, section 4.1."""

from __future__ import annotations

import bitstream_figures as figures
import numpy as np
import pytest
from bitstream_strategies import random_model

from bitstream import EntropyModel, EntropySpec, PacketCoder, Stream
from bitstream.entropy.batch import Batch


def typical(model: EntropyModel, rng: np.random.Generator) -> bytes:
    """The payload of a full packet of codes as the model expects them."""
    batch = Batch(model.spec, [(model.spec.packet_frames, model.spec.packet_f0_frames)])
    lanes = model.lanes(batch)
    for name, position, count in batch.steps():
        (frequencies,) = lanes.frequencies(name, position, count)
        batch.write(name, position, [rng.choice(len(frequencies), p=frequencies / 2**model.spec.precision)])
    return PacketCoder(model).encode_payload(*batch.packets()[0])


@pytest.mark.parametrize("kind", figures.DAMAGE)
def test_little_damage_passes_once_the_check_does(kind: str) -> None:
    """With a model that is right about its codes, and so has the least to tell damage by."""
    rng = np.random.default_rng(0)
    streams = tuple(Stream(8, ((row, 1),)) for row in range(4))
    model = random_model(EntropySpec(streams, Stream(20, (("f0", 1),)), ()), rng)
    payloads = [typical(model, rng) for _ in range(20)]
    assert figures.passed(model, payloads, figures.DAMAGE[kind], 500) < 0.12
