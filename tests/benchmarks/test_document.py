"""Broken documents end in one line that names the file, the place and the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import document
from benchmarks.errors import BenchmarkError
from unitcodec.command import main

MADE = {"data": "talks", "date": "2026-01-01", "commit": None, "machine": "2 cores"}
ROW = {"utterance": "u0", "seconds": 1.0, "bits": 320, "words": [1, 2], "f0": {"frames": 3}, "sim": None}
SYSTEM = {"title": "unitcodec", "bps": 320.0, "bps_95": None, "wer_tiny": 0.5, "gaps": {}, "rows": [ROW]}
RESULTS = {
    "version": 1,
    "made": MADE,
    "corpus": "0123",
    "utterances": [{"name": "u0", "speaker": "", "seconds": 1.0, "transcript": "", "target": None}],
    "systems": {"unitcodec": SYSTEM, "gsm": {"title": "GSM", "gap": "not installed: sox"}},
}
CASE = {"name": "encode", "device": "cpu", "threads": 1, "times_real_time": 9.0, "per_yardstick": 2.5}
BITRATE: dict[str, Any] = {
    "version": 1,
    "made": MADE,
    "bits": {"u0": 320},
    "utterances": [{"name": "u0", "seconds": 1.0}],
    "seconds": 1.0,
    "bps": {"pooled": 320.0, "utterances": 0, "min": None, "median": None, "max": None},
    "streams_bps": {"units": 320.0},
    "entropy_coder": {"all": {"fixed_bps": 400.0, "coded_bps": 300.0}},
    "compressors": {"zlib": {"files_bps": 500.0, "corpus_bps": 450.0}},
    "by_duration": [{"seconds": 1.0, "bps": 320.0}],
    "rates": {"seconds": [2], "systems": [{"title": "GSM", "bits": [None], "gap": "no", "left_out": "all"}]},
}
USED = {"seconds": 1.0, "peak_rss_mib": 300}
SPEED = {
    "version": 1,
    "made": MADE,
    "cases": [CASE],
    "peers": [{"name": "gsm", "title": "GSM", "gap": "no"}],
    "cost": [{"duration": 10, "bps": 326.0, "encode": USED, "decode": USED}],
}

WHOLE: dict[str, dict[str, Any]] = {"results.json": RESULTS, "bitrate.json": BITRATE, "speed.json": SPEED}

BROKEN = [
    ("results.json", {}, (), "the document has no 'made'"),
    ("results.json", {"version": 2}, ("version",), "is of version 2"),
    ("results.json", {"systems": []}, ("systems",), "systems is not an object"),
    ("results.json", {"systems": {"a": 5}}, ("systems",), "systems.a is not an object"),
    ("results.json", {"systems": {"a": {}}}, ("systems",), "systems.a has no 'title'"),
    ("results.json", {"systems": {"a": {**SYSTEM, "rows": [{}]}}}, ("systems",), "systems.a.rows[0] has no 'utterance'"),
    ("results.json", {"systems": {"a": {**SYSTEM, "bps": "x"}}}, ("systems",), "systems.a.bps is not a number"),
    ("results.json", {"systems": {"a": {**SYSTEM, "bps": True}}}, ("systems",), "systems.a.bps is not a number"),
    ("results.json", {"systems": {"a": {**SYSTEM, "bps_95": [1]}}}, ("systems",), "systems.a.bps_95 is not a pair"),
    ("results.json", {"systems": {"a": {**SYSTEM, "wer_tiny": []}}}, ("systems",), "systems.a.wer_tiny is not a number"),
    (
        "results.json",
        {"systems": {"a": {**SYSTEM, "rows": [{**ROW, "dwords": 1}]}}},
        ("systems",),
        "rows[0].dwords is not a list",
    ),
    ("results.json", {"systems": {"a": {**SYSTEM, "rows": [{**ROW, "f0": {"x": 1}}]}}}, ("systems",), "f0.x is no count"),
    ("results.json", {"utterances": [{}]}, ("utterances",), "utterances[0] has no 'name'"),
    ("results.json", {"made": None}, ("made",), "made is not an object"),
    ("speed.json", {"cases": [{}]}, ("cases",), "cases[0] has no 'name'"),
    ("speed.json", {"cases": [{**CASE, "per_yardstick": 0}]}, ("cases",), "cases[0].per_yardstick is not above 0"),
    ("speed.json", {"cost": [{"duration": 1}]}, ("cost",), "cost[0] has no 'bps'"),
    ("bitrate.json", {}, (), "the document has no 'bits'"),
    (
        "bitrate.json",
        {"rates": {"seconds": [2, 10], "systems": BITRATE["rates"]["systems"]}},
        ("rates",),
        "not as long as seconds",
    ),
    ("bitrate.json", {"bits": {"u0": "x"}}, ("bits",), "bits.u0 is not a whole number"),
]


def broken(name: str, change: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A whole document of this name with some keys changed; without keys only the change."""
    return {**WHOLE[name], **change} if keys else change


@pytest.mark.parametrize(("name", "change", "keys", "complaint"), BROKEN)
def test_what_is_broken_is_named(
    tmp_path: Path, name: str, change: dict[str, Any], keys: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / name).write_text(json.dumps(broken(name, change, keys)))
    with pytest.raises(BenchmarkError) as error:
        document.read(tmp_path / name, *(keys or document.NEEDED[name]))
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert complaint in message
    assert f"write it again: unitcodec bench {'quality' if name == 'results.json' else name.removesuffix('.json')} " in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(("name", "change", "keys", "complaint"), BROKEN)
def test_no_command_ends_in_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, change: dict[str, Any], keys: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    (tmp_path / name).write_text(json.dumps(broken(name, change, keys)))
    for command in (["report", "--out", str(tmp_path)], ["compare", str(tmp_path), str(tmp_path)]):
        if command[0] == "report" or keys:
            assert main(["bench", *command]) == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert complaint in line


def test_whole_documents_are_taken(tmp_path: Path) -> None:
    for name, value in WHOLE.items():
        (tmp_path / name).write_text(json.dumps(value))
        assert document.read(tmp_path / name, *document.NEEDED[name]) == value
    assert main(["bench", "report", "--out", str(tmp_path)]) == 0
    shipped = Path(document.__file__).with_name("baseline.json")
    assert "unitcodec" in document.read(shipped, "quality", "bits", "ratios")["quality"]


def test_a_missing_file_is_told_with_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bitrate.json").write_text("{}")
    assert main(["bench", "report", "--out", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "results.json: is not there; 'unitcodec bench quality --data MANIFEST --out DIR' writes it" in line
