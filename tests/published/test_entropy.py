"""Entropy models of imported vocoders: units learned, F0 where it is known, and otherwise no opinion of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_reference import F0_CODES, UNITS

from bitstream import EntropyModel, EntropySpec
from unitcodec.formats.unit_files import UnitEntry, UnitsError
from unitcodec.model import Networks
from unitcodec.published import entropy
from unitcodec.training.recurrent_training import Settings

LIST = Path("list.jsonl")


def _entries(count: int, f0: bool, seed: int = 0) -> list[UnitEntry]:
    """Units that mostly hold or go on by one; F0 codes that mostly hold."""
    rng, entries = np.random.default_rng(seed), []
    for _ in range(count):
        frames = int(rng.integers(20, 300))
        units = np.cumsum(rng.choice([0, 0, 1, 5], frames)) % UNITS
        codes = np.cumsum(rng.choice([0, 0, 0, 1], -(-frames // 4))) % F0_CODES
        entries.append(UnitEntry(units[None].astype(np.int32), f0=codes.astype(np.int32) if f0 else None))
    return entries


def _fitted(networks: Networks, f0: bool, recurrent: Path | None = None) -> tuple[EntropyModel, list[entropy.Utterance]]:
    spec = entropy.describe(networks, "", f0, 1 if recurrent else 2)
    flat = entropy.flat_code(networks)
    learn = entropy.utterances(_entries(40, f0), spec, LIST, flat)
    coded = entropy.utterances(_entries(10, f0, 1), spec, LIST, flat)
    if recurrent is None:
        return entropy.fit(spec, learn, None if f0 else flat), coded
    settings = Settings.of(["hidden=16", "embedding=8", "epochs=2", "lanes=8", "rate=0.01"])
    return entropy.fit_recurrent(spec, learn, None if f0 else flat, recurrent, settings), coded


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("f0", [False, True])
def test_rates(networks: Networks, f0: bool, recurrent: bool, tmp_path: Path) -> None:
    model, coded = _fitted(networks, f0, tmp_path if recurrent else None)
    speaker = np.array([32, 4, 47, 0], np.int32)
    rates = entropy.measure(model, coded, speaker)
    assert rates.utterances == 10
    assert rates.seconds == pytest.approx(sum(units.shape[1] for units, _ in coded) / 50)
    assert rates.units < 50 * np.log2(UNITS) * (1.0 if recurrent else 0.95)
    f0_bits = sum(len(codes) for _, codes in coded) * np.log2(F0_CODES) / rates.seconds
    if f0:
        assert rates.f0 < f0_bits * (1.0 if recurrent else 0.8)
    else:
        assert rates.f0 == pytest.approx(f0_bits, rel=0.001)
    assert rates.files > rates.units + rates.f0


@pytest.mark.parametrize("recurrent", [False, True])
def test_f0_that_is_not_known_is_flat_at_the_most(networks: Networks, recurrent: bool, tmp_path: Path) -> None:
    model, coded = _fitted(networks, False, tmp_path if recurrent else None)
    from bitstream.entropy.batch import Batch
    from bitstream.entropy.spec import F0

    flat = entropy.flat_code(networks)
    batch = Batch.of_packets(model.spec, [(units[:, :8], f0[:2]) for units, f0 in coded[:1]])
    frequencies = model.lanes(batch).frequencies(F0, 0, 1)[0]
    assert frequencies.argmax() == flat
    assert frequencies.max() < 1.01 * frequencies.min()


def test_order_follows_the_size_of_the_tables(networks: Networks) -> None:
    def lags(alphabet: int, order: int) -> list[Any]:
        content = type("Content", (), {"vocabulary": (alphabet,), "stride": 2})()
        parts = type("Parts", (), {"content": content, "pitch": networks.pitch, "speaker": networks.speaker})()
        return [lag for _, lag in entropy.describe(parts, "", False, order).rows[0].context]

    assert lags(100, 2) == [1, 2]
    assert lags(100, 1) == [1]
    assert lags(1000, 2) == [1]
    assert lags(30000, 2) == []


def test_packets_are_as_long_as_those_of_packaged_models(networks: Networks) -> None:
    spec = entropy.describe(networks, "", False)
    assert (spec.unit_hop, spec.f0_hop, spec.packet_frames, spec.packet_f0_frames) == (320, 1280, 128, 32)


def _spec(networks: Networks) -> EntropySpec:
    return entropy.describe(networks, "", True)


@pytest.mark.parametrize(
    ("entry", "pattern"),
    [
        (UnitEntry(np.array([[3, UNITS]], np.int32)), r"list\.jsonl: utterance 2 holds unit 12"),
        (UnitEntry(np.zeros((2, 4), np.int32)), "utterance 2 holds 2 rows"),
        (UnitEntry(np.zeros((1, 4), np.int32), f0=np.array([F0_CODES], np.int32)), "F0 codes"),
        (UnitEntry(np.zeros((1, 4), np.int32), f0=np.array([0, 0], np.int32)), "one for each 80 ms"),
        (UnitEntry(np.zeros((1, 4), np.int32), f0=np.zeros(0, np.int32)), "one for each 80 ms"),
        (UnitEntry(np.zeros((1, 4), np.int32), frame_rate=100.0), "100 Hz"),
    ],
)
def test_lists_of_other_units(networks: Networks, entry: UnitEntry, pattern: str) -> None:
    with pytest.raises(UnitsError, match=pattern):
        entropy.utterances([UnitEntry(np.zeros((1, 1), np.int32)), entry], _spec(networks), LIST)


def test_runs_are_counted_frame_by_frame(networks: Networks) -> None:
    entry = UnitEntry(np.array([[5, 2]], np.int32), durations=np.array([3, 2], np.int32))
    ((units, f0),) = entropy.utterances([entry], _spec(networks), LIST, 4)
    assert units.tolist() == [[5, 5, 5, 2, 2]]
    assert f0.tolist() == [4, 4]
    assert entropy.utterances([replace(entry, f0=np.array([1, 2], np.int32))], _spec(networks), LIST)[0][1].tolist() == [1, 2]
