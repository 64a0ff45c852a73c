from __future__ import annotations

import io

import numpy as np
import pytest
from bitstream_strategies import random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import BitstreamError, Damaged, EntropyModel, NotUnitcodec, SpeechCodes, TrailingBytes, Truncated, UnknownModel
from bitstream.framing import frame_payload
from bitstream.header import write_header
from bitstream.varint import write_varint


@pytest.fixture(scope="module")
def codes(golden_model: EntropyModel) -> SpeechCodes:
    return random_codes(golden_model, 6 * 5120 + 777, np.random.default_rng(0))


@pytest.fixture(scope="module")
def data(codes: SpeechCodes, golden_model: EntropyModel) -> bytes:
    return bitstream.pack(codes, golden_model)


@pytest.fixture(scope="module")
def packets(data: bytes, golden_model: EntropyModel) -> list[bytes]:
    return [data[p.offset : p.offset + p.size] for p in bitstream.inspect(data, golden_model).packets]


def assert_honest(found: SpeechCodes, codes: SpeechCodes) -> None:
    """Every frame is right or told to be lost."""
    assert found.lost
    keep = np.ones(codes.units.shape[1], bool)
    for start, stop in found.lost:
        keep[start:stop] = False
        assert not found.units[:, start:stop].any()
    f0_keep = keep[::2]
    assert np.array_equal(found.units[:, keep], codes.units[:, keep])
    assert np.array_equal(found.f0[f0_keep], codes.f0[f0_keep])
    assert (found.num_samples, found.model) == (codes.num_samples, codes.model)
    assert np.array_equal(found.speaker, codes.speaker)


def test_every_bit_is_guarded(data: bytes, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    header = bitstream.inspect(data).header_size
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            bitstream.unpack(bad, golden_model)
        if bit < 8 * header:
            with pytest.raises(BitstreamError):
                bitstream.unpack(bad, golden_model, on_error="conceal")
        else:
            found = bitstream.unpack(bad, golden_model, on_error="conceal")
            assert_honest(found, codes)
            # One wrong bit costs one packet, even in a length, from which the reader must find its way back.
            assert len(found.lost) == 1
            assert found.lost[0][1] - found.lost[0][0] <= 8


def test_every_truncation_is_told(data: bytes, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    for size in range(len(data)):
        with pytest.raises(NotUnitcodec if size == 0 else Truncated):
            bitstream.unpack(data[:size], golden_model)
        with pytest.raises(NotUnitcodec if size == 0 else Truncated):
            list(bitstream.iter_packets(io.BytesIO(data[:size]), golden_model))
        # With the better part of the bytes there, what is there decodes; a stump is refused.
        try:
            found = bitstream.unpack(data[:size], golden_model, on_error="conceal")
        except (NotUnitcodec, Truncated):
            assert size < len(data) / 2
        else:
            assert_honest(found, codes)


def test_messages_name_packet_and_byte(data: bytes, packets: list[bytes], golden_model: EntropyModel) -> None:
    offset = data.index(packets[2])
    bad = bytearray(data)
    bad[offset + 4] ^= 1
    with pytest.raises(Damaged, match=f"^packet 2, at byte {offset}, is damaged: [^\n]*$") as caught:
        bitstream.unpack(bad, golden_model)
    assert (caught.value.packet, caught.value.offset) == (2, offset)
    offset = len(data) - len(packets[-1])
    with pytest.raises(Truncated, match=f"^packet 6, at byte {offset}, is cut short: [^\n]*{len(data) - 1}$"):
        bitstream.unpack(data[:-1], golden_model)
    with pytest.raises(TrailingBytes, match=f"ends at byte {len(data)} "):
        bitstream.unpack(data + b"\0", golden_model)


def test_packets_swapped_repeated_dropped(
    data: bytes, packets: list[bytes], codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    header = data[: len(data) - sum(map(len, packets))]
    for order in ((1, 0, 2, 3, 4, 5, 6), (0, 1, 1, 3, 4, 5, 6), (0, 2, 3, 4, 5, 6), (0, 1, 2, 2, 3, 4, 5, 6)):
        changed = header + b"".join(packets[i] for i in order)
        with pytest.raises(Damaged):
            bitstream.unpack(changed, golden_model)
        found = bitstream.unpack(changed, golden_model, on_error="conceal")
        assert_honest(found, codes)
        assert not bitstream.inspect(changed, golden_model).ok
        assert not bitstream.inspect(changed).ok
    dropped = bitstream.unpack(header + b"".join(packets[:2] + packets[3:]), golden_model, on_error="conceal")
    assert dropped.lost == ((16, 24),)
    dropped = bitstream.unpack(header + b"".join(packets[:1] + packets[4:]), golden_model, on_error="conceal")
    assert dropped.lost == ((8, 32),)
    assert_honest(dropped, codes)


def test_two_neighbours_lost_make_one_range(
    data: bytes, packets: list[bytes], codes: SpeechCodes, golden_model: EntropyModel
) -> None:
    bad = bytearray(data)
    for i in (3, 4):
        bad[data.index(packets[i]) + len(packets[i]) - 1] ^= 0x40
    found = bitstream.unpack(bad, golden_model, on_error="conceal")
    assert found.lost == ((24, 40),)
    assert_honest(found, codes)
    read = list(bitstream.iter_packets(io.BytesIO(bytes(bad)), golden_model, on_error="conceal"))
    assert [packet.lost for packet in read] == [False, False, False, True, True, False, False]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["raise", "conceal"]), st.integers(0, 2))
def test_noise_raises_our_errors_only(golden_model: EntropyModel, noise: bytes, on_error: str, how: int) -> None:
    sound_header = write_header(golden_model.fingerprint, 40000, b"\x07")
    bad = (noise, b"\xf5U\x01" + noise, sound_header + noise)[how]
    for read in (bitstream.unpack, lambda *a, **k: list(bitstream.iter_packets(io.BytesIO(a[0]), *a[1:], **k))):
        try:
            read(bad, golden_model, on_error=on_error)
        except BitstreamError as error:
            message = str(error)
            assert message.isprintable(), message
    try:
        bitstream.inspect(bad)
        bitstream.inspect(bad, golden_model)
    except BitstreamError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_payloads_with_sound_checks_decode_to_themselves_or_not_at_all(golden_model: EntropyModel, payloads: list[bytes]) -> None:
    """A forger can make the check match; then the codes are in range and are what those very bytes stand for."""
    header = write_header(golden_model.fingerprint, 5120 * len(payloads), b"\x07")
    forged = header + b"".join(frame_payload(payload, i) for i, payload in enumerate(payloads))
    try:
        found = bitstream.unpack(forged, golden_model)
    except Damaged:
        assert bitstream.unpack(forged, golden_model, on_error="conceal").lost
    else:
        assert bitstream.pack(found, golden_model) == forged


@pytest.mark.parametrize("on_error", ["raise", "conceal"])
@pytest.mark.parametrize("num_samples", [10**12, 2**48 - 1])
def test_large_claims_are_refused_at_once(golden_model: EntropyModel, num_samples: int, on_error: str) -> None:
    bad = write_header(golden_model.fingerprint, num_samples, b"\0") + bytes(100)
    with pytest.raises(Truncated, match=f"claims {num_samples} samples"):
        bitstream.unpack(bad, golden_model, on_error=on_error)
    with pytest.raises(Damaged):
        list(bitstream.iter_packets(io.BytesIO(bad), golden_model, on_error=on_error))
    with pytest.raises(Truncated):
        bitstream.inspect(bad, golden_model)


@pytest.mark.parametrize(
    "varint", [b"\x80\x00", b"\x81\x80\x00", b"\xff" * 7 + b"\x01", b"\x80" * 20, write_varint(2**48), b"\xff" * 300]
)
def test_odd_numbers_in_the_header(golden_model: EntropyModel, varint: bytes) -> None:
    with pytest.raises(Damaged, match="num_samples"):
        bitstream.unpack(b"\xf5U\x01" + bytes(4) + varint + bytes(20), golden_model)


def test_packet_lengths_beyond_the_model_are_refused(data: bytes, packets: list[bytes], golden_model: EntropyModel) -> None:
    header = data[: len(data) - sum(map(len, packets))]
    for length in (write_varint(golden_model.spec.max_payload + 1), b"\x80\x00", b"\xff\xff\xff\xff"):
        with pytest.raises(Damaged, match="length"):
            bitstream.unpack(header + length + bytes(1000), golden_model)


def test_other_models_and_versions(data: bytes, golden_model: EntropyModel) -> None:
    with pytest.raises(bitstream.UnsupportedVersion, match="version 2"):
        bitstream.unpack(data[:2] + b"\x02" + data[3:], golden_model)
    other = write_header("00000000", 0, b"\0")
    with pytest.raises(UnknownModel, match="00000000"):
        bitstream.unpack(other, golden_model)
    with pytest.raises(UnknownModel, match=r"00000000.*UNITCODEC_MODELS"):
        bitstream.unpack(other)
    with pytest.raises(NotUnitcodec):
        bitstream.unpack(b"RIFF" + bytes(40), golden_model)
    for speaker in (b"", b"\0\0", b"\xff"):
        with pytest.raises(Damaged, match="speaker"):
            bitstream.unpack(write_header(golden_model.fingerprint, 0, speaker), golden_model)


def test_inspect_without_a_model(data: bytes, packets: list[bytes], golden_model: EntropyModel) -> None:
    info, full = bitstream.inspect(data), bitstream.inspect(data, golden_model)
    assert info.packets == full.packets
    assert info.ok
    assert full.ok
    assert (info.bits, info.speaker) == (None, None)
    assert info.model == golden_model.fingerprint
    assert info.version == 1
    assert info.duration == info.num_samples / 16000
    assert info.bits_per_second == 8 * len(data) / info.duration
    assert bitstream.inspect(data + b"xx", golden_model).trailing == 2
    bad = bytearray(data)
    bad[data.index(packets[1])] ^= 2
    for model in (None, golden_model):
        assert [packet.ok for packet in bitstream.inspect(bad, model).packets] == [True, False, True, True, True, True, True]
