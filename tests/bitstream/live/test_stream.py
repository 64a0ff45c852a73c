"""Live packets in files and pipes, and what is told of them without decoding."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from bitstream_strategies import random_codes

import bitstream
from bitstream import Damaged, EntropyModel, InvalidCodes, LiveCoder, LiveReader, LiveWriter, NotUnitcodec, TooLong, Truncated


@pytest.fixture
def coder(golden_model: EntropyModel) -> LiveCoder:
    return LiveCoder(golden_model, 8)


@pytest.fixture
def packet(coder: LiveCoder) -> Callable[..., bytes]:
    def make(number: int, samples: int | None = None) -> bytes:
        codes = random_codes(coder.entropy, coder.samples, np.random.default_rng(number))
        return coder.speech(number, codes.units, codes.f0, codes.speaker, samples=samples)

    return make


def _stream(coder: LiveCoder, packets: list[bytes]) -> bytes:
    stream = io.BytesIO()
    writer = LiveWriter(stream, coder)
    for each in packets:
        writer.write(each)
    return stream.getvalue()


def test_packets_come_back_one_by_one(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    packets = [packet(number) for number in range(5)]
    data = _stream(coder, packets)
    reader = LiveReader(io.BytesIO(data))
    assert (reader.model, reader.frames, list(reader), reader.size) == (coder.entropy.fingerprint, 8, packets, len(data))


def test_facts(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    data = _stream(coder, [*map(packet, range(3)), packet(3, 100)])
    facts = bitstream.inspect(data, coder.entropy)
    assert (facts.version, facts.model, facts.size, facts.ok) == (3, coder.entropy.fingerprint, len(data), True)
    assert facts.num_samples == 3 * coder.samples + 100
    assert sum(each.size for each in facts.packets) == len(data) - facts.header_size


def test_what_is_missing_or_damaged_is_counted(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    data = bytearray(_stream(coder, [packet(0), packet(1), packet(4), packet(5, 7)]))
    data[10 + len(packet(0)) + 1 + 3] ^= 1  # packet 1
    facts = bitstream.inspect(bytes(data), coder.entropy)
    assert [(each.ok, each.size > 0) for each in facts.packets] == [
        (True, True), (False, True), (False, False), (False, False), (True, True), (True, True),
    ]  # fmt: skip
    assert facts.num_samples == 5 * coder.samples + 7
    assert facts.complete


def test_what_only_the_check_lets_pass_is_damage(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    """Or a decoder would pass it over without a word, and the length told would not be the one that it gives."""
    for end in (packet(2, 100), coder.filled(packet(2, 100)[:4] + b"\xff" * 12, 16)):
        middle = coder.filled(packet(1)[:1] + b"\xff" * 12, 16)
        facts = bitstream.inspect(_stream(coder, [packet(0), middle, end]), coder.entropy)
        sound = end == packet(2, 100)
        assert [each.ok for each in facts.packets] == [True, False, sound]
        assert (facts.complete, facts.num_samples) == (sound, 2 * coder.samples + 100 if sound else coder.samples)


def test_in_a_pause_nothing_is_missing(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    facts = bitstream.inspect(
        _stream(coder, [packet(0), coder.pause(1, 60), coder.pause(49, 60), packet(60), packet(61, 1)]), coder.entropy
    )
    assert facts.ok
    assert facts.num_samples == 61 * coder.samples + 1


def test_one_that_comes_late_or_twice_is_passed_over(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    facts = bitstream.inspect(_stream(coder, [packet(0), packet(1), packet(0), packet(1), packet(2, 9)]), coder.entropy)
    assert facts.num_samples == 2 * coder.samples + 9
    assert len(facts.packets) == 3


def test_a_stream_that_is_cut_short_has_no_end(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    whole = _stream(coder, [packet(0), packet(1), packet(2, 9)])
    facts = bitstream.inspect(whole[:-2], coder.entropy)
    assert (facts.complete, facts.num_samples) == (False, 2 * coder.samples)
    with pytest.raises(Truncated, match="within a packet"):
        list(LiveReader(io.BytesIO(whole[:-2])))
    for size in range(3, 10):
        with pytest.raises(Truncated, match="within its header"):
            LiveReader(io.BytesIO(whole[:size]))


def test_headers_are_checked(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    data = bytearray(_stream(coder, [packet(0)]))
    with pytest.raises(NotUnitcodec):
        LiveReader(io.BytesIO(b"RIFF"))
    data[5] ^= 1
    with pytest.raises(Damaged, match="header"):
        LiveReader(io.BytesIO(bytes(data)))
    with pytest.raises(InvalidCodes, match="255"):
        LiveWriter(io.BytesIO(), coder).write(bytes(256))


def test_a_few_bytes_cannot_claim_hours(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    packets = [coder.pause(0, 0), packet(1)]
    packets += [packet(1 + 55 * number) for number in range(300)]  # numbers that leave out 54 each time
    with pytest.raises(TooLong):
        bitstream.inspect(_stream(coder, packets), coder.entropy)
    with pytest.raises(TooLong):  # a byte each
        bitstream.inspect(_stream(coder, []) + bytes(20000), coder.entropy)


def test_other_readers_say_what_it_is(coder: LiveCoder, packet: Callable[..., bytes]) -> None:
    with pytest.raises(bitstream.UnsupportedVersion, match="live packets"):
        bitstream.unpack(_stream(coder, [packet(0, 5)]), coder.entropy)
