from __future__ import annotations

import io
import json
from pathlib import Path

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import models_and_codes, pack_1, parts, random_codes, random_model
from hypothesis import given, settings

import bitstream
from bitstream import EntropyModel, EntropySpec, InvalidCodes, PacketCoder, SpeechCodes, Stream


@settings(max_examples=100, deadline=None)
@given(models_and_codes())
def test_any_codes_come_back(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    data = bitstream.pack(codes, model)
    assert bitstream.unpack(data, model) == codes
    assert bitstream.unpack(data, model, on_error="conceal") == codes
    assert bitstream.unpack(data, model, on_error="salvage") == codes
    assert bitstream.unpack(memoryview(bytearray(data)), model) == codes
    info = bitstream.inspect(data, model)
    assert info.ok
    assert info.speaker == tuple(codes.speaker)
    assert info.bits is not None
    assert sum(info.bits.values()) == pytest.approx(8 * len(data))
    cost = model.cost(codes)
    assert info.num_samples == codes.num_samples
    assert info.bits["f0"] == pytest.approx(cost["f0"])
    assert info.bits["units"] == pytest.approx(sum(bits for title, bits in cost.items() if title.startswith("units")))


@settings(max_examples=60, deadline=None)
@given(models_and_codes())
def test_the_reference_decoder_agrees(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    for data in (bitstream.pack(codes, model), pack_1(codes, model)):
        decoded = reference.decode(data, reference.read_model(model.to_bytes()))
        assert SpeechCodes(**{**decoded, "units": np.array(decoded["units"])}) == codes


@settings(max_examples=40, deadline=None)
@given(models_and_codes())
def test_version_1_is_still_read(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    data = pack_1(codes, model)
    for mode in ("strict", "conceal", "salvage"):
        assert bitstream.unpack(data, model, mode) == codes
        assert len(list(bitstream.iter_packets(io.BytesIO(data), model, mode))) == model.spec.frames(codes.num_samples)[2]
    info = bitstream.inspect(data, model)
    assert info.ok
    assert (info.version, info.num_samples) == (1, codes.num_samples)
    assert [packet.offset for packet in info.packets] == [packet.offset for packet in bitstream.inspect(data).packets]


@settings(max_examples=40, deadline=None)
@given(models_and_codes())
def test_size_is_the_stated_cost(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    payloads = [PacketCoder(model).encode_payload(*part) for part in parts(codes, model)]
    cost = sum(bits for title, bits in model.cost(codes).items() if title != "speaker")
    assert 8 * sum(map(len, payloads)) <= cost + 8 * len(payloads)


def test_overhead_of_full_packets() -> None:
    """At the reference model's size: under 4 bits a packet above -log2 of the probabilities."""
    rng = np.random.default_rng(0)
    streams = tuple(Stream(8, ((row, 1),)) for row in range(4))
    model = random_model(EntropySpec(streams, Stream(20, (("f0", 1),)), (256,) * 8 + (64, 16, 128)), rng)
    codes = random_codes(model, 100 * 40960, rng)
    info = bitstream.inspect(bitstream.pack(codes, model), model)
    cost = sum(bits for title, bits in model.cost(codes).items() if title != "speaker")
    payload = sum(8 * len(PacketCoder(model).encode_payload(*part)) for part in parts(codes, model))
    assert len(info.packets) == 100
    assert 0 < (payload - cost) / 100 < 4


@pytest.mark.parametrize("num_samples", [40960, 40959, 40961, 2 * 40960 + 20000])
def test_fixed_cost_of_a_stream(num_samples: int) -> None:
    """Header with 10 bytes of speaker, length and check of a packet; and what says where the stream ends."""
    model = random_model(EntropySpec((Stream(8),), Stream(20), (2**10,) * 8), np.random.default_rng(0))
    data = bitstream.pack(random_codes(model, num_samples, np.random.default_rng(0)), model)
    assert bitstream.inspect(data).header_size == 20
    payloads = [PacketCoder(model).encode_payload(*part) for part in parts(bitstream.unpack(data, model), model)]
    assert len(data) - sum(map(len, payloads)) <= 20 + 3 * len(payloads) + 4


@pytest.mark.parametrize("num_samples", [0, 1, 640, 641, 8 * 640, 8 * 640 + 1, 2**21])
def test_lengths(golden_model: EntropyModel, num_samples: int) -> None:
    codes = random_codes(golden_model, num_samples, np.random.default_rng(num_samples))
    assert bitstream.unpack(bitstream.pack(codes, golden_model), golden_model) == codes


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_golden_files(golden: Path, golden_model: EntropyModel, version: str) -> None:
    """Streams as they were first written. If this fails the format has changed, and files out there no longer decode."""
    folder = golden.parent / version
    model = reference.read_model((golden / "entropy.safetensors").read_bytes())
    streams = sorted(folder.glob("*.uc"))
    assert streams
    for path in streams:
        data = path.read_bytes()
        expected = json.loads((path.with_suffix(".json") if version == "v2" else folder / "codes.json").read_text())
        codes = SpeechCodes(**expected)
        assert golden_model.fingerprint == expected["model"]
        assert bitstream.unpack(data, golden_model) == codes
        assert reference.decode(data, model) == expected
        if version == "v2":
            assert bitstream.pack(codes, golden_model) == data


def test_packing_refuses_what_it_cannot_say(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 20000, np.random.default_rng(5))
    fields = {name: getattr(codes, name) for name in ("units", "f0", "speaker", "num_samples", "model")}
    for change in (
        {"lost": ((0, 8),)},
        {"model": "00000000"},
        {"num_samples": 30000},
        {"units": codes.units[:1]},
        {"units": codes.units + 4},
        {"f0": codes.f0 + 6},
        {"f0": codes.f0[1:]},
        {"speaker": [7, 0]},
        {"speaker": [8, 0, 0]},
    ):
        with pytest.raises(InvalidCodes):
            bitstream.pack(SpeechCodes(**{**fields, **change}), golden_model)
    coder = PacketCoder(golden_model)
    for units, f0 in ((codes.units[:, :9], codes.f0[:5]), (codes.units[:, :0], codes.f0[:0]), (codes.units[:, :4], codes.f0[:3])):
        with pytest.raises(InvalidCodes):
            coder.encode_payload(units, f0)
