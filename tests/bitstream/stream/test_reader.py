from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bitstream_strategies import models_and_codes, pack_1, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import EntropyModel, PacketReader, PacketWriter, SpeechCodes
from bitstream.stream.framing import frame_payload


@settings(max_examples=60, deadline=None)
@given(models_and_codes())
def test_packets_are_the_stream(pair: tuple[EntropyModel, SpeechCodes]) -> None:
    model, codes = pair
    data = bitstream.pack(codes, model)
    for source in (data, io.BytesIO(data)):
        reader = PacketReader(source, model)
        assert (reader.num_samples, reader.duration) == (None, None)
        assert np.array_equal(reader.speaker, codes.speaker)
        packets = list(reader)
        assert (reader.num_samples, reader.duration) == (codes.num_samples, codes.num_samples / 16000)
        assert not any(packet.lost for packet in packets)
        assert [packet.first_frame for packet in packets] == [i * model.spec.packet_frames for i in range(len(packets))]
        if packets:
            assert np.array_equal(np.hstack([packet.units for packet in packets]), codes.units)
            assert np.array_equal(np.hstack([packet.f0 for packet in packets]), codes.f0)
    # Version 1 says it at once.
    assert PacketReader(pack_1(codes, model), model).num_samples == codes.num_samples


class Pipe(io.BytesIO):
    """Holds a whole stream, and gives no more of it than was `sent`."""

    sent = 0

    def seekable(self) -> bool:
        return False

    def read(self, count: int | None = -1) -> bytes:
        assert count is not None
        assert self.tell() + count <= self.sent, "read past what was sent"
        return super().read(count)


@pytest.mark.parametrize("num_samples", [20000, 4 * 5120])
def test_a_pipe_is_never_asked_for_more_than_the_packet(golden_model: EntropyModel, num_samples: int) -> None:
    """What a live listener needs: each packet as soon as its bytes are there."""
    data = bitstream.pack(random_codes(golden_model, num_samples, np.random.default_rng(4)), golden_model)
    info = bitstream.inspect(data, golden_model)
    pipe = Pipe(data)
    pipe.sent = info.header_size
    reader = PacketReader(pipe, golden_model)
    for packet in info.packets:
        pipe.sent = packet.offset + packet.size
        assert next(reader).first_frame == 8 * packet.index
    pipe.sent = 2**20
    assert list(reader) == []
    with pytest.raises(io.UnsupportedOperation):
        reader.seek(0)


@pytest.mark.parametrize("on_error", ["conceal", "salvage"])
def test_damage_in_a_pipe_is_passed_over_with_the_next_packet(golden_model: EntropyModel, on_error: bitstream.OnError) -> None:
    data = bytearray(bitstream.pack(random_codes(golden_model, 8 * 5120, np.random.default_rng(5)), golden_model))
    packets = bitstream.inspect(data, golden_model).packets
    data[packets[2].offset + 4] ^= 1
    pipe = Pipe(data)
    pipe.sent = 11 if on_error == "conceal" else len(data)
    if on_error == "salvage":
        return  # looks for a header first, which may stand further on
    reader = PacketReader(pipe, golden_model, on_error)
    for index, sent in enumerate((0, 1, 3, 3, 4, 5, 6, 7)):
        pipe.sent = packets[sent].offset + packets[sent].size
        assert next(reader).lost == (index == 2)


def test_writer_and_reader_at_the_two_ends_of_a_pipe(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 5 * 5120 + 100, np.random.default_rng(6))
    read, write = os.pipe()
    told = threading.Semaphore(0)

    def send() -> None:
        with os.fdopen(write, "wb", buffering=0) as file, PacketWriter(file, golden_model, codes.speaker) as writer:
            for start in range(0, 40, 8):
                writer.write(codes.units[:, start : start + 8], codes.f0[start // 2 : start // 2 + 4])
                assert told.acquire(timeout=900)
            writer.write(codes.units[:, 40:], codes.f0[20:])
            writer.close(codes.num_samples)

    thread = threading.Thread(target=send)
    thread.start()
    heard = []
    with os.fdopen(read, "rb") as file:
        for packet in PacketReader(file, golden_model):
            heard.append(packet.units)
            told.release()
    thread.join()
    assert np.array_equal(np.hstack(heard), codes.units)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6 * 5120), st.floats(-1, 3), st.integers(0, 8), st.sampled_from([1, 2]))
def test_seek(golden_model: EntropyModel, num_samples: int, seconds: float, before: int, version: int) -> None:
    codes = random_codes(golden_model, num_samples, np.random.default_rng(7))
    data = bitstream.pack(codes, golden_model) if version == 2 else pack_1(codes, golden_model)
    file = io.BytesIO(b"something else" + data)
    file.seek(14)
    for source in (data, file):
        reader = PacketReader(source, golden_model)
        for _ in zip(range(before), reader, strict=False):
            pass
        first = max(0, int(seconds * 16000) // 5120)
        assert reader.seek(seconds) == first * 0.32
        left = list(reader)
        assert [packet.first_frame for packet in left] == list(range(8 * first, codes.units.shape[1], 8))
        assert all(np.array_equal(p.units, codes.units[:, p.first_frame : p.first_frame + 8]) for p in left)
        assert reader.num_samples == num_samples


@pytest.mark.parametrize("hit", [0, 3, 69, 70, 99])
@pytest.mark.parametrize("pipe", [False, True])
def test_what_comes_before_damage_is_given_once(golden_model: EntropyModel, hit: int, pipe: bool) -> None:
    data = bytearray(bitstream.pack(random_codes(golden_model, 100 * 5120, np.random.default_rng(9)), golden_model))
    packet = bitstream.inspect(data, golden_model).packets[hit]
    payload = bytes(data[packet.offset + 3 : packet.offset + packet.size])
    data[packet.offset : packet.offset + packet.size] = frame_payload(payload + b"\0", hit)  # sound to the eye only
    file = Pipe(bytes(data))
    file.sent = 2**20
    given = []
    with pytest.raises(bitstream.Damaged, match=f"packet {hit}, at byte"):
        for each in PacketReader(file if pipe else data, golden_model):
            given.append(each.first_frame // 8)
    assert given == list(range(hit))
    cut = data[: packet.offset + 2]
    given = []
    with pytest.raises(bitstream.Truncated):
        for each in PacketReader(cut, golden_model):
            given.append(each.first_frame // 8)
    assert given == list(range(hit))


def test_seek_past_damage(golden_model: EntropyModel) -> None:
    data = bytearray(bitstream.pack(random_codes(golden_model, 6 * 5120, np.random.default_rng(8)), golden_model))
    data[30] ^= 1
    reader = PacketReader(data, golden_model)
    reader.seek(1)
    with pytest.raises(bitstream.Damaged):
        next(reader)
    reader = PacketReader(data, golden_model, "conceal")
    reader.seek(1)
    assert [(packet.first_frame, packet.lost) for packet in reader] == [(24, False), (32, False), (40, False)]


def test_memory_does_not_grow_with_the_stream(golden_model: EntropyModel, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.uc"
    units, f0 = np.zeros((2, 8), np.int32), np.zeros(4, np.int32)

    def both_ways(packets: int) -> int:
        tracemalloc.reset_peak()
        with path.open("wb") as file, PacketWriter(file, golden_model, [0, 0, 0]) as writer:
            for _ in range(packets):
                writer.write(units, f0)
        with path.open("rb") as written:
            assert sum(1 for _ in PacketReader(written, golden_model)) == packets
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    both_ways(200)
    short = both_ways(200)
    long = both_ways(2000)
    tracemalloc.stop()
    assert long < short + 20000


@pytest.mark.parametrize(
    "given", [None, 3, ["a"], np.zeros(3, np.uint8), io.StringIO("a")], ids=lambda given: type(given).__name__
)
def test_what_is_no_stream(given: Any) -> None:
    for read in (PacketReader, bitstream.unpack, lambda data: bitstream.cut(data, 0, 1), lambda data: bitstream.join([data])):
        with pytest.raises(
            TypeError, match=f"^a stream is its bytes or a file open for reading bytes, not {type(given).__name__}\\b"
        ):
            read(given)
    with pytest.raises(TypeError, match=r"^inspect takes a stream's bytes, not "):
        bitstream.inspect(given)
    with pytest.raises(TypeError, match=r"; of an array array\.tobytes\(\)$"):
        bitstream.unpack(np.zeros(3, np.uint8))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["talk.uc", Path("talk.uc")])
def test_a_path_is_no_stream(path: Any) -> None:
    with pytest.raises(TypeError, match=r"not a path: Path\(path\)\.read_bytes\(\)"):
        PacketReader(path)
