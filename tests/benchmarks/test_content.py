"""The comparison of content encoders, on a few utterances and with a model that knows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed (the extra eval)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (the extra eval)")

from benchmarks import content
from benchmarks.files import read_json


def test_a_model_is_measured_and_heard(
    shared: Path, narrow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SPEAKERS": 2, "EACH": 3, "TESTED": 1, "STRETCH": 1.0}.items():
        monkeypatch.setattr(content, name, value)
    dev = shared / "data" / "dev"
    lines = (dev / "manifest.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in [lines[0], *lines[1:40:13]]]
    at = rows[0].index("path")
    for row in rows[1:]:
        row[at] = str(dev / row[at])
    (tmp_path / "few.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    arguments = ["--train", str(shared / "data" / "train"), "--data", str(tmp_path / "few.tsv"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(content.main, [*arguments, "--model", f"narrow={narrow_folder}"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    figures = read_json(tmp_path / "out" / "content.json")["models"]["narrow"]
    assert figures["vocabulary"] == [7, 5, 4, 3]
    assert figures["speaker_chance"] == 0.5
    assert 0 < figures["phone_purity"] <= 1
    assert 0 <= figures["phone_probe"] <= 1
    assert figures["bps"]["all"] > figures["bps"]["units"] > 0
    assert len(list((tmp_path / "out" / "decoded" / "narrow").glob("*.wav"))) == 3


def test_the_speakers_who_say_most() -> None:
    from benchmarks.corpus import Utterance

    numbers = {"a": 3, "b": 20, "c": 5}
    said = [Utterance(Path(f"{speaker}{i}.wav"), "A", speaker) for speaker, n in numbers.items() for i in range(n)]
    chosen = content.chosen(said)
    assert [sum(each.speaker == speaker for each in chosen) for speaker in "abc"] == [3, content.EACH, 5]


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(content.main, ["--train", "x", "--data", "x", "--out", str(tmp_path), "--model", "default"])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "x" in done.output
