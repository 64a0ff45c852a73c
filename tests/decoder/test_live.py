"""The live decoder: how packets come does not show; what is missing is held and fades; pauses have their room's noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from unitcodec.encoder.live import AHEAD

if TYPE_CHECKING:
    from unitcodec.codec import Codec

FloatArray = np.ndarray


@pytest.fixture(scope="module")
def wave(speech: Path) -> FloatArray:
    return soundfile.read(speech, dtype="float32")[0][:100000]


@pytest.fixture(scope="module")
def packets(narrow: Codec, wave: FloatArray) -> list[bytes]:
    encoder = narrow.encoder(live=True)
    return encoder.push(wave) + encoder.flush()


def hear(codec: Codec, packets: list[bytes | None]) -> FloatArray:
    decoder = codec.decoder()
    return np.concatenate([*(decoder.push(packet) for packet in packets), decoder.flush()])


@pytest.fixture(scope="module")
def whole(narrow: Codec, packets: list[bytes]) -> FloatArray:
    return hear(narrow, packets)


def power(samples: FloatArray) -> float:
    return float(np.square(samples, dtype=np.float64).mean())


def test_every_sample_is_spoken_once(narrow: Codec, wave: FloatArray, packets: list[bytes], whole: FloatArray) -> None:
    assert len(whole) == len(wave)
    assert power(whole) > 1e-5
    for seconds in (0.001, 0.32, 0.65):
        encoder = narrow.encoder(live=True)
        part = encoder.push(wave[: round(16000 * seconds)]) + encoder.flush()
        assert len(hear(narrow, part)) == round(16000 * seconds)


def test_within_a_second_a_sample_is_heard_again(narrow: Codec, packets: list[bytes]) -> None:
    decoder, spoken = narrow.decoder(), 0
    assert decoder.packet + AHEAD + decoder.delay * 16000 <= 16000
    for number, packet in enumerate(packets[:-1], 1):
        spoken += len(decoder.push(packet))
        assert spoken == max(0, round(number * decoder.packet - decoder.delay * 16000))


def test_one_that_is_late_twice_or_another_streams_changes_nothing(
    narrow: Codec, packets: list[bytes], whole: FloatArray
) -> None:
    others = narrow.encoder(live=True, packet=0.64)
    foreign = others.push(np.zeros(30000, np.float32))
    given = [packets[0], packets[0], *packets[1:4], packets[2], foreign[0], b"", *packets[4:], packets[-1]]
    assert np.array_equal(hear(narrow, given), whole)


def test_told_at_once_or_by_the_next_number_loss_sounds_alike(narrow: Codec, packets: list[bytes]) -> None:
    told = hear(narrow, [*packets[:6], None, *packets[7:]])
    found = hear(narrow, [*packets[:6], *packets[7:]])
    assert np.array_equal(told, found)


def test_loss_is_bridged_and_fades(narrow: Codec, packets: list[bytes], whole: FloatArray) -> None:
    decoder = narrow.decoder()
    heard = np.concatenate([decoder.push(packet) for packet in [*packets[:8], *[None] * 6, *packets[14:]]])
    assert decoder.lost == 6
    assert len(heard) == len(whole)
    hole = slice(8 * 5120, 14 * 5120)
    first, last = heard[hole][1600:4000], heard[hole][12000:-8000]
    assert power(first) > 0.05 * power(whole[8 * 5120 - 2560 : 8 * 5120])
    assert power(last) < 1e-9
    assert np.allclose(heard[: 7 * 5120], whole[: 7 * 5120], atol=1e-4)


def test_a_copy_stands_in_for_the_packet_before(codec: Codec, wave: FloatArray) -> None:
    encoder, decoder = codec.encoder(live=True, fec=1), codec.decoder(fec=1)
    packets = encoder.push(wave[:80000]) + encoder.flush()
    heard = np.concatenate([decoder.push(packet) for packet in [*packets[:8], *packets[9:11], *packets[13:]]])
    assert (decoder.lost, decoder.copied, len(heard)) == (3, 2, 80000)
    plain = codec.decoder(fec=1)
    whole = np.concatenate([plain.push(packet) for packet in packets])
    for known in (8, 12):  # of the two in a row the second
        part = slice(known * 5120, (known + 1) * 5120)
        assert 0.1 < power(heard[part]) / power(whole[part]) < 10


def test_copies_four_packets_later_bridge_a_burst(codec: Codec, wave: FloatArray) -> None:
    encoder, decoder = codec.encoder(live=True, fec=4), codec.decoder(fec=4)
    packets = encoder.push(wave[:80000]) + encoder.flush()
    told = [*packets[:5], *[None] * 3, *packets[8:]]
    heard = [decoder.push(packet) for packet in told]
    assert (decoder.lost, decoder.copied) == (3, 3)
    assert [len(each) for each in heard[5:9]] == [0] * 4  # until the first copy is there, four packets later
    assert sum(map(len, heard)) == 80000
    silent = codec.decoder(fec=4)
    by_number = np.concatenate([silent.push(packet) for packet in [*packets[:5], *packets[8:]]])
    assert np.array_equal(by_number, np.concatenate(heard))
    # One that was told missing, and comes while its copy is waited for, is as good as in time.
    late, whole = codec.decoder(fec=4), codec.decoder(fec=4)
    given = [*packets[:5], None, *packets[6:8], packets[5], *packets[8:]]
    assert np.array_equal(
        np.concatenate([late.push(packet) for packet in given]), np.concatenate([whole.push(packet) for packet in packets])
    )
    assert late.lost == 0


def test_what_a_stalled_network_hands_over_late_is_passed_over(narrow: Codec, packets: list[bytes], whole: FloatArray) -> None:
    """Nine numbers behind are not 55 ahead: what was spoken in their place is not followed by 18 s of silence."""
    for missed in (11, 12):  # the end is in time, or late
        decoder = narrow.decoder()
        heard = np.concatenate([decoder.push(packet) for packet in [*packets[:8], *[None] * missed, *packets[8:]]])
        assert (decoder.lost, decoder.ended) == (missed, True)
        assert len(heard) == len(whole)


def test_behind_the_end_there_is_nothing(narrow: Codec, packets: list[bytes], whole: FloatArray) -> None:
    assert np.array_equal(hear(narrow, [*packets, *[None] * 12, packets[3], packets[-1], None]), whole)


def test_a_copy_of_no_speech_is_not_spoken(codec: Codec, wave: FloatArray) -> None:
    """Of a pause whose packet is lost, those behind it that never were look missing, and have copies of zeros."""
    encoder, decoder = codec.encoder(live=True, fec=4, dtx=True), codec.decoder(fec=4)
    given = np.concatenate([wave[:25000], np.zeros(60000, np.float32), wave[:25000]])
    packets = encoder.push(given) + encoder.flush()
    kinds = [encoder.coder.read(packet).kind for packet in packets]
    lost = kinds.index("pause")
    number, after = (encoder.coder.read(packets[index]).number for index in (lost, lost + 1))
    heard = np.concatenate([decoder.push(packet) for packet in [*packets[:lost], *packets[lost + 1 :]]])
    assert (decoder.lost, decoder.copied, len(heard)) == (after - number, 0, len(given))
    assert after - number > 4
    assert power(heard[(after - 3) * 5120 : (after - 1) * 5120]) < 1e-9


def test_what_is_no_packet_is_refused(narrow: Codec) -> None:
    with pytest.raises(TypeError, match="bytes, not list"):
        narrow.decoder().push([])  # type: ignore[arg-type]


def test_packets_of_an_encoder_set_up_otherwise_are_counted(narrow: Codec, packets: list[bytes]) -> None:
    decoder = narrow.decoder(packet=0.64)
    assert not any(len(decoder.push(packet)) for packet in packets)
    assert (decoder.damaged, decoder.lost) == (len(packets), 0)


def test_a_late_joiner_hears_all_of_the_voice_after_eight_packets(narrow: Codec, packets: list[bytes]) -> None:
    encoder = narrow.encoder(live=True)
    decoder = narrow.decoder()
    for packet in packets[5:13]:
        decoder.push(packet)
    known = {}
    for packet in packets[:13]:
        known.update(encoder.coder.read(packet).fields)
    assert decoder.speaker.tolist() == [known[field] for field in range(len(known))]


def test_a_pause_has_noise_of_its_level_however_long(narrow: Codec, wave: FloatArray) -> None:
    encoder, decoder = narrow.encoder(live=True, dtx=True), narrow.decoder()
    sound = np.concatenate([wave, np.zeros(320000, np.float32), wave])
    sound += np.random.default_rng(0).normal(0, 1e-3, len(sound)).astype(np.float32)
    packets = encoder.push(sound) + encoder.flush()
    heard = np.concatenate([decoder.push(packet) for packet in packets])
    assert len(heard) == len(sound)
    assert decoder.lost == 0
    assert 10 * np.log10(power(heard[len(wave) + 48000 : len(wave) + 272000])) == pytest.approx(-60, abs=1.5)
    # With a clock of one's own it is the same pause.
    waiting = narrow.decoder()
    begin = next(index for index, packet in enumerate(packets) if waiting.coder.head(packet)[0] == "pause") + 1
    first = [waiting.push(packet) for packet in packets[:begin]] + [waiting.push(None) for _ in range(10)]
    again = np.concatenate([*first, *(waiting.push(packet) for packet in packets[begin:])])
    assert len(again) == len(heard)
    assert power(again[-80000:]) == pytest.approx(power(heard[-80000:]), rel=0.1)


def test_a_stream_may_end_in_a_pause(narrow: Codec, wave: FloatArray) -> None:
    encoder = narrow.encoder(live=True, dtx=True)
    sound = np.concatenate([wave, np.zeros(70000, np.float32)])
    packets = encoder.push(sound) + encoder.flush()
    kinds = [encoder.coder.head(packet)[0] for packet in packets]
    assert kinds[-2:] == ["pause", "end"]
    decoder = narrow.decoder()
    assert sum(len(decoder.push(packet)) for packet in packets) == len(sound)
    assert (decoder.ended, decoder.lost, len(packets[-1])) == (True, 0, 5)


def test_memory_does_not_grow(narrow: Codec, packets: list[bytes]) -> None:
    decoder = narrow.decoder()
    for number in range(120):
        decoder.push(packets[number % 8] if number < 8 else None)
    assert decoder.held < 6000
