"""Many streams at once are those that they are one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bitstream_strategies import random_codes, random_model, random_recurrent, specs
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import Damaged, EntropyModel, EntropySpec, InvalidCodes, SpeechCodes


@settings(max_examples=40, deadline=None)
@given(specs(), specs(), st.integers(0, 2**32), st.integers(0, 12))
def test_together_as_one_by_one(first: EntropySpec, second: EntropySpec, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    models: list[EntropyModel] = [random_model(first, rng), random_recurrent(second, rng, 6)]
    chosen = [models[index] for index in rng.integers(0, 2, count)]
    utterances = [random_codes(model, int(rng.integers(0, 3 * model.spec.packet_samples)), rng) for model in chosen]
    alone = [bitstream.pack(codes, model) for codes, model in zip(utterances, chosen, strict=True)]
    for model in models:
        mine = [index for index, other in enumerate(chosen) if other is model]
        assert bitstream.pack_many([utterances[index] for index in mine], model) == [alone[index] for index in mine]
        assert bitstream.unpack_many([alone[index] for index in mine], model) == [utterances[index] for index in mine]


@pytest.fixture
def codes(golden_model: EntropyModel) -> SpeechCodes:
    return random_codes(golden_model, 3 * golden_model.spec.packet_samples + 700, np.random.default_rng(0))


def test_the_model_is_looked_up(
    codes: SpeechCodes, golden_model: EntropyModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "small").mkdir()
    golden_model.save(tmp_path / "small" / "entropy.safetensors")
    monkeypatch.setenv("UNITCODEC_MODELS", str(tmp_path))
    streams = bitstream.pack_many([codes, codes])
    assert streams == [bitstream.pack(codes, golden_model)] * 2
    assert bitstream.unpack_many(streams) == [codes] * 2


def test_one_bad_stream(golden_model: EntropyModel, codes: SpeechCodes) -> None:
    data = bitstream.pack(codes, golden_model)
    damaged = bytearray(data)
    damaged[-4] ^= 1
    with pytest.raises(Damaged):
        bitstream.unpack_many([data, damaged], golden_model)
    sound, lost = bitstream.unpack_many([data, damaged], golden_model, on_error="salvage")
    assert sound == codes
    assert lost == bitstream.unpack(damaged, golden_model, on_error="salvage")
    wrong = SpeechCodes(codes.units, codes.f0, codes.speaker, codes.num_samples, codes.model, ((0, 1),))
    with pytest.raises(InvalidCodes, match="lost"):
        bitstream.pack_many([codes, wrong], golden_model)
