"""Places where records may begin: none is overlooked, whatever the bytes are, and few others are named."""

from __future__ import annotations

import time
from functools import partial

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import random_codes

import bitstream
from bitstream import Damaged, EntropyModel, PacketCoder, TooLong
from bitstream.stream.framing import Layout, Record, frame_end, frame_payload, parse_record
from bitstream.stream.header import write_header
from bitstream.stream.search import places
from bitstream.stream.source import Source


def _borne_out(data: bytes, layout: Layout) -> list[int]:
    """The same, one place after another."""
    source, found = Source(data), []
    for place in range(len(data)):
        record = parse_record(source, place, layout)
        if not isinstance(record, Record):
            continue
        follower = parse_record(source, place + record.size, layout)
        if place + record.size == len(data) or (
            isinstance(follower, Record) and follower.number == (record.number + 1) & 0xFFFF and not record.last
        ):
            found.append(place)
    return found


@pytest.mark.parametrize("version", [1, 2])
def test_no_place_is_overlooked(golden_model: EntropyModel, version: int) -> None:
    rng = np.random.default_rng(version)
    layout = Layout(version, golden_model.spec)
    records = [frame_payload(rng.bytes(int(rng.integers(0, 240))), 70000 + i) for i in range(6)]
    long = [frame_payload(rng.bytes(250), 9), frame_payload(rng.bytes(3), 10, 700), frame_end(11, 300)]
    data = rng.bytes(3000) + b"".join(records) + rng.bytes(500) + b"".join(long) + rng.bytes(100) + records[0]
    for end in (len(data), len(data) - 1, 4000, 2, 1):
        part = data[:end]
        found = places(part, len(part), True, layout)
        assert set(_borne_out(part, layout)) <= set(found)
        assert found == sorted(found)
        assert len(found) < 0.02 * len(part) + 20


def test_three_million_bytes_are_searched_in_a_moment(golden_model: EntropyModel) -> None:
    header = write_header(golden_model.fingerprint, b"\0")
    hostile = header + np.random.default_rng(0).bytes(3_000_000)
    begin = time.process_time()
    info = bitstream.inspect(hostile, golden_model)
    assert (len(info.packets), info.complete) == (1, False)
    with pytest.raises(Damaged, match="where the stream ends"):
        bitstream.unpack(hostile, golden_model, "conceal")
    assert time.process_time() - begin < 8  # less than one, on a machine that has nothing else to do


def test_far_behind_damage_the_stream_is_found_again(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 300 * 5120, np.random.default_rng(3))
    data = bitstream.pack(codes, golden_model)
    packets = bitstream.inspect(data, golden_model).packets
    at, on = packets[20].offset, packets[250].offset
    bad = data[:at] + np.random.default_rng(4).bytes(200_000) + data[on:]
    found = bitstream.unpack(bad, golden_model, "conceal")
    assert found.lost == ((160, 2000),)
    assert np.array_equal(found.units[:, 2000:], codes.units[:, 2000:])


def test_forged_records_stop_a_reader_soon(golden_model: EntropyModel) -> None:
    """Holes that claim the most, bytes that belong to nothing: an hour of silence, no more. Payloads that none writes: few."""
    header = write_header(golden_model.fingerprint, b"\0")
    holes = b"".join(b"\xf1" + b"".join(frame_payload(b"", 1000 * k + j) for j in range(3)) for k in range(60))
    codes = random_codes(golden_model, 5120, np.random.default_rng(0))
    sound = PacketCoder(golden_model).encode_payload(codes.units, codes.f0)
    stray = b"".join(b"\xf1" + frame_payload(sound, 2 * k) + frame_payload(sound, 2 * k + 1) for k in range(15000))
    hollow = b"".join(frame_payload(b"\xff" * 9, k) for k in range(30000))
    mixed = b"".join(frame_payload(b"\xff" * 9 if k % 2 else b"", k) for k in range(30000))
    silence, no_writer = (
        (TooLong, "at most 3600 s of silence are allowed"),
        (Damaged, "^65 packets up to packet .*: it is forged"),
    )
    begin = time.process_time()
    for forged, (error, why) in zip((holes, stray, hollow, mixed), (silence, silence, no_writer, no_writer), strict=True):
        conceal, salvage = (partial(bitstream.unpack, on_error=way) for way in ("conceal", "salvage"))
        for read in (bitstream.inspect, conceal, salvage):
            with pytest.raises(error, match=why):
                read(header + forged, golden_model)
    with pytest.raises(Damaged, match="packet 0, at byte"):
        bitstream.unpack(header + hollow, golden_model)
    assert time.process_time() - begin < 30


def test_a_long_stream_of_version_1_is_looked_through_soon(golden_model: EntropyModel) -> None:
    packets = 50000
    data = reference.stream_1(golden_model.fingerprint, packets * 5120, b"\0", [b""] * packets)
    begin = time.process_time()
    info = bitstream.inspect(data, golden_model)
    assert (len(info.packets), info.ok, info.num_samples) == (packets, True, packets * 5120)
    assert time.process_time() - begin < 5  # 0.4 on a machine that has nothing else to do


def test_a_limit_for_the_whole(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 20 * 5120 - 100, np.random.default_rng(5))
    data, seconds = bitstream.pack(codes, golden_model), (20 * 5120 - 100) / 16000
    for on_error in ("strict", "conceal", "salvage"):
        assert bitstream.unpack(data, golden_model, on_error, max_seconds=seconds) == codes
        assert bitstream.unpack_many([data], golden_model, on_error, max_seconds=seconds) == [codes]
        for less in (seconds - 0.001, 0.1, 0):
            with pytest.raises(TooLong, match=f"longer than the {less:g} s allowed"):
                bitstream.unpack(data, golden_model, on_error, max_seconds=less)
    with pytest.raises(TooLong):
        bitstream.inspect(data, golden_model, max_seconds=1)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="max_seconds"):
            bitstream.unpack(data, golden_model, max_seconds=wrong)


def test_a_long_stream_is_looked_at_here_and_there(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 3000 * 5120, np.random.default_rng(6))
    data = bitstream.pack(codes, golden_model)
    some, whole = bitstream.inspect(data, golden_model), bitstream.inspect(data, golden_model, whole=True)
    assert some.ok
    assert len(some.packets) == len(whole.packets) == 3000
    assert all(packet.bits for packet in whole.packets)
    assert 512 <= sum(packet.bits is not None for packet in some.packets) < 900
    assert some.bits is not None
    assert sum(some.bits.values()) == pytest.approx(8 * len(data))
    for name, bits in (whole.bits or {}).items():
        assert some.bits[name] == pytest.approx(bits, rel=0.05)
