from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import bitstream_reference as reference
import numpy as np
import pytest
from bitstream_strategies import models_and_codes, random_codes, random_model
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bitstream
from bitstream import (
    Announcement,
    BitstreamError,
    Damaged,
    DatagramReceiver,
    DatagramSender,
    EntropyModel,
    InvalidCodes,
    Packet,
    SpeechCodes,
)
from bitstream.codes import lost_ranges

MTUS = (11, 23, 51, 115, 222)


def send(model: EntropyModel, codes: SpeechCodes, mtu: int, portion: int = 7, announce_every: int = 0) -> list[bytes]:
    """All datagrams of a stream that is pushed in portions."""
    sender = DatagramSender(model, codes.speaker, mtu, announce_every)
    ratio = codes.units.shape[1] / max(1, len(codes.f0))
    datagrams = []
    for start in range(0, codes.units.shape[1], portion):
        f0 = slice(round(start / ratio), round(min(start + portion, codes.units.shape[1]) / ratio))
        datagrams += sender.push(codes.units[:, start : start + portion], codes.f0[f0])
    datagrams += sender.flush(codes.num_samples)
    assert all(len(datagram) <= mtu for datagram in datagrams)
    return datagrams


def gather(model: EntropyModel, receiver: DatagramReceiver, packets: list[Packet], samples: int) -> tuple[np.ndarray, np.ndarray]:
    """What was heard of a stream of so many samples, -1 elsewhere."""
    frames, f0_frames, _ = model.spec.frames(samples)
    units, f0 = np.full((len(model.spec.rows), frames + 64), -1), np.full(f0_frames + 64, -1)
    for packet in packets:
        first_f0 = packet.first_frame * model.spec.unit_hop // model.spec.f0_hop
        assert (units[:, packet.first_frame : packet.first_frame + packet.units.shape[1]] == -1).all()
        units[:, packet.first_frame : packet.first_frame + packet.units.shape[1]] = packet.units
        f0[first_f0 : first_f0 + len(packet.f0)] = packet.f0
    return units[:, :frames], f0[:f0_frames]


@settings(max_examples=60, deadline=None)
@given(models_and_codes(), st.integers(11, 222), st.integers(1, 40))
def test_codes_come_back(pair: tuple[EntropyModel, SpeechCodes], mtu: int, portion: int) -> None:
    model, codes = pair
    try:
        datagrams = send(model, codes, mtu, portion, announce_every=3)
    except InvalidCodes as error:
        assume("too short" not in str(error))
        raise
    receiver = DatagramReceiver(model)
    heard = [receiver.receive(datagram) for datagram in datagrams]
    packets = [packet for packet in heard if isinstance(packet, Packet)]
    units, f0 = gather(model, receiver, packets, codes.num_samples)
    assert np.array_equal(units, codes.units)
    assert np.array_equal(f0, codes.f0)
    assert receiver.num_samples == codes.num_samples
    assert receiver.lost == ()
    if codes.num_samples:
        assert receiver.speaker is not None
        assert np.array_equal(receiver.speaker, codes.speaker)
        assert sum(isinstance(each, Announcement) for each in heard) == 1


@settings(max_examples=40, deadline=None)
@given(models_and_codes(), st.integers(11, 60))
def test_the_reference_agrees(pair: tuple[EntropyModel, SpeechCodes], mtu: int) -> None:
    model, codes = pair
    try:
        datagrams = send(model, codes, mtu)
    except InvalidCodes:
        assume(False)
    told = reference.read_model(model.to_bytes())
    said = [reference.decode_datagram(datagram, told) for datagram in datagrams]
    *said, end = said
    units = [[symbol for each in said for symbol in each["units"][row]] for row in range(len(model.spec.rows))]
    assert [row[: codes.units.shape[1]] for row in units] == codes.units.tolist()
    assert [symbol for each in said for symbol in each["f0"]][: len(codes.f0)] == codes.f0.tolist()
    block = int(np.lcm(model.spec.unit_hop, model.spec.f0_hop))
    assert end["end"] * block - end["trim"] == codes.num_samples


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(MTUS), st.floats(0, 0.6))
def test_loss_reordering_and_duplicates(golden_model: EntropyModel, seed: int, mtu: int, loss: float) -> None:
    rng = np.random.default_rng(seed)
    codes = random_codes(golden_model, 60 * 640, rng)
    *datagrams, end = send(golden_model, codes, mtu)
    kept = [datagram for datagram in datagrams if rng.random() > loss]
    kept = [kept[i] for i in np.argsort(np.arange(len(kept)) + rng.uniform(0, 6, len(kept)))]
    kept += [datagram for datagram in kept if rng.random() < 0.3]
    receiver = DatagramReceiver(golden_model)
    packets = [packet for packet in map(receiver.receive, [*kept, end]) if isinstance(packet, Packet)]
    assert len(packets) == len(set(kept))
    units, f0 = gather(golden_model, receiver, packets, codes.num_samples)
    heard = (units >= 0).all(0)
    assert np.array_equal(units[:, heard], codes.units[:, heard])
    assert np.array_equal(f0[heard[::2]], codes.f0[heard[::2]])
    first = int(np.argmax(heard)) if heard.any() else 60
    missing = np.zeros(60, bool)
    for start, stop in receiver.lost:
        missing[start:stop] = True
    assert np.array_equal(missing[first:], ~heard[first:])


def test_positions_wrap(golden_model: EntropyModel) -> None:
    sender, receiver = DatagramSender(golden_model, [0, 0, 0], 222), DatagramReceiver(golden_model)
    sender._position = 65530
    units, f0 = np.zeros((2, 8), np.int32), np.zeros(4, np.int32)
    firsts = [receiver.receive(datagram) for _ in range(6) for datagram in sender.push(units, f0)]
    assert [packet.first_frame for packet in firsts if isinstance(packet, Packet)] == [2 * (65530 + 4 * i) for i in range(6)]


def test_a_link_that_stays_bad_takes_no_more_memory(golden_model: EntropyModel) -> None:
    sender, receiver = DatagramSender(golden_model, [0, 0, 0], 222, announce_every=0), DatagramReceiver(golden_model)
    heard = 0
    for position in range(0, 200_000, 500):
        sender._position = position
        for each in sender.push(np.zeros((2, 8), np.int32), np.zeros(4, np.int32)):
            heard += isinstance(receiver.receive(each), Packet)
    assert heard > 300
    assert len(receiver._gaps) <= 2**15 // 400
    assert receiver.lost_for_good > 2 * 100_000
    assert receiver.lost[0][0] > 2 * 150_000


@pytest.mark.parametrize("mtu", MTUS)
def test_every_bit_is_guarded(golden_model: EntropyModel, mtu: int) -> None:
    datagrams = send(golden_model, random_codes(golden_model, 20 * 640, np.random.default_rng(0)), mtu, announce_every=2)
    for datagram in datagrams:
        for bit in range(8 * len(datagram)):
            bad = bytearray(datagram)
            bad[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Damaged):
                DatagramReceiver(golden_model).receive(bytes(bad))
            assert DatagramReceiver(golden_model, "conceal").receive(bytes(bad)) is None
        for size in range(len(datagram)):
            with pytest.raises(Damaged):
                DatagramReceiver(golden_model).receive(datagram[:size])


def test_another_models_datagrams(golden_model: EntropyModel) -> None:
    other = random_model(replace(golden_model.spec, weights="ab"), np.random.default_rng(0))
    codes = random_codes(other, 20 * 640, np.random.default_rng(0))
    datagrams = send(other, codes, 51)
    for datagram in datagrams:
        with pytest.raises(Damaged):
            DatagramReceiver(golden_model).receive(datagram)
    (announcement,) = DatagramSender(other, codes.speaker, 51).announce()
    with pytest.raises(bitstream.UnknownModel, match=other.fingerprint):
        DatagramReceiver(golden_model).receive(announcement)
    assert DatagramReceiver(golden_model, "salvage").receive(announcement) is None


def test_announcements_come_in_parts(golden_model: EntropyModel) -> None:
    model = random_model(replace(golden_model.spec, speaker=(2**15,) * 9), np.random.default_rng(0))
    first, second = (DatagramSender(model, [i] * 9, 11).announce() for i in (1, 2))
    assert [len(part) for part in first] == [11, 11, 11]
    receiver = DatagramReceiver(model)
    assert [receiver.receive(part) for part in (first[2], first[0], first[2])] == [None, None, None]
    news = receiver.receive(first[1])
    assert isinstance(news, Announcement)
    assert (news.model, news.speaker.tolist()) == (model.fingerprint, [1] * 9)
    assert [receiver.receive(part) for part in first] == [None, None, None]
    # Parts of two announcements do not make one.
    assert [receiver.receive(part) for part in second[:2]] == [None, None]
    assert receiver.speaker is not None
    assert receiver.speaker.tolist() == [1] * 9
    assert isinstance(receiver.receive(second[2]), Announcement)


def test_announcements_are_repeated(golden_model: EntropyModel) -> None:
    datagrams = send(golden_model, random_codes(golden_model, 80 * 640, np.random.default_rng(0)), 23, announce_every=2)
    kinds = [datagram[0] >> 6 for datagram in datagrams]
    assert kinds[0] == 2
    codes = [i for i, kind in enumerate(kinds) if kind < 2]
    assert [kinds[i + 1] for i in codes[1::2]] == [2] * len(codes[1::2])
    assert kinds.count(2) == 1 + len(codes) // 2
    assert kinds[-1] == 3


def test_what_cannot_be_sent(golden_model: EntropyModel) -> None:
    with pytest.raises(InvalidCodes, match="too short"):
        DatagramSender(golden_model, [0, 0, 0], 6)
    with pytest.raises(InvalidCodes, match="speaker"):
        DatagramSender(golden_model, [8, 0, 0], 51)
    wide = random_model(replace(golden_model.spec, speaker=(2**15,) * 60), np.random.default_rng(0))
    with pytest.raises(InvalidCodes, match="announce"):
        DatagramSender(wide, [0] * 60, 11)
    sender = DatagramSender(golden_model, [0, 0, 0], 51)
    with pytest.raises(InvalidCodes):
        sender.push([[4], [0]], [0])
    sender.push([[1, 1, 1], [0, 0, 0]], [0, 0])
    with pytest.raises(InvalidCodes, match="1280 samples do not make 3 unit and 2 F0 frames"):
        sender.flush(1280)
    sender.flush(1900)
    with pytest.raises(ValueError, match="flushed"):
        sender.push([[0], [0]], [0])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_noise_raises_our_errors_only(golden_model: EntropyModel, noise: bytes, sealed: bool) -> None:
    sender = DatagramSender(golden_model, [0, 0, 0], 51)
    receiver = DatagramReceiver(golden_model)
    for datagram in (noise, sender._seal(noise)):
        with contextlib.suppress(BitstreamError):
            receiver.receive(datagram)


def test_golden_datagrams(golden: Path, golden_model: EntropyModel) -> None:
    expected = json.loads((golden.parent / "v2" / "datagrams.json").read_text())
    codes = SpeechCodes(**json.loads((golden.parent / "v2" / f"{expected['codes']}.json").read_text()))
    model = reference.read_model((golden / "entropy.safetensors").read_bytes())
    assert len(expected["streams"]) > 1
    for stream in expected["streams"]:
        datagrams = [bytes.fromhex(each["hex"]) for each in stream["datagrams"]]
        assert datagrams == send(golden_model, codes, stream["mtu"], announce_every=stream["announce_every"])
        for datagram, each in zip(datagrams, stream["datagrams"], strict=True):
            assert reference.decode_datagram(datagram, model) == {key: value for key, value in each.items() if key != "hex"}


def test_what_came_is_gathered_and_the_rest_is_lost(golden_model: EntropyModel) -> None:
    model, codes = golden_model, random_codes(golden_model, 200 * 640 + 333, np.random.default_rng(0))
    *datagrams, end = send(model, codes, 51)
    receiver = DatagramReceiver(model)
    with pytest.raises(InvalidCodes, match="an announcement of the stream was not heard"):
        receiver.gather([])
    for part in DatagramSender(model, codes.speaker, 51).announce():
        receiver.receive(part)
    with pytest.raises(InvalidCodes, match="the end of the stream was not heard"):
        receiver.gather([])
    gone = {0, 3, 4, len(datagrams) - 1}
    packets = {i: DatagramReceiver(model).receive(datagram) for i, datagram in enumerate(datagrams)}
    for datagram in (*(datagrams[i] for i in packets if i not in gone), end):
        receiver.receive(datagram)
    heard = receiver.gather([packet for i, packet in reversed(packets.items()) if i not in gone])  # type: ignore[misc]
    lost = np.zeros(codes.units.shape[1], bool)
    for i in gone:
        lost[packets[i].first_frame : packets[i].first_frame + packets[i].units.shape[1]] = True
    assert heard.lost == lost_ranges(lost)
    assert len(heard.lost) == 3
    assert heard.num_samples == codes.num_samples
    assert np.array_equal(heard.units, np.where(lost, 0, codes.units))
    # All of it: the codes that were sent.
    assert receiver.gather(packets.values()) == codes
