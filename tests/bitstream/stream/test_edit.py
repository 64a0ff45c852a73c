from __future__ import annotations

import numpy as np
import pytest
from bitstream_strategies import models_and_codes, pack_1, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import EntropyModel, InvalidCodes, SpeechCodes, cut, join


@settings(max_examples=80, deadline=None)
@given(models_and_codes(), st.data())
def test_cut_and_join(pair: tuple[EntropyModel, SpeechCodes], draw: st.DataObject) -> None:
    model, codes = pair
    data = bitstream.pack(codes, model)
    packets = len(bitstream.inspect(data).packets)
    start = draw.draw(st.integers(0, packets))
    stop = draw.draw(st.integers(start, packets))
    piece = bitstream.unpack(cut(data, start, stop), model)
    frames = slice(start * model.spec.packet_frames, stop * model.spec.packet_frames)
    assert np.array_equal(piece.units, codes.units[:, frames])
    assert np.array_equal(piece.f0, codes.f0[start * model.spec.packet_f0_frames : stop * model.spec.packet_f0_frames])
    assert np.array_equal(piece.speaker, codes.speaker)
    samples = model.spec.packet_samples
    assert piece.num_samples == min(stop * samples, codes.num_samples) - min(start * samples, codes.num_samples)
    # What is cut is what would be packed, and joined again it is what it was.
    assert bitstream.pack(piece, model) == cut(data, start, stop)
    assert join([cut(data, 0, start), cut(data, start, stop), cut(data, stop, packets)]) == data if stop < packets else True
    assert join([data]) == cut(data, 0, packets) == data


def test_what_cannot_be_cut(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 3 * 5120, np.random.default_rng(0))
    data = bitstream.pack(codes, golden_model)
    for start, stop in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(InvalidCodes, match="stream of 3"):
            cut(data, start, stop)
    with pytest.raises(InvalidCodes, match="version 1"):
        cut(pack_1(codes, golden_model), 0, 1)
    with pytest.raises(bitstream.Truncated):
        cut(data[:-1], 0, 1)
    with pytest.raises(bitstream.Damaged, match="packet 1, at byte"):
        cut(data[:25] + bytes([data[25] ^ 1]) + data[26:], 0, 1)


def test_what_cannot_be_joined(golden_model: EntropyModel) -> None:
    rng = np.random.default_rng(0)
    full, short = (bitstream.pack(random_codes(golden_model, n, rng), golden_model) for n in (5120, 5000))
    trimmed = bitstream.pack(random_codes(golden_model, 5119, rng), golden_model)

    def voiced(data: bytes, speaker: int) -> bytes:
        codes = bitstream.unpack(data, golden_model)
        return bitstream.pack(SpeechCodes(codes.units, codes.f0, [speaker, 0, 0], codes.num_samples, codes.model), golden_model)

    full, short, trimmed = (voiced(data, 1) for data in (full, short, trimmed))
    assert bitstream.unpack(join([full, full, short]), golden_model).num_samples == 2 * 5120 + 5000
    assert bitstream.unpack(join(iter([full, trimmed])), golden_model).num_samples == 2 * 5120 - 1
    for first in (short, trimmed):
        with pytest.raises(InvalidCodes, match="stream 0 does not end with a full packet"):
            join([first, full])
    with pytest.raises(InvalidCodes, match="stream 1 is of another speaker"):
        join([full, voiced(full, 2)])
    other = full[:3] + bytes(4) + full[7:9]
    from binascii import crc_hqx

    with pytest.raises(InvalidCodes, match="stream 1 is of another model"):
        join([full, other + crc_hqx(other, 0xFFFF).to_bytes(2, "big") + full[11:]])
    with pytest.raises(InvalidCodes, match="no streams"):
        join([])


@pytest.mark.parametrize(("start", "stop"), [(0.0, 2.0), (1, None), ("0", "1")])
def test_packets_are_counted_in_whole_numbers(golden_model: EntropyModel, start: object, stop: object) -> None:
    data = bitstream.pack(random_codes(golden_model, 20000, np.random.default_rng(0)), golden_model)
    with pytest.raises(InvalidCodes, match="whole numbers, not in seconds"):
        bitstream.cut(data, start, stop)  # type: ignore[arg-type]
