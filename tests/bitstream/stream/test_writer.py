from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from bitstream_strategies import models_and_codes, pack_1, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import EntropyModel, InvalidCodes, PacketWriter, SpeechCodes


def feed(writer: PacketWriter, codes: SpeechCodes, cuts: list[int]) -> None:
    """The codes, in portions that need not agree between units and F0."""
    borders = sorted(min(cut, codes.units.shape[1]) for cut in cuts)
    for start, stop in zip([0, *borders], [*borders, codes.units.shape[1]], strict=True):
        last = stop == codes.units.shape[1]
        writer.write(codes.units[:, start:stop], codes.f0[start // 2 : None if last else stop // 2])
        if last:
            break


@settings(max_examples=80, deadline=None)
@given(models_and_codes(), st.lists(st.integers(0, 40), max_size=5))
def test_portions_do_not_show(pair: tuple[EntropyModel, SpeechCodes], cuts: list[int]) -> None:
    model, codes = pair
    file = io.BytesIO()
    writer = PacketWriter(file, model, codes.speaker)
    feed(writer, codes, cuts)
    writer.close(codes.num_samples)
    writer.close()
    assert file.getvalue() == bitstream.pack(codes, model)


def test_every_packet_leaves_when_it_is_full(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 5 * 5120, np.random.default_rng(1))
    info = bitstream.inspect(bitstream.pack(codes, golden_model), golden_model)
    file = io.BytesIO()
    writer = PacketWriter(file, golden_model, codes.speaker)
    assert file.tell() == info.header_size
    for frame in range(40):
        writer.write(codes.units[:, frame : frame + 1], codes.f0[frame // 2 : frame // 2 + 1] if frame % 2 == 0 else [])
        sizes = [packet.offset + packet.size for packet in info.packets[: (frame + 1) // 8]]
        assert file.tell() == (sizes[-1] if sizes else info.header_size)


def test_a_file_that_cannot_be_written_ends_the_stream(golden_model: EntropyModel) -> None:
    """Frames that were taken are not there for a second try: going on would leave them out silently."""
    codes = random_codes(golden_model, 5 * 5120, np.random.default_rng(1))
    file = io.BytesIO()
    writer = PacketWriter(file, golden_model, codes.speaker)
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        writer.write(codes.units, codes.f0)
    with pytest.raises(ValueError, match="the stream is closed"):
        writer.write(codes.units, codes.f0)
    with pytest.raises(ValueError, match="the stream has no end"):
        writer.close()


def test_leaving_ends_the_stream_unless_by_an_exception(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 10 * 640, np.random.default_rng(2))
    file = io.BytesIO()
    with PacketWriter(file, golden_model, codes.speaker) as writer:
        writer.write(codes.units, codes.f0)
    assert bitstream.unpack(file.getvalue(), golden_model) == codes
    with pytest.raises(ValueError, match="closed"):
        writer.write(codes.units, codes.f0)
    broken = io.BytesIO()
    with pytest.raises(KeyError):
        with PacketWriter(broken, golden_model, codes.speaker) as writer:
            writer.write(codes.units, codes.f0)
            raise KeyError
    with pytest.raises(bitstream.Truncated):
        bitstream.unpack(broken.getvalue(), golden_model)
    assert bitstream.unpack(broken.getvalue(), golden_model, "salvage").num_samples == 5120


@pytest.mark.parametrize("num_samples", [0, 5120 - 640, 5121, 4 * 5120, 2 * 5120 + 641, 2 * 5120 + 1281, -1])
def test_a_length_that_the_frames_do_not_have(golden_model: EntropyModel, num_samples: int) -> None:
    codes = random_codes(golden_model, 5120, np.random.default_rng(3))
    writer = PacketWriter(io.BytesIO(), golden_model, codes.speaker)
    writer.write(codes.units, codes.f0)
    if num_samples > 2 * 5120:
        writer.write(codes.units, codes.f0)
        writer.write(codes.units[:, :1], codes.f0[:1])
    with pytest.raises(InvalidCodes, match="samples do not end with"):
        writer.close(num_samples)


def test_codes_that_are_not_the_models(golden_model: EntropyModel) -> None:
    with pytest.raises(InvalidCodes):
        PacketWriter(io.BytesIO(), golden_model, [8, 0, 0])
    writer = PacketWriter(io.BytesIO(), golden_model, [7, 0, 0])
    for units, f0 in (([[4], [0]], [0]), ([[0]], [0]), ([[0], [0]], [6]), ([[0.5], [0]], [0])):
        with pytest.raises(InvalidCodes):
            writer.write(units, f0)


@settings(max_examples=60, deadline=None)
@given(models_and_codes(), st.integers(0, 2**32))
def test_append_goes_on_where_the_stream_ended(pair: tuple[EntropyModel, SpeechCodes], seed: int) -> None:
    model, codes = pair
    spec = model.spec
    file = io.BytesIO(bitstream.pack(codes, model))
    PacketWriter.append(file, model).close()
    rounded = bitstream.unpack(file.getvalue(), model)
    assert bitstream.pack(rounded, model) == file.getvalue()
    more = random_codes(model, int(np.random.default_rng(seed).integers(0, 3 * spec.packet_samples)), np.random.default_rng(seed))
    writer = PacketWriter.append(file, model)
    writer.write(more.units, more.f0)
    block = int(np.lcm(spec.unit_hop, spec.f0_hop))
    before = -(-codes.num_samples // block) * block
    assert rounded.num_samples == before
    writer.close(before + more.num_samples)
    both = bitstream.unpack(file.getvalue(), model)
    assert both.num_samples == before + more.num_samples
    assert np.array_equal(both.units[:, : codes.units.shape[1]], codes.units)
    assert np.array_equal(both.units[:, before // spec.unit_hop :], more.units)
    assert np.array_equal(both.f0[: len(codes.f0)], codes.f0)
    assert np.array_equal(both.f0[before // spec.f0_hop :], more.f0)
    if codes.units.shape[1] * spec.unit_hop < before:
        assert np.array_equal(both.units[:, before // spec.unit_hop - 1], codes.units[:, -1])
    assert bitstream.pack(both, model) == file.getvalue()


def test_append_to_a_file(golden_model: EntropyModel, tmp_path: Path) -> None:
    path = tmp_path / "log.uc"
    codes = random_codes(golden_model, 20 * 640, np.random.default_rng(4))
    with path.open("wb") as file, PacketWriter(file, golden_model, codes.speaker) as writer:
        writer.write(codes.units[:, :6], codes.f0[:3])
    for start in (6, 10, 16):
        stop = {6: 10, 10: 16, 16: 20}[start]
        with PacketWriter.append(path, golden_model) as writer:
            writer.write(codes.units[:, start:stop], codes.f0[start // 2 : stop // 2])
    assert bitstream.unpack(path.read_bytes(), golden_model) == codes
    with PacketWriter.append(path, golden_model):
        pass
    assert bitstream.unpack(path.read_bytes(), golden_model) == codes


def test_append_refuses_what_is_not_sound(golden_model: EntropyModel, tmp_path: Path) -> None:
    codes = random_codes(golden_model, 3 * 5120 + 641, np.random.default_rng(5))
    data = bitstream.pack(codes, golden_model)
    path = tmp_path / "bad.uc"
    for bad, error in (
        (data[:-1], bitstream.Truncated),
        (data + b"\0", bitstream.TrailingBytes),
        (data[:30] + bytes([data[30] ^ 1]) + data[31:], bitstream.Damaged),
        (pack_1(codes, golden_model), InvalidCodes),
        (b"", bitstream.NotUnitcodec),
    ):
        path.write_bytes(bad)
        with pytest.raises(error):
            PacketWriter.append(path, golden_model)
        assert path.read_bytes() == bad
    with pytest.raises(OSError, match="No such file"):
        PacketWriter.append(tmp_path / "none.uc", golden_model)
