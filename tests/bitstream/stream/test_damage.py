from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import Any

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import pack_1, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import (
    BitstreamError,
    Damaged,
    EntropyModel,
    NotUnitcodec,
    SpeechCodes,
    TooLong,
    TrailingBytes,
    Truncated,
    UnknownModel,
)
from bitstream.stream.framing import frame_end, frame_payload
from bitstream.stream.header import write_header

LENGTHS = {"short end": 6 * 5120 + 777, "full end": 7 * 5120, "trimmed end": 7 * 5120 - 300}


@pytest.fixture(scope="module", params=LENGTHS)
def codes(golden_model: EntropyModel, request: pytest.FixtureRequest) -> SpeechCodes:
    return random_codes(golden_model, LENGTHS[request.param], np.random.default_rng(0))


@pytest.fixture(scope="module")
def data(codes: SpeechCodes, golden_model: EntropyModel) -> bytes:
    return bitstream.pack(codes, golden_model)


@pytest.fixture(scope="module")
def packets(data: bytes, golden_model: EntropyModel) -> list[bytes]:
    return [data[p.offset : p.offset + p.size] for p in bitstream.inspect(data, golden_model).packets]


@pytest.fixture(scope="module")
def end(data: bytes, packets: list[bytes]) -> bytes:
    """What follows the last packet."""
    return data[data.index(packets[-1]) + len(packets[-1]) :]


def assert_honest(found: SpeechCodes, codes: SpeechCodes, complete: bool = True) -> None:
    """Every frame is right or told to be lost; `complete`: and none is missing at the end."""
    keep = np.ones(found.units.shape[1], bool)
    for start, stop in found.lost:
        keep[start:stop] = False
        assert not found.units[:, start:stop].any()
    # Where a short last packet is damaged, so may be what it says of its length.
    assert not keep[codes.units.shape[1] :].any()
    keep = keep[: codes.units.shape[1]]
    f0_keep = keep[::2]
    assert np.array_equal(found.units[:, : len(keep)][:, keep], codes.units[:, : len(keep)][:, keep])
    assert np.array_equal(found.f0[: len(f0_keep)][f0_keep], codes.f0[: len(f0_keep)][f0_keep])
    assert np.array_equal(found.speaker, codes.speaker)
    assert found.model == codes.model
    if complete:
        assert found.lost
        assert found.num_samples == codes.num_samples


def test_every_bit_is_guarded(data: bytes, codes: SpeechCodes, end: bytes, golden_model: EntropyModel) -> None:
    header = bitstream.inspect(data).header_size
    unsure = 0
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            bitstream.unpack(bad, golden_model)
        if bit < 8 * header:
            with pytest.raises(BitstreamError):
                bitstream.unpack(bad, golden_model, "conceal")
            salvaged = bitstream.unpack(bad, golden_model, "salvage")
            assert np.array_equal(salvaged.units, codes.units)
            assert salvaged.num_samples == codes.num_samples
            assert salvaged.speaker.tolist() == [4, 2, 1]
            continue
        salvaged = bitstream.unpack(bad, golden_model, "salvage")
        try:
            found = bitstream.unpack(bad, golden_model, "conceal")
        except Damaged:
            # The end is hit, and with it the knowledge of where it is.
            unsure += 1
            assert bit >= 8 * (len(data) - len(end) - 9)
            assert_honest(salvaged, codes, complete=False)
            assert salvaged.num_samples > codes.num_samples - 2 * 5120
            continue
        assert salvaged == found
        # One wrong bit costs one packet, even in a length, from which the reader must find its way back.
        if bit < 8 * (len(data) - len(end)):
            assert_honest(found, codes, complete=bit < 8 * (len(data) - len(end) - 9))
            assert len(found.lost) == 1
            assert found.lost[0][1] - found.lost[0][0] <= 8
    assert unsure < 60


def test_every_truncation_is_told(data: bytes, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    for size in range(len(data)):
        cut = data[:size]
        with pytest.raises(NotUnitcodec if size == 0 else Truncated):
            bitstream.unpack(cut, golden_model)
        with pytest.raises(NotUnitcodec if size == 0 else Truncated):
            list(bitstream.iter_packets(io.BytesIO(cut), golden_model))
        with pytest.raises((NotUnitcodec, Damaged)):
            bitstream.unpack(cut, golden_model, "conceal")
        # Without the end, what is whole decodes, and nothing is made up.
        info = bitstream.inspect(data, golden_model)
        whole = [packet for packet in info.packets if packet.offset + packet.size <= size]
        found = bitstream.unpack(cut, golden_model, "salvage")
        assert not found.lost
        assert found.num_samples == min(len(whole) * 5120, codes.num_samples if len(whole) == 7 and size == len(data) else 2**40)
        if size >= info.header_size:
            assert_honest(found, codes, complete=False)
            assert not bitstream.inspect(cut, golden_model).complete
            assert not bitstream.inspect(cut).ok


def test_messages_name_packet_and_byte(data: bytes, packets: list[bytes], golden_model: EntropyModel) -> None:
    offset = data.index(packets[2])
    bad = bytearray(data)
    bad[offset + 4] ^= 1
    with pytest.raises(Damaged, match=f"^packet 2, at byte {offset}, is damaged: [^\n]*$") as caught:
        bitstream.unpack(bad, golden_model)
    assert (caught.value.packet, caught.value.offset) == (2, offset)
    offset = data.index(packets[-1])
    with pytest.raises(Truncated, match=f"^packet 6, at byte {offset}, is cut short: [^\n]*{offset + 5}$") as caught:
        bitstream.unpack(data[: offset + 5], golden_model)
    assert (caught.value.packet, caught.value.offset) == (6, offset)
    with pytest.raises(Truncated, match=f"ends at byte {offset}, where packet 6 or the end should be"):
        bitstream.unpack(data[:offset], golden_model)
    with pytest.raises(TrailingBytes, match=f"ends at byte {len(data)} "):
        bitstream.unpack(data + b"\0", golden_model)


@pytest.mark.parametrize(
    "order",
    [
        (1, 0, 2, 3, 4, 5, 6),
        (0, 1, 1, 3, 4, 5, 6),
        (0, 2, 3, 4, 5, 6),
        (0, 1, 2, 2, 3, 4, 5, 6),
        (0, 1, 2, 3, 4, 6),
        (1, 2, 3, 4, 5, 6),
        (0, 5, 6),
    ],
)
def test_packets_swapped_repeated_dropped(
    order: tuple[int, ...], data: bytes, packets: list[bytes], end: bytes, codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    header = data[: bitstream.inspect(data).header_size]
    changed = header + b"".join(packets[i] for i in order) + end
    with pytest.raises(Damaged):
        bitstream.unpack(changed, golden_model)
    for mode in ("conceal", "salvage"):
        found = bitstream.unpack(changed, golden_model, mode)
        assert_honest(found, codes, complete=len(set(order)) < 7 or order[0] == 1)
        assert found.num_samples == codes.num_samples
        if order == tuple(sorted(order)):
            assert sum(stop - start for start, stop in found.lost) == 8 * (7 - len(set(order)))
    for model in (None, golden_model):
        info = bitstream.inspect(changed, model)
        assert not info.ok
        assert len(info.packets) == 7


def test_packets_dropped_before_the_end(
    data: bytes, packets: list[bytes], end: bytes, codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    if not end:
        pytest.skip("the last packet is the end")
    changed = data[: data.index(packets[4])] + end
    found = bitstream.unpack(changed, golden_model, "conceal")
    assert found.lost == ((32, 56),)
    assert_honest(found, codes)


def test_bytes_that_belong_to_nothing_cost_nothing(
    data: bytes, packets: list[bytes], codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    at = data.index(packets[3])
    changed = data[:at] + b"\x01junk" + data[at:]
    with pytest.raises(Damaged):
        bitstream.unpack(changed, golden_model)
    assert bitstream.unpack(changed, golden_model, "conceal") == codes
    info = bitstream.inspect(changed, golden_model)
    assert (info.stray, info.ok) == (5, False)
    assert all(packet.ok for packet in info.packets)


def test_two_neighbours_lost_make_one_range(
    data: bytes, packets: list[bytes], codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    bad = bytearray(data)
    for i in (3, 4):
        bad[data.index(packets[i]) + len(packets[i]) - 1] ^= 0x40
    found = bitstream.unpack(bad, golden_model, "conceal")
    assert found.lost == ((24, 40),)
    assert_honest(found, codes)
    read = list(bitstream.iter_packets(io.BytesIO(bytes(bad)), golden_model, "conceal"))
    assert [packet.lost for packet in read] == [False, False, False, True, True, False, False]


def test_all_packets_lost(data: bytes, packets: list[bytes], codes: SpeechCodes, golden_model: EntropyModel) -> None:
    bad = bytearray(data)
    for packet in packets:
        bad[data.index(packet) + len(packet) - 1] ^= 0x40
    for mode in ("conceal", "salvage"):
        found = bitstream.unpack(bad, golden_model, mode)
        # A short last packet says itself how long it is; now nothing does, and it is taken for a full one.
        short = codes.num_samples == LENGTHS["short end"]
        assert found.lost == ((0, 56),)
        assert found.num_samples == (7 * 5120 if short else codes.num_samples)
        assert_honest(found, codes, complete=not short)


def test_a_length_whose_check_is_wrong_is_not_used(golden_model: EntropyModel) -> None:
    """Whatever stands in the bytes of a last packet that tell its samples, the stream gets no longer than a full packet."""
    codes = random_codes(golden_model, LENGTHS["short end"], np.random.default_rng(0))
    data = bitstream.pack(codes, golden_model)
    at = bitstream.inspect(data, golden_model).packets[-1].offset
    lengths = set()
    for value in range(2**16):
        if value % 29 and value >> 8 != data[at + 1]:
            continue
        bad = data[: at + 1] + value.to_bytes(2, "big") + data[at + 3 :]
        with contextlib.suppress(Damaged):  # where the marker's bytes are not in their only form, the end is not known
            found = bitstream.unpack(bad, golden_model, "conceal")
            assert bad == data or found.lost
            lengths.add(found.num_samples)
    assert lengths <= {codes.num_samples, 7 * 5120}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_salvage_finds_all_that_is_there(golden_model: EntropyModel, draw: st.DataObject) -> None:
    """From whatever packet on, up to wherever the bytes end, with the header or without it."""
    count = draw.draw(st.integers(1, 400))
    codes = random_codes(golden_model, count * 5120 - draw.draw(st.sampled_from([0, 0, 300, 2000])), np.random.default_rng(count))
    data = bitstream.pack(codes, golden_model)
    info = bitstream.inspect(data, golden_model)
    start = draw.draw(st.integers(0, count - 1))
    stop = draw.draw(st.integers(start + 1, count))
    header = draw.draw(st.booleans())
    ends = [packet.offset + packet.size for packet in info.packets]
    begin = info.packets[start].offset
    whole = draw.draw(st.booleans())
    end = len(data) if stop == count and whole else ends[stop - 1] + draw.draw(st.sampled_from([0, 0, 1, 7]))
    part = data[: info.header_size * header] + data[begin:end]
    stop = sum(each <= end for each in ends)
    if header and stop - start == 1 and (end > ends[start] > ends[0] or (start > 16 and codes.num_samples < count * 5120 - 1000)):
        return  # a damaged stream of one packet would look the same
    for source in (part, io.BytesIO(part)):
        packets = list(bitstream.PacketReader(source, golden_model, "salvage"))
        assert [packet.lost for packet in packets] == [True] * start + [False] * (stop - start)
        for packet in packets[start:]:
            at = packet.first_frame
            assert np.array_equal(packet.units, codes.units[:, at : at + 8])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 3000))
def test_damage_in_the_middle_costs_no_sound_packet(golden_model: EntropyModel, seed: int, length: int, junk: int) -> None:
    """A burst, or bytes put in: the packets that it touches are lost and no other."""
    rng = np.random.default_rng(seed)
    codes = random_codes(golden_model, 60 * 5120 - 777, rng)
    data = bitstream.pack(codes, golden_model)
    packets = bitstream.inspect(data, golden_model).packets
    at = int(rng.integers(packets[2].offset, packets[55].offset))
    bad = data[:at] + rng.bytes(length + junk) + data[at + length :]
    found = bitstream.unpack(bad, golden_model, "conceal")
    assert found.num_samples == codes.num_samples
    touched = [each.index for each in packets if each.offset < at + length and at <= each.offset + each.size - (junk == 0)]
    lost = np.zeros(60, bool)
    for start, stop in found.lost:
        lost[start // 8 : stop // 8] = True
    assert set(np.flatnonzero(lost)) <= set(touched)


def test_salvage_finds_the_stream_behind_other_bytes(data: bytes, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    for before in (b"\0", b"\xf5U" * 50, b"x" * 60000):
        assert bitstream.unpack(before + data, golden_model, "salvage") == codes
        reader = bitstream.PacketReader(io.BytesIO(before + data), golden_model, "salvage")
        assert len(list(reader)) == 7
        assert (reader.num_samples, reader.header.size) == (codes.num_samples, 11)
        reader.seek(0)
        assert len(list(reader)) == 7
        with pytest.raises(NotUnitcodec):
            bitstream.unpack(b"x" + data, golden_model, "conceal")
    other = write_header("00000000", b"\0") + frame_end(0)
    with pytest.raises(UnknownModel):
        bitstream.unpack(other, golden_model, "salvage")
    assert bitstream.unpack(b"", golden_model, "salvage").num_samples == 0


def test_damaged_streams_of_version_1(golden_model: EntropyModel) -> None:
    codes = random_codes(golden_model, 6 * 5120 + 777, np.random.default_rng(0))
    data = pack_1(codes, golden_model)
    header = bitstream.inspect(data).header_size
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            bitstream.unpack(bad, golden_model)
        if bit >= 8 * header:
            assert_honest(bitstream.unpack(bad, golden_model, "conceal"), codes)
    for size in range(header, len(data)):
        with pytest.raises(Truncated):
            bitstream.unpack(data[:size], golden_model)
        found = bitstream.unpack(data[:size], golden_model, "salvage")
        assert not found.lost
        assert_honest(found, codes, complete=False)
        try:
            assert_honest(bitstream.unpack(data[:size], golden_model, "conceal"), codes)
        except Truncated:
            assert size < len(data) / 2


MODES = st.sampled_from(["strict", "conceal", "salvage"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), MODES, st.integers(0, 4))
def test_noise_raises_our_errors_only(golden_model: EntropyModel, noise: bytes, on_error: Any, how: int) -> None:
    fingerprint = golden_model.fingerprint
    header_1 = reference.stream_1(fingerprint, 40000, b"\x07", [])
    header_2 = write_header(fingerprint, b"\x07")
    bad = (noise, b"\xf5U\x01" + noise, b"\xf5U\x02" + noise, header_1 + noise, header_2 + noise)[how]
    for read in (bitstream.unpack, lambda *a: list(bitstream.iter_packets(io.BytesIO(a[0]), *a[1:]))):
        try:
            read(bad, golden_model, on_error)
        except BitstreamError as error:
            message = str(error)
            assert message.isprintable(), message
    for model in (None, golden_model):
        with contextlib.suppress(BitstreamError):
            bitstream.inspect(bad, model)
    for edit in (lambda data: bitstream.cut(data, 0, 1), lambda data: bitstream.join([data, data])):
        with contextlib.suppress(BitstreamError):
            edit(bad)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.integers(0, 6000))
def test_payloads_with_sound_checks_decode_to_themselves_or_not_at_all(
    golden_model: EntropyModel, payloads: list[bytes], samples: int
) -> None:
    """A forger can make the check match; then the codes are in range and are what those very bytes stand for."""
    *full, last = [frame_payload(payload, i) for i, payload in enumerate(payloads)]
    last = (
        frame_payload(payloads[-1], len(full), samples) if 0 < samples < 5000 else last + frame_end(len(payloads), samples % 640)
    )
    forged = b"".join([write_header(golden_model.fingerprint, b"\x07"), *full, last])
    try:
        found = bitstream.unpack(forged, golden_model)
    except Damaged:
        pass
    else:
        assert bitstream.pack(found, golden_model) == forged


@pytest.mark.parametrize("on_error", ["strict", "conceal", "salvage"])
@pytest.mark.parametrize("num_samples", [10**12, 2**48 - 1])
def test_large_claims_are_refused_at_once(golden_model: EntropyModel, num_samples: int, on_error: Any) -> None:
    bad = reference.stream_1(golden_model.fingerprint, num_samples, b"\0", []) + bytes(100)
    if on_error == "salvage":
        assert bitstream.unpack(bad, golden_model, on_error).num_samples < 10**6
    else:
        with pytest.raises(Truncated, match=f"claims {num_samples} samples"):
            bitstream.unpack(bad, golden_model, on_error)
        with pytest.raises(Damaged):
            list(bitstream.iter_packets(io.BytesIO(bad), golden_model, on_error))
    with pytest.raises(Truncated):
        bitstream.inspect(bad, golden_model)


def test_a_jump_ahead_needs_bytes_to_speak_for_it(golden_model: EntropyModel) -> None:
    """Two forged checks say that 60000 packets are missing: codes that the bytes cannot account for are not made up."""
    header = write_header(golden_model.fingerprint, b"\0")
    forged = header + frame_payload(b"", 60000) + frame_payload(b"", 60001) + frame_end(60002)
    for model in (None, golden_model):
        with pytest.raises(TooLong, match=r"60000 packets, (19200|153600) s, are damaged"):
            bitstream.inspect(forged, model)
    for mode in ("conceal", "salvage"):
        with pytest.raises(TooLong):
            bitstream.unpack(forged, golden_model, mode)
        assert bitstream.unpack(forged, golden_model, mode, max_seconds=20000).num_samples == 60002 * 5120
    with pytest.raises(Damaged):
        bitstream.unpack(forged, golden_model)


@pytest.mark.parametrize(
    "varint", [b"\x80\x00", b"\x81\x80\x00", b"\xff" * 7 + b"\x01", b"\x80" * 20, reference.write_varint(2**48), b"\xff" * 300]
)
def test_odd_numbers_in_a_header_of_version_1(golden_model: EntropyModel, varint: bytes) -> None:
    with pytest.raises(Damaged, match="num_samples"):
        bitstream.unpack(b"\xf5U\x01" + bytes(4) + varint + bytes(20), golden_model)


def test_numbers_in_other_than_their_only_form(golden_model: EntropyModel) -> None:
    header, limit = write_header(golden_model.fingerprint, b"\0"), golden_model.spec.max_payload
    for record, message in (
        (bytes([limit + 1]), f"its length, {limit + 1}, is above {limit}"),
        (b"\xf0\x00\xef", "its length is not in its shortest form"),
        (b"\xf0\xff\xff", f"its length, 65535, is above {limit}"),
        *((bytes([first]), f"its first byte, {first:02x}, is reserved") for first in range(0xF1, 0xF7)),
        (b"\xfb\x00", "its number of samples is not in its shortest form"),
        (b"\xfc\x00\x01", "its number of samples is not in its shortest form"),
        (b"\xfc\x11\x81", "its number of samples, 4481, is above 4480"),
        (b"\xf8\x02\x80", "its number of samples, 640, is above 639"),
        (frame_end(0, 300), "there is no packet that it could shorten"),
        (b"\xfb\x01\xf1", "its length begins with the byte f1"),
    ):
        with pytest.raises(Damaged, match=f"is damaged: {message}$"):
            bitstream.unpack(header + record + bytes(1000), golden_model)


@pytest.mark.parametrize("after", [b"", b"\0", frame_payload(b"a", 1), frame_end(0)])
def test_an_end_that_shortens_nothing(golden_model: EntropyModel, after: bytes) -> None:
    data = write_header(golden_model.fingerprint, b"\0") + frame_end(0, 300) + after
    for mode in ("strict", "conceal"):
        if mode == "conceal" and after == frame_end(0):
            assert bitstream.unpack(data, golden_model, mode).num_samples == 0
            continue
        with pytest.raises(Damaged):
            bitstream.unpack(data, golden_model, mode)
    assert bitstream.unpack(data, golden_model, "salvage").num_samples <= 2 * 5120
    assert not bitstream.inspect(data).ok


def test_other_models_and_versions(data: bytes, golden_model: EntropyModel) -> None:
    for version in (0, 4, 255):
        with pytest.raises(bitstream.UnsupportedVersion, match=f"version {version};"):
            bitstream.unpack(data[:2] + bytes([version]) + data[3:], golden_model)
    other = write_header("00000000", b"\0")
    with pytest.raises(UnknownModel, match="00000000"):
        bitstream.unpack(other, golden_model)
    with pytest.raises(UnknownModel, match=r"00000000.*UNITCODEC_MODELS"):
        bitstream.unpack(other)
    with pytest.raises(NotUnitcodec):
        bitstream.unpack(b"RIFF" + bytes(40), golden_model)
    for speaker in (b"", b"\0\0", b"\xff"):
        with pytest.raises(Damaged, match="speaker"):
            bitstream.unpack(write_header(golden_model.fingerprint, speaker) + frame_end(0), golden_model)
    with pytest.raises(ValueError, match="on_error"):
        bitstream.unpack(data, golden_model, "ignore")  # type: ignore[arg-type]


def test_inspect_without_a_model(data: bytes, packets: list[bytes], golden_model: EntropyModel) -> None:
    info, full = bitstream.inspect(data), bitstream.inspect(data, golden_model)
    assert info.packets == tuple(replace(packet, bits=None) for packet in full.packets)
    assert info.ok
    assert full.ok
    assert (info.bits, info.speaker, info.num_samples) == (None, None, None)
    assert info.model == golden_model.fingerprint
    assert info.version == 2
    assert full.duration == full.num_samples / 16000
    assert full.bits_per_second == 8 * len(data) / full.duration
    assert np.isnan(info.duration)
    assert np.isnan(info.bits_per_second)
    assert bitstream.inspect(data + b"xx").trailing == 2
    bad = bytearray(data)
    bad[data.index(packets[1])] ^= 2
    for model in (None, golden_model):
        assert [packet.ok for packet in bitstream.inspect(bad, model).packets] == [True, False, True, True, True, True, True]


def test_bits_of_the_packets_are_those_of_the_stream(data: bytes, golden_model: EntropyModel) -> None:
    info = bitstream.inspect(data, golden_model)
    for packet in info.packets:
        assert packet.bits is not None
        assert sum(packet.bits.values()) == pytest.approx(8 * packet.size)
    for name in ("units", "f0"):
        assert sum((packet.bits or {})[name] for packet in info.packets) == pytest.approx((info.bits or {})[name])
