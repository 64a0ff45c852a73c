"""The rate that is promised for every file, at most 365 bit/s from 5 s on, and the rate that is asked for."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from bitstream import EntropyModel, EntropySpec, PacketCoder, SpeechCodes, Stream, fit_tables, pack
from unitcodec.content.rungs import Rungs
from unitcodec.encoder.rate import (
    LADDER,
    MOST_SAVED,
    TARGET_RUNGS,
    RateLimit,
    RateTarget,
    choices,
    finest,
    nearest,
    payload_bytes,
)
from unitcodec.quantize import FSQ
from unitcodec.steps import coarser, lookup


def _spec(speaker_bytes: int) -> EntropySpec:
    return EntropySpec(rows=(Stream(8, ((0, 1),)),), f0=Stream(20, (("f0", 1),)), speaker=(256,) * speaker_bytes)


@pytest.mark.parametrize("speaker_bytes", [0, 1, 10, 13, 14])
def test_every_length_keeps_the_promise(speaker_bytes: int) -> None:
    """The shortest waveform of every number of frames, from 5 s to two and a half minutes: then all are at the limit at most."""
    spec = _spec(speaker_bytes)
    for frames in range(125, 60 * 64):
        full, rest = divmod(frames, 64)
        # Header and speaker code; length and check; a short last packet's marker and length, or the end with a trim.
        size = 10 + speaker_bytes + sum(3 + payload_bytes(spec, 64, packet) for packet in range(full))
        size += 6 + payload_bytes(spec, rest, full) if rest else 5
        num_samples = max(5 * 16000, (frames - 1) * 640 + 1)
        assert 8 * size / (num_samples / 16000) <= 365, frames
    assert 8 * size / (num_samples / 16000) > 360


def test_every_packet_has_room_for_something() -> None:
    for packet in range(4):
        assert all(payload_bytes(_spec(14), frames, packet) >= 3 for frames in range(1, 65))
        assert payload_bytes(_spec(0), 64, packet) + MOST_SAVED < 240, "the length would take three bytes"


@pytest.fixture(scope="module")
def entropy() -> EntropyModel:
    """Codes that tend to stay where they are, so that some sequences are much cheaper than others."""
    rng = np.random.default_rng(0)
    spec = EntropySpec(
        rows=(Stream(8, ((0, 1), ("f0", 0))), Stream(8, ((1, 1), (0, 0))), Stream(8, ((2, 1),)), Stream(8, ((3, 1),))),
        f0=Stream(20, (("f0", 1),)),
        speaker=(4,),
    )

    def walk(alphabet: int, n: int) -> np.ndarray:
        return np.clip(alphabet // 2 + np.cumsum(rng.integers(-1, 2, n)), 0, alphabet - 1)

    return fit_tables([(np.stack([walk(8, 256) for _ in range(4)]), walk(20, 128)) for _ in range(40)], spec)


def _distances(values: np.ndarray) -> list[np.ndarray]:
    return [(np.arange(8) - row[:, None]) ** 2 for row in values]


@pytest.mark.parametrize("frames", [1, 2, 3, 10, 31, 32, 63, 64])
@pytest.mark.parametrize("seed", range(3))
def test_a_packet_that_is_too_large_is_made_to_fit(entropy: EntropyModel, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.5, 7.5, (4, frames))
    units = np.rint(values).astype(np.int32)
    f0 = np.full(-(-frames // 2), 10, np.int32)
    limit, coder = RateLimit(entropy), PacketCoder(entropy)
    distances = _distances(values)
    chosen = limit.apply(distances, f0)
    assert len(coder.encode_payload(chosen, f0)) <= payload_bytes(entropy.spec, frames)
    if len(coder.encode_payload(units, f0)) > payload_bytes(entropy.spec, frames):
        assert not np.array_equal(chosen, units)
        # Cheaper, but not at any price: closer to what was meant than the cheapest codes are.
        cheapest = choices(entropy, distances, f0)[0][:, -1]
        assert np.abs(chosen - values).mean() <= np.abs(cheapest - values).mean()


def test_a_packet_that_fits_is_left_alone(entropy: EntropyModel) -> None:
    values = np.full((4, 64), 4.2)
    chosen = RateLimit(entropy).apply(_distances(values), np.full(32, 10, np.int32))
    assert np.array_equal(chosen, np.full((4, 64), 4))


@pytest.mark.parametrize("bitrate", [150, 190, 240])
def test_a_minute_has_the_rate_that_is_asked_for(entropy: EntropyModel, bitrate: int) -> None:
    rng = np.random.default_rng(bitrate)
    target, f0 = RateTarget(entropy, bitrate), np.full(32, 10, np.int32)
    packets = []
    for number in range(24):
        # Louder and quieter stretches, which take more and less by themselves.
        values = 3.5 + rng.uniform(-1, 1, (4, 64)) * (4.0 if number % 5 else 1.0)
        packets.append(target.apply(_distances(values), f0))
    units = np.concatenate(packets, 1)
    codes = SpeechCodes(units, np.tile(f0, 24), np.zeros(1, np.int32), 24 * 40960, entropy.fingerprint)
    size = len(pack(codes, entropy))
    assert 8 * size / (24 * 2.56) == pytest.approx(bitrate, rel=0.03)
    assert target._spent / 8 == pytest.approx(size, rel=0.01)


def test_the_nearest_codes_where_more_is_asked_for_than_they_take(entropy: EntropyModel) -> None:
    values, f0 = np.random.default_rng(0).uniform(-0.5, 7.5, (4, 64)), np.full(32, 10, np.int32)
    for bitrate in (1e4, 1e307):
        assert np.array_equal(RateTarget(entropy, bitrate, False).apply(_distances(values), f0), np.rint(values))
    assert not np.array_equal(RateTarget(entropy, 200, False).apply(_distances(values), f0), np.rint(values))


@pytest.mark.parametrize(
    ("bitrate", "packets", "why"),
    [
        (50, 24, "header and cheapest codes of this speech take "),
        (1000, 24, "its nearest codes take no more, and no stream from 5 s on more than 365"),
        (200, 24, None),
        (200, 1, "it is met within a minute, and this is shorter"),
    ],
)
def test_a_rate_that_is_not_reached_is_told(entropy: EntropyModel, bitrate: int, packets: int, why: str | None) -> None:
    rng, f0 = np.random.default_rng(1), np.full(32, 10, np.int32)
    target = RateTarget(entropy, bitrate)
    units = np.concatenate([target.apply(_distances(3.5 + rng.uniform(-4, 4, (4, 64))), f0) for _ in range(packets)], 1)
    codes = SpeechCodes(units, np.tile(f0, packets), np.zeros(1, np.int32), packets * 40960, entropy.fingerprint)
    reached = 8 * len(pack(codes, entropy)) / (packets * 2.56)
    missed = target.missed(packets * 40960)
    if why is None:
        assert missed is None
        assert reached == pytest.approx(bitrate, rel=0.05)
    else:
        assert missed is not None
        found = re.fullmatch(rf"{bitrate} bit/s asked for, about (\d+) reached: {why}.*", missed)
        assert found is not None, missed
        assert int(found[1]) == pytest.approx(reached, rel=0.02)


NO_RATES = [
    0.0,
    -1.0,
    float("nan"),
    float("inf"),
    10**400,
    "250",
    b"250",
    True,
    np.True_,
    None,
    [250],
    250j,
    torch.zeros((), device="meta"),
]


@pytest.mark.parametrize("bitrate", NO_RATES, ids=lambda rate: f"{rate!r:.10}")
def test_what_is_no_rate(entropy: EntropyModel, bitrate: Any) -> None:
    with pytest.raises(ValueError, match=r"^bitrate is .{1,40}; it must be a number of bit/s above 0, 250 for instance$"):
        RateTarget(entropy, bitrate)


@pytest.mark.parametrize(
    "bitrate", [250, np.float32(250), np.uint8(250), np.array(250), Fraction(250), torch.tensor(250.0)], ids=repr
)
def test_a_rate_of_any_type_is_a_float(entropy: EntropyModel, bitrate: Any) -> None:
    target = RateTarget(entropy, bitrate)
    assert (type(target.bitrate), target.bitrate) == (float, 250.0)


def test_a_target_keeps_to_the_limit_and_goes_as_low_as_it_can(entropy: EntropyModel) -> None:
    values, f0 = np.random.default_rng(0).uniform(-0.5, 7.5, (4, 64)), np.full(32, 10, np.int32)
    coder = PacketCoder(entropy)
    sizes = {
        bitrate: len(coder.encode_payload(RateTarget(entropy, bitrate, limited).apply(_distances(values), f0), f0))
        for bitrate, limited in ((10_000, True), (9_999, False), (1, True))
    }
    assert sizes[10_000] <= payload_bytes(entropy.spec, 64) < sizes[9_999]
    found, _ = choices(entropy, _distances(values), f0, LADDER[:TARGET_RUNGS])
    least = min(len(coder.encode_payload(units, f0)) for units in found.swapaxes(0, 1))
    assert sizes[1] == least


def test_what_a_packet_leaves_over_the_next_ones_may_have(entropy: EntropyModel) -> None:
    rng, f0 = np.random.default_rng(5), np.full(32, 10, np.int32)
    limit, coder = RateLimit(entropy), PacketCoder(entropy)
    loud, quiet = rng.uniform(-0.5, 7.5, (4, 64)), np.full((4, 64), 4.2)
    sizes = [len(coder.encode_payload(limit.apply(_distances(values), f0), f0)) for values in (loud, quiet, loud, loud, loud)]
    shares = [payload_bytes(entropy.spec, 64, packet) for packet in range(5)]
    assert sizes[0] <= shares[0] < shares[2] < sizes[2] <= shares[2] + MOST_SAVED
    assert all(sum(sizes[:count]) <= sum(shares[:count]) for count in range(1, 6))


def test_packets_side_by_side_get_what_they_get_alone(entropy: EntropyModel) -> None:
    rng = np.random.default_rng(7)
    packets: list[tuple[Any, np.ndarray]] = [
        (Rungs(FSQ([8] * 4), None, latent.clone), rng.integers(9, 12, -(-latent.shape[2] // 2)).astype(np.int32))
        for latent in (torch.from_numpy(rng.normal(0, wide, (1, 4, n))) for wide, n in ((1, 64), (0.1, 64), (2, 64), (1, 9)))
    ]
    packets.insert(1, (_distances(rng.uniform(-0.5, 7.5, (4, 64))), packets[0][1]))
    together, alone = RateLimit(entropy), RateLimit(entropy)
    found = together.apply_each(packets)
    for units, packet in zip(found, packets, strict=True):
        assert np.array_equal(units, alone.apply(*packet))
    assert together.state == alone.state
    assert any(not np.array_equal(units, nearest(packet[0])) for units, packet in zip(found, packets, strict=True))


@pytest.mark.parametrize(
    "allowance", [[0], [-1, 2], [MOST_SAVED + 1, 2], [10**400, 2], [0, -1], ["x", 2], [float("nan"), 2], None]
)
def test_a_state_that_is_none_is_refused_at_once(entropy: EntropyModel, allowance: Any) -> None:
    for rate in (RateLimit(entropy), RateTarget(entropy, 200.0)):
        before = rate.state
        with pytest.raises((TypeError, ValueError)):
            rate.restore({**before, "allowance": allowance})
        rate.restore(before)
        assert rate.state == before


@pytest.mark.parametrize(
    "wrong",
    [{"sums": [1.0] * 4}, {"sums": [float("nan")] * 5}, {"recent": []}, {"recent": [[1.0], [2.0]]}, {"recent": [float("inf")]}],
)
def test_a_state_of_a_rate_that_was_asked_for(entropy: EntropyModel, wrong: dict[str, Any]) -> None:
    rate = RateTarget(entropy, 200.0)
    with pytest.raises(ValueError, match="five numbers"):
        rate.restore({**rate.state, **wrong})
    with pytest.raises(ValueError, match="asked for"):
        RateLimit(entropy).restore(rate.state)


def test_scalar_codes_get_coarser_as_far_as_they_must(entropy: EntropyModel) -> None:
    rungs, f0, rng = coarser((8, 8, 8, 8)), np.full(32, 10, np.int32), np.random.default_rng(5)
    coarse = [(lookup(rungs[-1], rng.integers(0, 8, (4, 256)).astype(np.int32)), np.full(128, 10, np.int32)) for _ in range(9)]
    # Of the coarsest codes it knows much, of others little.
    entropy = fit_tables([*coarse, (rng.integers(0, 8, (4, 256)).astype(np.int32), np.full(128, 10, np.int32))], entropy.spec)
    latent = torch.from_numpy(rng.normal(0, 1, (1, 4, 64)))
    candidates, units = Rungs(FSQ([8] * 4), None, lambda: latent), FSQ([8] * 4).encode(latent)[0].numpy()
    found, bits = choices(entropy, candidates, f0)
    assert np.array_equal(found.swapaxes(0, 1), np.stack([lookup(tables, units) for tables in rungs]))
    assert np.array_equal(nearest(candidates), units)
    costs = [sum(entropy.packet_cost(found[:, rung], f0).values()) for rung in range(len(rungs))]
    assert bits == pytest.approx(costs, abs=1e-3)
    fits = bits <= 8 * payload_bytes(entropy.spec, 64) - 3
    assert not fits[0]
    assert np.array_equal(RateLimit(entropy).apply(candidates, f0), found[:, fits.argmax()])
    assert np.array_equal(RateTarget(entropy, 1.0).apply(candidates, f0), found[:, bits.argmin()])
    assert np.array_equal(finest(entropy, candidates, f0, np.inf, 1)[0], found[:, 1])
    assert np.array_equal(finest(entropy, candidates, f0, -1.0, 1)[0], found[:, -1])


@pytest.mark.parametrize("sent", [False, True])
def test_float64_is_asked_only_of_a_rung_that_may_be_sent(entropy: EntropyModel, sent: bool) -> None:
    f0, quantizer = np.full(32, 10, np.int32), FSQ([8] * 4)
    latent = torch.from_numpy(np.random.default_rng(5).normal(0, 1, (1, 4, 64)))
    # One value on a border of the finest codes, which no coarser ones have; all others are in the middle of theirs.
    middle = torch.atanh((quantizer.encode(latent) + 0.5) / 4.0 - 1.0)
    middle[0, 0, 0] = float(np.arctanh(2.0 * 0.9995 / 7.999 - 1.0))
    asked: list[int] = []

    def exact() -> torch.Tensor:
        asked.append(1)
        return middle

    allowed = np.inf if sent else -1.0
    found, bits = finest(entropy, Rungs(quantizer, middle.float(), exact), f0, allowed)
    expected, cost = finest(entropy, Rungs(quantizer, None, lambda: middle), f0, allowed)
    assert np.array_equal(found, expected)
    assert bits == cost
    assert bool(asked) == sent
