"""Unit files: entries written are entries read, runs and their durations, and files from anywhere."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import SpeechCodes
from unitcodec.formats.arrays import write_npz
from unitcodec.formats.unit_files import (
    MAX_FRAMES,
    UnitEntry,
    UnitsError,
    dedup,
    expand,
    from_json,
    from_npz,
    read_units,
    scan,
    to_json,
    to_npz,
)

CODES = SpeechCodes([[3, 3, 4], [0, 1, 1]], [7, 7], [31, 2, 46], 1900, "79ef12ab")
ENTRY = UnitEntry.of(CODES, 25.0, "in/talk.wav")


def same(first: UnitEntry, second: UnitEntry) -> bool:
    return to_json(first) == to_json(second) and first.units.dtype == second.units.dtype == np.int32


# --- runs


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=40))
def test_runs_are_expanded_to_what_they_were(columns: list[tuple[int, int]]) -> None:
    units = np.array(columns, np.int32).reshape(-1, 2).T
    runs, durations = dedup(units)
    assert durations.sum() == units.shape[1]
    assert (runs[:, 1:] != runs[:, :-1]).any(0).all()
    assert (durations >= 1).all()
    assert np.array_equal(expand(runs, durations), units)


def test_a_run_is_one_of_equal_columns() -> None:
    runs, durations = dedup(np.array([[5, 5, 5, 2], [1, 1, 0, 0]], np.int32))
    assert runs.tolist() == [[5, 5, 2], [1, 0, 0]]
    assert durations.tolist() == [2, 1, 1]


@pytest.mark.parametrize("durations", [[1], [1, 2, 3], [1, 0], [-1, 3], [1, MAX_FRAMES], [2**31 - 1, 2**31 - 1]])
def test_durations_that_are_none(durations: list[int]) -> None:
    with pytest.raises(UnitsError, match="duration"):
        expand(np.zeros((1, 2), np.int32), np.array(durations, np.int32))


# --- entries


def test_an_entry_as_a_line() -> None:
    assert json.loads(to_json(ENTRY)) == {
        "audio": "in/talk.wav",
        "units": [[3, 3, 4], [0, 1, 1]],
        "f0": [7, 7],
        "speaker": [31, 2, 46],
        "num_samples": 1900,
        "model": "79ef12ab",
        "frame_rate": 25.0,
    }
    assert same(from_json(to_json(ENTRY)), ENTRY)
    collapsed = ENTRY.collapsed()
    assert json.loads(to_json(collapsed))["durations"] == [1, 1, 1]
    assert np.array_equal(collapsed.frames(), CODES.units)


def test_a_single_row_is_a_plain_list() -> None:
    entry = UnitEntry(np.array([[4, 4, 9]], np.int32))
    assert to_json(entry) == '{"units": [4, 4, 9]}'
    assert to_json(entry.collapsed()) == '{"units": [4, 9], "durations": [2, 1]}'
    for text in ('{"units": [4, 4, 9]}', '{"units": [[4, 4, 9]], "text": "ignored", "f0": null}'):
        assert same(from_json(text), entry)


def test_collapsing_twice_changes_nothing() -> None:
    entry = UnitEntry(np.array([[4, 4, 9]], np.int32)).collapsed()
    assert same(entry.collapsed(), entry)


def test_names_that_are_no_valid_text() -> None:
    entry = UnitEntry(CODES.units, audio="a\udcffb\n.wav")
    line = to_json(entry)
    assert line.isascii()
    assert "\n" not in line
    assert from_json(line).audio == entry.audio
    assert read_units(to_npz([entry]))[0].audio == entry.audio


BAD = [
    ("", "not a JSON object"),
    ("[1, 2]", "not a JSON object"),
    (b'{"units": [1], "audio": "\xff"}', "not a JSON object"),
    ('{"units": ' + "[" * 100000 + "]" * 100000 + "}", "not a JSON object"),
    ('{"units": [' + "1" * 5000 + "]}", "not a JSON object"),
    ("{}", "holds no units"),
    ('{"units": null}', "holds no units"),
    ('{"units": 3}', "units must be a list of integers, not 3"),
    ('{"units": "3 x"}', "units must be a list of integers, not '3 x'"),
    ("{'units': [1.5]}", "it holds 1.5"),
    ('{"units": {"0": 1}}', "units must be a list of integers, not dict"),
    ('{"units": []}', "holds no units"),
    ('{"units": [[], []]}', "holds no units"),
    ('{"units": [1, 2.5]}', "it holds 2.5"),
    ('{"units": [1, 2.0]}', "it holds 2.0"),
    ('{"units": [1, true]}', "it holds True"),
    ('{"units": [1, null]}', "it holds NoneType"),
    ('{"units": [1, [2]]}', "it holds list"),
    ('{"units": [[1], 2]}', "units must be a list of integers, not 2"),
    ('{"units": [[1], [2, 3]]}', "not a rectangular array"),
    ('{"units": [[[1]]]}', "it holds list"),
    ('{"units": [-1]}', "units holds -1; codes lie in 0 .. 2**31 - 1"),
    ('{"units": [2147483648]}', "units holds 2147483648;"),
    ('{"units": [1267650600228229401496703205376]}', "must hold integers"),
    ('{"units": [1], "f0": "x"}', "f0 must be a list of integers, not 'x'"),
    ('{"units": [1], "f0": [[1]]}', "f0 must be a list of integers; it holds list"),
    ('{"units": [1], "speaker": [0.5]}', "speaker must be a list of integers; it holds 0.5"),
    ('{"units": [1], "durations": [0]}', "a duration of 0 frames"),
    ('{"units": [1], "durations": [1, 1]}', "2 durations for 1 units"),
    ('{"units": [1], "durations": [2147483647]}', "durations of 2147483647 frames together"),
    ('{"units": [1], "num_samples": 0}', "num_samples must be an integer"),
    ('{"units": [1], "num_samples": "9"}', "num_samples must be an integer"),
    ('{"units": [1], "num_samples": 1.0}', "num_samples must be an integer"),
    ('{"units": [1], "num_samples": true}', "num_samples must be an integer"),
    ('{"units": [1], "num_samples": 281474976710656}', "num_samples must be an integer"),
    ('{"units": [1], "frame_rate": 0}', "frame_rate must be a number"),
    ('{"units": [1], "frame_rate": NaN}', "frame_rate must be a number"),
    ('{"units": [1], "frame_rate": "25"}', "frame_rate must be a number"),
    ('{"units": [1], "model": 5}', "model must be text, not 5"),
    ('{"units": [1], "audio": ["x"]}', "audio must be text, not list"),
    ('{"units": ["' + "x" * 1000 + '"]}', "it holds 'xxxxx"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_lines_that_are_no_entries(text: str | bytes, message: str) -> None:
    with pytest.raises(UnitsError) as caught:
        from_json(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


# --- files


def test_files(tmp_path: Path) -> None:
    entries = [ENTRY, UnitEntry.of(SpeechCodes([[1], [2]], [5], [0, 0, 0], 5, "79ef12ab"), 25.0, "b")]
    text = "\n" + to_json(entries[0]) + "\r\n\n" + to_json(entries[1])
    (tmp_path / "u.jsonl").write_text(text)
    (tmp_path / "u.npz").write_bytes(to_npz(entries))
    for source in (tmp_path / "u.jsonl", str(tmp_path / "u.jsonl"), text.encode(), tmp_path / "u.npz", to_npz(entries)):
        read = read_units(source)
        assert len(read) == 2
        assert all(map(same, read, entries))
    assert [place for place, _ in scan(tmp_path / "u.jsonl")] == ["line 2", "line 4"]
    assert [place for place, _ in scan(tmp_path / "u.npz")] == ["entry 1", "entry 2"]


def test_a_bad_line_does_not_hide_the_others() -> None:
    lines = [to_json(ENTRY), '{"units": [1.5]}', "rubbish", to_json(ENTRY)]
    found = dict(scan("\n".join(lines).encode()))
    assert [isinstance(entry, UnitEntry) for entry in found.values()] == [True, False, False, True]
    assert str(found["line 3"]).startswith("no JSON object, no 'name|1 2 3', and no names of columns")
    with pytest.raises(UnitsError, match=r"^line 2: units must be a list of integers; it holds 1\.5$"):
        read_units("\n".join(lines).encode())


def test_a_file_of_another_kind_is_one_line() -> None:
    with pytest.raises(UnitsError, match=r"line 1: no JSON object, no 'name|1 2 3'"):
        list(scan(b"RIFF\n" * 1000))
    assert read_units(b"") == []


@pytest.mark.parametrize("make", [to_npz, lambda entries: to_json(entries[0]).encode()], ids=["npz", "jsonl"])
def test_gzipped(tmp_path: Path, make: Any) -> None:
    data = gzip.compress(make([ENTRY]))
    (tmp_path / "u").write_bytes(data)
    for source in (data, tmp_path / "u"):
        assert same(read_units(source)[0], ENTRY)
    with pytest.raises(UnitsError, match="a damaged gzip file"):
        read_units(data[:-9])


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("fields", [("f0", "speaker", "num_samples", "model", "frame_rate", "audio"), ("f0",), ()])
def test_archives(fields: tuple[str, ...], collapsed: bool) -> None:
    entries = [UnitEntry(units, **{name: getattr(ENTRY, name) for name in fields}) for units in (CODES.units, CODES.units[:, :1])]
    entries = [entry.collapsed() for entry in entries] if collapsed else entries
    read = [entry for _, entry in from_npz(to_npz(entries))]
    assert all(isinstance(entry, UnitEntry) for entry in read)
    assert all(map(same, read, entries))  # type: ignore[arg-type]
    assert to_npz(read) == to_npz(entries)  # type: ignore[arg-type]


def test_archives_of_unlike_entries_are_not_made() -> None:
    with pytest.raises(ValueError, match="some entries have audio and others have none"):
        to_npz([ENTRY, UnitEntry(CODES.units)])


def _changed(**arrays: Any) -> bytes:
    parts = dict(np.load(io.BytesIO(to_npz([ENTRY, ENTRY]))))
    return write_npz({name: np.asarray(value) for name, value in {**parts, **arrays}.items() if value is not None})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"columns": None}, "no array 'columns'"),
        ({"units": None}, "no array 'units'"),
        ({"f0_frames": None}, "no array 'f0_frames'"),
        ({"columns": [3, 4]}, "units has the shape"),
        ({"columns": [2**62, 2**62, 2**62, 2**62 + 6]}, "units has the shape"),
        ({"columns": [-1, 7]}, "the shares of units"),
        ({"columns": [3.0, 3.0]}, "columns must be a list of integers"),
        ({"columns": 6}, "columns must be a list of integers"),
        ({"columns": [6]}, "the shares of f0|has the shape .* for 1 entries"),
        ({"durations": [1, 1, 1]}, "durations has the shape"),
        ({"speaker": [[1, 2, 3]]}, r"speaker has the shape \(1, 3\) for 2 entries"),
        ({"model": "79ef12ab"}, r"model has the shape \(\) for 2 entries"),
    ],
)
def test_archives_whose_arrays_do_not_fit(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UnitsError, match=f"^not a unit file: .*({message})") as caught:
        read_units(_changed(**arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"units": np.full((2, 6), -1)}, "entry 1: units holds -1;"),
        ({"units": np.full((2, 6), 0.5)}, "entry 1: units must hold integers"),
        ({"units": np.zeros((2, 2, 6), int)}, "entry 1: units must have 2 axes"),
        ({"f0": np.zeros(4)}, "entry 1: f0 must hold integers"),
        ({"num_samples": [5.0, 5.0]}, "entry 1: num_samples must be an integer"),
        ({"num_samples": [5, 0]}, "entry 2: num_samples must be an integer"),
        ({"durations": [1, 1, 1, 1, 0, 1]}, "entry 2: a duration of 0"),
        ({"model": [1, 2]}, "entry 1: model must be text"),
        ({"frame_rate": [25.0, -25.0]}, "entry 2: frame_rate"),
        ({"columns": [6, 0]}, "entry 2: holds no units"),
    ],
)
def test_archives_with_a_bad_entry(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UnitsError, match=f"^{message}"):
        read_units(_changed(**arrays))


@pytest.mark.parametrize("make", [to_npz, lambda entries: "\n".join(map(to_json, entries)).encode()], ids=["npz", "jsonl"])
def test_damage_is_refused_or_harmless(make: Any) -> None:
    data, rng = make([ENTRY, ENTRY.collapsed(), ENTRY][::2]), np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            list(scan(bytes(damaged)))
        except UnitsError:
            refused += 1
    assert refused > 10
    for size in range(0, len(data), 7):
        with contextlib.suppress(UnitsError):
            list(scan(data[:size]))


def test_archives_of_other_things() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", b"\x80\x04.")
    for data in (stream.getvalue(), stream.getvalue()[:30], b"PK\x03\x04"):
        with pytest.raises(UnitsError, match="not a unit file"):
            read_units(data)
