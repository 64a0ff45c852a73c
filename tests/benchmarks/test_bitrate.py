"""Counts against the streams themselves, with a model of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bitstream
from benchmarks import bitrate
from benchmarks.errors import BenchmarkError
from benchmarks.peers import PEERS
from benchmarks.report import tables
from benchmarks.waveform import SAMPLE_RATE, read, write
from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def recordings(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """6 s, 2 s and a length that fits no frame."""
    folder, waveform = tmp_path_factory.mktemp("recordings"), read(speech)
    cuts = {"long": (0, 6 * SAMPLE_RATE), "short": (8000, 8000 + 2 * SAMPLE_RATE), "odd": (0, 9001)}
    for name, (start, stop) in cuts.items():
        write(folder / f"{name}.wav", waveform[start:stop])
    return [folder / f"{name}.wav" for name in cuts]


@pytest.fixture(scope="module")
def measured(recordings: list[Path], narrow_folder: Path) -> dict[str, Any]:
    return bitrate.measure(recordings, [path.stem for path in recordings], str(narrow_folder))


@pytest.fixture(scope="module")
def streams(recordings: list[Path], narrow: Codec) -> dict[str, bytes]:
    return {path.stem: narrow.compress(read(path), 16000) for path in recordings}


def test_bits_are_those_of_the_files(measured: dict[str, Any], streams: dict[str, bytes]) -> None:
    assert measured["bits"] == {name: 8 * len(data) for name, data in streams.items()}
    seconds = 8 + 9001 / SAMPLE_RATE
    assert measured["seconds"] == pytest.approx(seconds)
    assert measured["bps"]["pooled"] == pytest.approx(sum(measured["bits"].values()) / seconds)
    # One utterance alone is of 5 s or more.
    only = measured["bits"]["long"] / 6
    assert measured["bps"] == pytest.approx({**measured["bps"], "utterances": 1, "min": only, "median": only, "max": only})


def test_parts_are_the_whole(measured: dict[str, Any]) -> None:
    assert sum(measured["streams_bps"].values()) == pytest.approx(measured["bps"]["pooled"])
    for row in measured["utterances"]:
        assert sum(row["streams"].values()) == pytest.approx(8 * row["bytes"])


def test_what_the_range_coder_wrote_is_the_file_without_its_framing(
    measured: dict[str, Any], streams: dict[str, bytes], narrow: Codec
) -> None:
    facts = [bitstream.inspect(data, narrow.model.entropy) for data in streams.values()]
    # The last packet of each is short and says so in 3 bytes more.
    framing = sum(8 * info.header_size + 24 * (len(info.packets) + 1) for info in facts)
    coder = measured["entropy_coder"]["all"]
    assert coder["coded_bps"] * measured["seconds"] == pytest.approx(sum(measured["bits"].values()) - framing)
    assert coder["coded_bps"] > coder["ideal_bps"]
    rows = [figures for title, figures in measured["entropy_coder"].items() if title != "all"]
    assert coder["ideal_bps"] == pytest.approx(sum(row["ideal_bps"] for row in rows))
    assert coder["ideal_bps"] == pytest.approx(measured["streams_bps"]["units"] + measured["streams_bps"]["f0"])


def test_fixed_length_codes_are_whole_bits_a_symbol(recordings: list[Path], narrow: Codec, measured: dict[str, Any]) -> None:
    codes = [narrow.encode(read(path), 16000) for path in recordings]
    # Rows of 7, 5, 4 and 3 values and an F0 codebook of 12.
    bits = sum((3 + 3 + 2 + 2) * one.units.shape[1] + 4 * len(one.f0) for one in codes)
    assert measured["entropy_coder"]["all"]["fixed_bps"] * measured["seconds"] == pytest.approx(bits)


def test_packets(measured: dict[str, Any], streams: dict[str, bytes], narrow: Codec) -> None:
    rows = {row["name"]: row for row in measured["utterances"]}
    for name, data in streams.items():
        header = bitstream.inspect(data, narrow.model.entropy).header_size
        assert sum(rows[name]["packets"]) == 8 * (len(data) - header)
    # Full packets are of 2.56 s: two in 6 s, none in the others.
    full = rows["long"]["packets"][:2]
    assert measured["packet_bits"] == {"mean": sum(full) / 2, "max": max(full)}


def test_all_at_once_compresses_no_worse_than_alone(measured: dict[str, Any]) -> None:
    assert set(measured["compressors"]) == {"zlib", "bz2", "lzma"}
    for figures in measured["compressors"].values():
        assert 0 < figures["corpus_bps"] <= figures["files_bps"]


def test_the_fixed_cost_fades_with_duration(measured: dict[str, Any], recordings: list[Path], narrow: Codec) -> None:
    rows = measured["by_duration"]
    assert [row["seconds"] for row in rows] == [1, 2, 5]
    assert rows[2]["bytes"] == len(narrow.compress(read(recordings[0])[: 5 * SAMPLE_RATE], 16000))
    shares = [(row["streams"]["framing"] + row["streams"]["speaker"]) / row["seconds"] for row in rows]
    assert shares == sorted(shares, reverse=True)


def test_the_rates_beside_others_are_those_of_the_files(measured: dict[str, Any], recordings: list[Path], narrow: Codec) -> None:
    own, *others = measured["rates"]["systems"]
    joined = read(recordings[0])[: 2 * SAMPLE_RATE]
    # 8.6 s in all.
    assert own["bits"] == [8 * len(narrow.compress(joined, 16000)), None, None]
    assert [row["name"] for row in others] == list(PEERS)
    table = tables.bitrate(measured)
    assert f"| unitcodec | {own['bits'][0]} ({own['bits'][0] / 2:.0f}) | - | - | the whole file | nothing |" in table
    assert table.count("\n\n") == 3
    assert "\n\nNo figure under 10 s and 60 s: the recordings are shorter, all together;" in table
    assert table.endswith("\n\n↓ lower is better.")


def test_two_processes_count_the_same(measured: dict[str, Any], recordings: list[Path], narrow_folder: Path) -> None:
    again = bitrate.measure(recordings, [path.stem for path in recordings], str(narrow_folder), jobs=2)
    assert json.dumps(again) == json.dumps(measured)


def test_nothing_to_count(tmp_path: Path, narrow_folder: Path) -> None:
    with pytest.raises(BenchmarkError, match="no speech"):
        bitrate.measure([], [], str(narrow_folder))


def test_a_duration_that_is_reached_needs_no_word() -> None:
    row = {"title": "mine", "counted": "the whole file", "left_out": "nothing"}
    whole = {"seconds": [2, 10], "systems": [{**row, "bits": [600, 3000]}, {**row, "bits": [None, None], "gap": "not installed"}]}
    assert "shorter" not in tables.compared(whole)
    whole["systems"][0]["bits"] = [600, None]
    assert tables.compared(whole).splitlines()[-1].startswith("No figure under 10 s: the recordings are shorter")


def test_a_recording_that_cannot_be_coded_is_named(recordings: list[Path], tmp_path: Path, narrow_folder: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    samples = read(recordings[0])
    samples[SAMPLE_RATE] = float("nan")
    soundfile.write(tmp_path / "bad.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(BenchmarkError, match=r"bad\.wav: NaN or infinite at 1\.000 s"):
        bitrate.measure([recordings[1], tmp_path / "bad.wav"], ["a", "bad"], str(narrow_folder))
