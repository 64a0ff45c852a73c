"""Lists of units: published data files, unit files of ours, gzipped or not, and one line about anything else."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from unitcodec.formats.unit_files import UnitEntry, UnitsError, to_json, to_npz
from unitcodec.formats.unit_lists import read_list

PUBLISHED = "{'audio': '/corpus/p1_0.wav', 'hubert': '71 71 12', 'duration': 0.06}\n{'duration': 0.02, 'cpc_km100': '5'}\n"


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_published_lists(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"units{suffix}"
    path.write_bytes(gzip.compress(PUBLISHED.encode()) if suffix.endswith(".gz") else PUBLISHED.encode())
    first, second = read_list(path)
    assert first.units.tolist() == [[71, 71, 12]]
    assert (first.audio, first.f0, second.audio) == ("/corpus/p1_0.wav", None, None)
    assert second.units.tolist() == [[5]]
    assert first.units.dtype == np.int32


@pytest.mark.parametrize(
    "text",
    [
        PUBLISHED.replace("'", '"'),
        "\ufeff\n" + PUBLISHED.replace("\n", "\r\n\r\n"),
        "{'speaker': '10', 'hubert': '71 71 12'}\n{'speaker': '11', 'hubert': '5'}",
        "a|71 71 12\nb|5\n",
        "id\tsrc_audio\tsrc_n_frames\ttgt_audio\ttgt_n_frames\n1\ta.wav\t6\t71 71 12\t3\n\n2\tb.wav\t2\t5\t1\n",
    ],
    ids=["double quotes", "BOM and blank lines", "speaker first", "name|units", "fairseq TSV"],
)
def test_the_same_written_otherwise(tmp_path: Path, text: str) -> None:
    (tmp_path / "units").write_text(text, encoding="utf-8", newline="")
    assert [entry.units.tolist() for entry in read_list(tmp_path / "units")] == [[[71, 71, 12]], [[5]]]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".npz"])
def test_unit_files(tmp_path: Path, suffix: str) -> None:
    entry = UnitEntry(np.array([[3, 3, 4]], np.int32), f0=np.array([7], np.int32), model="79ef12ab", frame_rate=50.0)
    data = to_npz([entry, entry]) if suffix == ".npz" else f"{to_json(entry)}\n{to_json(entry)}\n".encode()
    path = tmp_path / f"units{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    read = read_list(path)
    assert len(read) == 2
    assert read[1].units.tolist() == [[3, 3, 4]]
    assert read[1].f0 is not None
    assert (read[1].f0.tolist(), read[1].frame_rate) == ([7], 50.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a literal\n",
        "3\n",
        "{'audio': 'a.wav'}\n",
        "{'audio': 'a', 'hubert': '1 x 3'}\n",
        "{'hubert': '99999999999'}\n",
        "(" * 5000 + "\n",
        '{"units": [1, -1]}\n',
        '{"units": "1 x"}\n',
        '{"audio": "a.wav"}\n',
        "\ud800",
    ],
)
def test_files_that_hold_no_units(tmp_path: Path, text: str) -> None:
    (tmp_path / "units.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UnitsError, match=r"units\.txt") as caught:
        read_list(tmp_path / "units.txt")
    assert "\n" not in str(caught.value)


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(UnitsError, match=r"absent\.txt: No such file"):
        read_list(tmp_path / "absent.txt")


def test_real_units(shared: Path) -> None:
    """The streams that the README's figures come from."""
    units = [entry.units[0] for entry in read_list(shared / "units" / "LJSpeech_hubert100_test.txt.gz")]
    assert sum(map(len, units)) == 217549
    assert max(int(each.max()) for each in units) == 99


def test_a_damaged_archive(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(PUBLISHED.encode() * 100))
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (tmp_path / "bad.txt.gz").write_bytes(data)
    with pytest.raises(UnitsError, match=r"bad\.txt\.gz"):
        read_list(tmp_path / "bad.txt.gz")


def test_more_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive can unpack to anything."""
    monkeypatch.setattr("unitcodec.formats.unit_files.MAX_BYTES", 1000)
    (tmp_path / "large.txt.gz").write_bytes(gzip.compress(PUBLISHED.encode() * 100))
    with pytest.raises(UnitsError, match=r"large\.txt\.gz: holds more than 1000 bytes"):
        read_list(tmp_path / "large.txt.gz")
