"""``python -m benchmarks.unit_rate`` on units made here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.unit_rate import main


def _write(path: Path, count: int, seed: int) -> Path:
    """Utterances of a machine of twelve units that mostly holds or goes on by one, as gzipped Python literals."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        steps = rng.choice([0, 0, 0, 1, 1, 5], int(rng.integers(20, 60)))
        units = (np.cumsum(steps) + rng.integers(12)) % 12
        lines.append(f"{{'audio': '/corpus/p1_{number}.wav', 'hubert': '{' '.join(map(str, units))}'}}\n")
    with gzip.open(path, "wt") as file:
        file.writelines(lines)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("units")
    return _write(folder / "val.txt.gz", 150, 0), _write(folder / "test.txt.gz", 60, 1)


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_train_code_decode_compare(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    small = [f"--setting={each}" for each in ("hidden=16", "embedding=8", "epochs=4", "rate=0.01")]
    _run("--train", files[0], "--test", files[1], "--rate", 50, "--save", tmp_path / "model", "--json", out, *small)
    trained = json.loads(out.read_text())
    assert trained["verified"] is True
    assert trained["utterances"] == 60
    assert trained["cross_entropy_bps"] == pytest.approx(trained["float_cross_entropy_bps"], rel=0.01)
    assert trained["payload_bps"] < trained["peers"]["fixed"]["alone_bps"]
    peers = {name for name, figures in trained["peers"].items() if "gap" not in figures}
    assert {"fixed", "huffman", "bigram", "xz -9e"} <= peers
    assert trained["peers"]["huffman"]["together_bps"] <= trained["peers"]["huffman"]["alone_bps"]
    assert trained["peers"]["bigram"]["alone_bps"] < trained["peers"]["huffman"]["alone_bps"]
    _run("--model", tmp_path / "model", "--test", files[1], "--rate", 50, "--json", out, "--no-peers")
    loaded = json.loads(out.read_text())
    for name in ("payload_bps", "cross_entropy_bps", "fingerprint", "verified"):
        assert loaded[name] == trained[name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "50"], "give either --train FILE... or --model DIR"),
        (["--rate", "7", "--train", "{val}"], "must divide 16000"),
        (["--rate", "50", "--train", "{val}", "--setting", "width=3"], "no such setting"),
        (["--rate", "50", "--train", "{val}", "--setting", "hidden=wide"], "invalid literal"),
        (["--rate", "50", "--train", "nowhere.gz"], "nowhere.gz: No such file"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(files: tuple[Path, Path], arguments: list[str], words: str) -> None:
    given = ["--test", str(files[1]), *(each.format(val=files[0]) for each in arguments)]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output
