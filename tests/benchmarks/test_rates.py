"""Bits of a few durations, for codecs that know them beforehand and for such that must run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import PEERS, Coded, Peer
from benchmarks.rates import DURATIONS, compared
from benchmarks.report import tables
from benchmarks.waveform import SAMPLE_RATE, FloatArray

SPEECH = np.zeros(11 * SAMPLE_RATE, np.float32)


def _half(waveform: FloatArray) -> Coded:
    return Coded(waveform, len(waveform) // 2)


def _fails(waveform: FloatArray) -> Coded:
    raise RuntimeError("half exits 1: no | reason")


PLAYED = {
    "fixed": Peer("fixed", _fails, counted="frames", left_out="header", bits=lambda samples: samples // 4),
    "runs": Peer("runs", _half, counted="the whole file", left_out="nothing"),
    "absent": Peer("absent", _fails, lambda: "not installed: half", left_out="nothing"),
    "fails": Peer("fails", _fails, left_out="nothing"),
}


def test_what_is_known_is_not_run_and_what_is_not_reached_stays_open() -> None:
    found = compared({2: 1000, 10: 3500}, SPEECH, PLAYED)
    assert found["seconds"] == [2, 10, 60]
    rows = {row["name"]: row for row in found["systems"]}
    assert {name: row["bits"] for name, row in rows.items()} == {
        "unitcodec": [1000, 3500, None],
        "fixed": [8000, 40000, 240000],
        "runs": [16000, 80000, None],
        "absent": [None] * 3,
        "fails": [None] * 3,
    }
    assert rows["absent"]["gap"] == "not installed: half"
    assert rows["fails"]["gap"] == "half exits 1: no | reason"
    assert rows["fixed"]["left_out"] == "header"


def test_the_table_has_bits_and_rates_and_what_is_left_out() -> None:
    *lines, empty, why = tables.compared(compared({2: 1000}, SPEECH, PLAYED)).splitlines()
    assert empty == ""
    assert why.startswith("No figure under 10 s and 60 s: the recordings are shorter")
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0] == "| system | 2 s: bits (bit/s) ↓ | 10 s: bits (bit/s) ↓ | 60 s: bits (bit/s) ↓ | counted | left out |"
    assert lines[2] == "| unitcodec | 1000 (500) | - | - | the whole file | nothing |"
    assert lines[3] == "| fixed | 8000 (4000) | 40000 (4000) | 240000 (4000) | frames | header |"
    assert lines[5] == "| absent | - | - | - | gap: not installed: half | nothing |"


def test_every_peer_of_a_fixed_rate_is_counted_without_running(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = {name: peer for name, peer in PEERS.items() if peer.bits}
    assert {name for name in PEERS if name not in fixed} == {"opus-6k", "opus-12k"}
    monkeypatch.setenv("PATH", "")
    rows = compared({}, SPEECH, fixed)["systems"][1:]
    assert all(None not in row["bits"] for row in rows)
    # Whole seconds hold whole frames of Lyra: 50 a second.
    assert next(row["bits"] for row in rows if row["name"] == "lyra-3.2k") == [3200 * each for each in DURATIONS]
    # 700C has 25 frames of 28 bits a second, and one more for the delay.
    assert next(row["bits"] for row in rows if row["name"] == "codec2-700c") == [28 * (25 * each + 1) for each in DURATIONS]


def test_opus_costs_its_file(speech_seconds: FloatArray) -> None:
    if gap := PEERS["opus-6k"].gap():
        pytest.skip(gap)
    row = compared({}, speech_seconds, {"opus-6k": PEERS["opus-6k"]})["systems"][1]
    assert row["bits"] == [PEERS["opus-6k"].code(speech_seconds).bits, None, None]
    assert row["bits"][0] > 2 * 6000


@pytest.fixture
def speech_seconds() -> FloatArray:
    """2 s of a gliding tone."""
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * (200 + 50 * t) * t)).astype(np.float32)
