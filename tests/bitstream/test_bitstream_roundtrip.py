from __future__ import annotations

import io
import json
from pathlib import Path

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import models_and_codes, random_codes, random_model
from hypothesis import given, settings

import bitstream
from bitstream import EntropyModel, EntropySpec, InvalidCodes, SpeechCodes, Stream


@settings(max_examples=100, deadline=None)
@given(models_and_codes())
def test_any_codes_come_back(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    data = bitstream.pack(codes, model)
    assert bitstream.unpack(data, model) == codes
    assert bitstream.unpack(data, model, on_error="conceal") == codes
    assert bitstream.unpack(memoryview(bytearray(data)), model) == codes
    info = bitstream.inspect(data, model)
    assert info.ok
    assert info.speaker == tuple(codes.speaker)
    assert info.bits is not None
    assert sum(info.bits.values()) == pytest.approx(8 * len(data))
    cost = model.cost(codes)
    assert info.bits["f0"] == pytest.approx(cost["f0"])
    assert info.bits["units"] == pytest.approx(sum(bits for title, bits in cost.items() if title.startswith("units")))


@settings(max_examples=60, deadline=None)
@given(models_and_codes())
def test_the_reference_decoder_agrees(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    decoded = reference.decode(bitstream.pack(codes, model), reference.read_model(model.to_bytes()))
    assert SpeechCodes(**{**decoded, "units": np.array(decoded["units"])}) == codes


@settings(max_examples=40, deadline=None)
@given(models_and_codes())
def test_size_is_the_stated_cost(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    packets = bitstream.inspect(bitstream.pack(codes, model), model).packets
    payload = sum(8 * (packet.size - 3) for packet in packets)
    cost = sum(bits for title, bits in model.cost(codes).items() if title != "speaker")
    assert payload <= cost + 8 * len(packets)


def test_overhead_of_full_packets() -> None:
    """At the reference model's size: under 4 bits a packet above -log2 of the probabilities."""
    rng = np.random.default_rng(0)
    streams = tuple(Stream(8, ((row, 1),)) for row in range(4))
    model = random_model(EntropySpec(streams, Stream(20, (("f0", 1),)), (256,) * 8 + (64, 16, 128)), rng)
    codes = random_codes(model, 100 * 40960, rng)
    info = bitstream.inspect(bitstream.pack(codes, model), model)
    cost = sum(bits for title, bits in model.cost(codes).items() if title != "speaker")
    payload = sum(8 * len(bitstream.PacketCoder(model).encode_payload(*_part(codes, model, i))) for i in range(100))
    assert len(info.packets) == 100
    assert 0 < (payload - cost) / 100 < 4


def test_fixed_cost_of_a_stream() -> None:
    model = random_model(EntropySpec((Stream(8),), Stream(20), (256,) * 8 + (64, 16, 128)), np.random.default_rng(0))
    assert len(bitstream.write_header(16000 * 60, np.zeros(11, int), model)) + 3 <= 27


@pytest.mark.parametrize("num_samples", [0, 1, 640, 641, 8 * 640, 8 * 640 + 1, 2**21])
def test_lengths(golden_model: EntropyModel, num_samples: int) -> None:
    codes = random_codes(golden_model, num_samples, np.random.default_rng(num_samples))
    assert bitstream.unpack(bitstream.pack(codes, golden_model), golden_model) == codes


def test_packets_made_and_read_one_by_one(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 30000, np.random.default_rng(3))
    coder = bitstream.PacketCoder(golden_model)
    packets = [coder.encode_packet(*_part(codes, golden_model, i), i) for i in range(6)]
    data = bitstream.write_header(30000, codes.speaker, golden_model) + b"".join(packets)
    assert data == bitstream.pack(codes, golden_model)
    for source in (data, io.BytesIO(data)):
        read = list(bitstream.iter_packets(source, golden_model))
        assert np.array_equal(np.hstack([packet.units for packet in read]), codes.units)
        assert np.array_equal(np.hstack([packet.f0 for packet in read]), codes.f0)
        assert [packet.first_frame for packet in read] == [0, 8, 16, 24, 32, 40]
    units, f0 = _part(codes, golden_model, 2)
    decoded = coder.decode_packet(packets[2], units.shape[1], len(f0), 2)
    assert np.array_equal(decoded[0], units)
    assert np.array_equal(decoded[1], f0)


def test_a_pipe_is_never_asked_for_more_than_the_packet(golden_model: EntropyModel) -> None:
    """What a live listener needs: each packet as soon as its bytes are there."""

    class Pipe(io.BytesIO):
        given = 0

        def read(self, count: int | None = -1) -> bytes:
            assert count is not None
            assert self.tell() + count <= self.given, "read past what was sent"
            return super().read(count)

    codes = random_codes(golden_model, 20000, np.random.default_rng(4))
    data = bitstream.pack(codes, golden_model)
    pipe = Pipe(data)
    packets = bitstream.iter_packets(pipe, golden_model)
    for info in bitstream.inspect(data, golden_model).packets:
        pipe.given = info.offset + info.size
        assert next(packets).first_frame == 8 * info.index
    pipe.given = 2**20
    assert list(packets) == []


def test_golden_files(golden: Path, golden_model: EntropyModel) -> None:
    """Version 1 as it was first written. If this fails the format has changed, and files out there no longer decode."""
    data = (golden / "stream.uc").read_bytes()
    expected = json.loads((golden / "codes.json").read_text())
    codes = SpeechCodes(**expected)
    assert golden_model.fingerprint == expected["model"]
    assert bitstream.unpack(data, golden_model) == codes
    assert bitstream.pack(codes, golden_model) == data
    assert reference.decode(data, reference.read_model((golden / "entropy.safetensors").read_bytes())) == expected


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
    coder = bitstream.PacketCoder(golden_model)
    for units, f0 in ((codes.units[:, :9], codes.f0[:5]), (codes.units[:, :0], codes.f0[:0]), (codes.units[:, :4], codes.f0[:3])):
        with pytest.raises(InvalidCodes):
            coder.encode_packet(units, f0, 0)


def _part(codes: SpeechCodes, model: EntropyModel, index: int) -> tuple[np.ndarray, np.ndarray]:
    n, m = model.spec.packet_frames, model.spec.packet_f0_frames
    return codes.units[:, index * n : index * n + n], codes.f0[index * m : index * m + m]
