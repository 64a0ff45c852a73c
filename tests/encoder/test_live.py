"""The live encoder: how audio is cut does not show; speech leaves at once; pauses, slots and rates are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from bitstream import InvalidCodes
from unitcodec.encoder.live import AHEAD, MOST_BITRATE, MOST_SAVED, Activity
from unitcodec.errors import AudioError, ModelError

if TYPE_CHECKING:
    from unitcodec.codec import Codec
    from unitcodec.encoder.live import LiveEncoder

FloatArray = np.ndarray


@pytest.fixture(scope="module")
def wave(speech: Path) -> FloatArray:
    return soundfile.read(speech, dtype="float32")[0]


def run(encoder: LiveEncoder, wave: FloatArray, block: int) -> list[bytes]:
    packets = [packet for start in range(0, len(wave), block) for packet in encoder.push(wave[start : start + block])]
    return packets + encoder.flush()


@pytest.fixture(scope="module")
def packets(narrow: Codec, wave: FloatArray) -> list[bytes]:
    return run(narrow.encoder(live=True), wave, 5120)


def test_blocks_and_threads_do_not_show(narrow: Codec, wave: FloatArray, packets: list[bytes]) -> None:
    threads = torch.get_num_threads()
    try:
        for block, count in ((len(wave), 1), (777, 2)):
            torch.set_num_threads(count)
            assert run(narrow.encoder(live=True), wave, block) == packets
    finally:
        torch.set_num_threads(threads)


def test_a_packet_leaves_when_what_it_hears_is_there(narrow: Codec, wave: FloatArray) -> None:
    encoder = narrow.encoder(live=True)
    first = encoder.packet + AHEAD
    assert first <= 0.6 * 16000
    assert encoder.push(wave[: first - 1]) == []
    assert len(encoder.push(wave[first - 1 : first])) == 1
    assert len(encoder.push(wave[first : first + encoder.packet])) == 1


def test_all_that_was_said_is_in_the_packets(narrow: Codec, wave: FloatArray, packets: list[bytes]) -> None:
    coder = narrow.encoder(live=True).coder
    read = [coder.read(packet) for packet in packets]
    assert (read[0].kind, read[-1].kind) == ("opening", "end")
    assert [each.number for each in read] == list(range(len(read)))
    assert sum(each.samples for each in read) == len(wave)
    assert len(np.unique(np.concatenate([each.units[-1] for each in read]))) > 2  # or nothing would be tested


def test_the_encoder_goes_by_what_it_has_sent(narrow: Codec, wave: FloatArray) -> None:
    encoder, known = narrow.encoder(live=True), {}
    for start in range(0, len(wave), 5120):
        for packet in encoder.push(wave[start : start + 5120]):
            known.update(encoder.coder.read(packet).fields)
            assert [known[field] for field in range(len(known))] == encoder.sent.codes().tolist()


@pytest.mark.parametrize("seconds", [0.001, 0.32, 0.64, 0.65])
def test_short_streams(narrow: Codec, wave: FloatArray, seconds: float) -> None:
    part = wave[16000 : 16000 + round(16000 * seconds)]
    encoder = narrow.encoder(live=True)
    read = [encoder.coder.read(packet) for packet in run(encoder, part, 1000)]
    assert sum(each.samples for each in read) == len(part)
    assert len(read[0].fields) == 35


def test_packets_keep_to_their_share(narrow: Codec, wave: FloatArray) -> None:
    for bitrate in (None, 400.0):
        sizes = [len(packet) for packet in run(narrow.encoder(live=True, bitrate=bitrate), wave, 5120)][9:-1]  # fields are known
        assert 8 * sum(sizes) <= (bitrate or MOST_BITRATE) * 0.32 * len(sizes) + 8 * MOST_SAVED
    with pytest.raises(ValueError, match="are too few"):
        narrow.encoder(live=True, bitrate=200)


def test_a_better_voice_is_made_good_for(codec: Codec, wave: FloatArray) -> None:
    """After 11.7 s of speech all fields are sent once more, ten bytes; packets that follow are a little shorter."""
    encoder = codec.encoder(live=True)
    packets = run(encoder, np.resize(wave, 20 * 16000), 16000)
    sizes = np.array([len(packet) for packet in packets[16:-1]])
    assert sizes.max() > 1.4 * MOST_BITRATE / 8 * 0.32
    assert 8 * sizes.mean() / 0.32 < 1.01 * MOST_BITRATE


@pytest.mark.parametrize("fec", [1, 4])
def test_each_packet_carries_a_copy_of_an_earlier_one(codec: Codec, wave: FloatArray, fec: int) -> None:
    encoder = codec.encoder(live=True, fec=fec)
    read = [encoder.coder.read(packet) for packet in run(encoder, wave[:40000], 5120)]
    for each in read[:fec]:
        assert each.copy is not None
        assert not each.copy.any()
    for before, each in zip(read, read[fec:], strict=False):
        assert each.copy is not None
        # The greater half of the values, as far as the rung that was sent tells it.
        levels = np.array([codec.model.networks.content.quantizer.ladder[rung] for rung in before.units[0].tolist()])
        sure = np.abs(before.units[1:] + 0.5 - levels / 2) >= 1
        values = 2**encoder.coder.copy_bits
        assert np.array_equal((before.units[1:] >= levels / 2)[sure], each.copy[sure] >= values / 2)
        assert each.copy.max() == values - 1


def test_copies_that_there_cannot_be(narrow: Codec, codec: Codec) -> None:
    with pytest.raises(ModelError, match="coarser"):
        narrow.encoder(live=True, fec=1)
    for fec in (2, True, "1"):
        with pytest.raises(InvalidCodes, match="knows 1, 4 and 8"):
            codec.encoder(live=True, fec=fec)  # type: ignore[call-overload]


def test_a_fixed_slot_is_filled_exactly(narrow: Codec, wave: FloatArray) -> None:
    for packet, size in ((0.32, 16), (1.28, 51)):
        encoder = narrow.encoder(live=True, packet=packet, cbr=size)
        packets = run(encoder, wave, 5120)
        assert {len(each) for each in packets} == {size}
        assert sum(encoder.coder.read(each).samples for each in packets) == len(wave)
    encoder = narrow.encoder(live=True, cbr=16, dtx=True)
    packets = run(encoder, np.pad(wave[:30000], (0, 80000)), 5120)
    assert {len(each) for each in packets} == {16}  # that begin a pause, too
    assert {"pause", "end"} <= {encoder.coder.read(each).kind for each in packets}
    for options, said in (
        ({"cbr": 9}, "too few"),
        ({"cbr": 20.5}, "whole number"),
        ({"cbr": 20, "bitrate": 400.0}, "leave one"),
        ({"cbr": 20, "live": False}, "live=True"),
    ):
        with pytest.raises(ValueError, match=said):
            narrow.encoder(**{"live": True, **options})


def test_a_pause_of_ten_seconds_takes_eight_bytes_at_most(narrow: Codec, wave: FloatArray) -> None:
    hiss = np.random.default_rng(0).normal(0, 1e-3, len(wave) * 2 + 160000).astype(np.float32)
    padded = np.concatenate([wave, np.zeros(160000, np.float32), wave]) + hiss
    encoder, at = narrow.encoder(live=True, dtx=True), []
    for start in range(0, len(padded), 1600):
        at += [(start, packet) for packet in encoder.push(padded[start : start + 1600])]
    # From half a second after the last sound to the packet that sees the next one come.
    pause = [packet for start, packet in at if len(wave) + 16000 <= start < len(wave) + 160000 - encoder.packet]
    assert sum(map(len, pause)) <= 8
    told = [encoder.coder.read(packet) for _, packet in at if encoder.coder.head(packet)[0] == "pause"]
    assert told
    assert all(abs(each.noise - 60) <= 1 for each in told)
    spoken = [encoder.coder.read(packet).number for start, packet in at if start > len(wave) + 160000]
    assert spoken[0] == (len(wave) + 160000 + 5120) // 5120 % 64 or spoken[0] > 0  # numbers go on through the pause


def test_voiced_sound_and_loud_sound_are_speech() -> None:
    rng, activity = np.random.default_rng(0), Activity()
    soft, loud = (rng.normal(0, level, 5120).astype(np.float32) for level in (0.001, 0.01))
    none, some = np.zeros(48, np.float32), np.array([0, 120.0], np.float32)
    heard = [
        activity.speech(*each) for each in ((soft, none), (soft, none), (soft, some), (soft, none), (soft, none), (soft, none))
    ]
    assert heard == [False, False, True, True, True, False]
    assert activity.speech(loud, none)
    assert activity.noise == 60


def test_what_is_no_audio_or_comes_too_late_is_refused(narrow: Codec) -> None:
    encoder = narrow.encoder(live=True)
    with pytest.raises(AudioError, match="no samples"):
        encoder.flush()
    with pytest.raises(AudioError):
        encoder.push(np.full(9, np.nan, np.float32))
    encoder.push(np.zeros(9, np.float32))
    encoder.flush()
    for late in (encoder.flush, lambda: encoder.push(np.zeros(9, np.float32))):
        with pytest.raises(RuntimeError, match="finished"):
            late()
    for packet in (0.1, 0.04, 5.12, float("nan")):
        with pytest.raises(InvalidCodes, match="live packets"):
            narrow.encoder(live=True, packet=packet)


def test_memory_does_not_grow(narrow: Codec, wave: FloatArray) -> None:
    encoder, held = narrow.encoder(live=True), []
    for _ in range(3):
        for start in range(0, len(wave), 5120):
            encoder.push(wave[start : start + 5120])
        held.append(len(encoder.samples))
    assert max(held) < 16000 * 3
