"""``unitcodec info``: as a table, as JSON, as a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from invocation import Batch, run


def test_info_as_json(stream: bytes, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, damaged = batch.folder / "uc" / "speech.uc", tmp_path / "damaged.uc"
    damaged.write_bytes(stream[:-1] + bytes([stream[-1] ^ 1]))
    status, out, lines = run(capsys, "info", "--json", sound, damaged, tmp_path / "none.uc")
    assert (status, lines) == (1, [])
    good, bad, missing = json.loads(out)
    assert list(good) == list(bad) == list(missing)
    assert good["file"] == str(sound)
    assert good["error"] is None
    assert good["size"] == len(stream)
    assert good["model_name"] == "default"
    assert good["num_samples"] == batch.lengths["speech"]
    assert good["bit_rate"] == pytest.approx(8 * len(stream) / good["duration"])
    assert sum(good["bits"].values()) == pytest.approx(8 * len(stream), abs=0.1)
    assert bad["damaged_packets"] == [bad["packets"] - 1]
    assert "is damaged" in bad["error"]
    assert missing["error"] == "No such file or directory"
    assert missing["size"] is None


def test_info_as_table(batch: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, lines = run(capsys, "info", batch.folder / "uc" / "speech.uc", batch.folder / "uc" / "one_sample.uc")
    assert (status, lines) == (0, [])
    assert out.count("Bit rate:") == 2
    assert f"= {batch.lengths['speech']} samples at 16000 Hz" in out
    assert "(default)" in out


def test_info_of_folders(batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "info", batch.folder / "uc", "--json")
    assert status == 0
    assert [one["file"] for one in json.loads(out)] == [str(path) for path in _walked(batch.folder / "uc")]
    assert run(capsys, "info", tmp_path) == (2, "", [f"unitcodec: {tmp_path}: holds no files of the kinds .uc"])
    (tmp_path / "a.uc").write_bytes(b"no")
    (tmp_path / "b.uc").write_bytes((batch.folder / "uc" / "ten_ms.uc").read_bytes()[:-1])
    status, _, lines = run(capsys, "info", tmp_path, batch.folder / "uc")
    assert status == 1
    assert (
        lines[-1]
        == f"unitcodec: 2 of {2 + len(_walked(batch.folder / 'uc'))} damaged or unreadable: {tmp_path}/a.uc, {tmp_path}/b.uc"
    )


def _walked(folder: Path) -> list[Path]:
    """A folder's own files first, then those of the folders in it."""
    return sorted(folder.rglob("*.uc"), key=lambda path: (len(path.parts), path))


def test_info_of_version_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parents[1] / "golden"
    known, unknown = golden / "v1" / "stream.uc", golden / "v2" / "short_end.uc"
    status, out, _ = run(capsys, "info", "--json", known, unknown)
    assert status == 0
    first, second = json.loads(out)
    assert (first["version"], first["num_samples"], first["complete"]) == (1, 17285, True)
    # Without its model, a stream of version 2 does not tell how long it is.
    assert (second["version"], second["num_samples"], second["duration"], second["bit_rate"]) == (2, None, None, None)
    status, out, _ = run(capsys, "info", unknown)
    assert "Duration:  unknown without the model" in out


def test_plot(batch: Batch, stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    pytest.importorskip("matplotlib")
    source, out = batch.folder / "uc" / "speech.uc", tmp_path / "bits.png"
    assert run(capsys, "info", source, "--plot", out)[0] == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    status, _, lines = run(capsys, "info", source, "--plot", out)
    assert (status, lines) == (2, [f"unitcodec: {out}: exists already; --overwrite replaces it"])
    assert run(capsys, "info", source, source, "--plot", tmp_path / "two.png")[0] == 2
    status, _, lines = run(capsys, "info", source, "--plot", tmp_path / "bits.doc")
    assert (status, lines) == (1, ["unitcodec: matplotlib writes no files of the kind '.doc'"])
    damaged = tmp_path / "damaged.uc"
    damaged.write_bytes(stream[:60] + bytes([stream[60] ^ 1]) + stream[61:])
    assert run(capsys, "info", damaged, "--plot", tmp_path / "damaged.svg")[0] == 1
    assert (tmp_path / "damaged.svg").exists()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, _, lines = run(capsys, "info", source, "--plot", tmp_path / "more.png")
    assert (status, lines) == (1, ["unitcodec: plots need matplotlib: pip install matplotlib"])
