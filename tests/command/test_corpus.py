"""``unitcodec corpus``: one line for what is wrong, and the same corpus however often it is interrupted."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import soundfile
from invocation import Start, files, run

Options = tuple[str, ...]


@pytest.fixture
def corpus(tones: tuple[str, ...]) -> Options:
    """Two recordings, one that is none, and a manifest of them."""
    Path("m.tsv").write_text("path\tspeaker\nin/a.wav\tp1\nin/bad.wav\tp1\nin/b.flac\tp2\n")
    return ("--format", "tar", *tones)


def test_what_cannot_be_coded_is_listed(corpus: Options, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, lines = run(capsys, "corpus", "m.tsv", "-o", "out", "--shard-size", "2", *corpus)
    root = Path("out").absolute()
    assert (status, out) == (1, "")
    assert lines == [f"unitcodec: 1 of 3 recordings failed; {root}/failures.jsonl tells why"]
    assert files(root) == [
        ".reports/train-00000-of-00002.json", ".reports/train-00001-of-00002.json", "corpus.json",
        "data/train-00000-of-00002.tar", "data/train-00001-of-00002.tar", "failures.jsonl", "index.jsonl",
    ]  # fmt: skip
    (failure,) = [json.loads(line) for line in (root / "failures.jsonl").read_text().splitlines()]
    assert failure["id"] == "in/bad.wav"
    again = run(capsys, "corpus", "m.tsv", "-o", "out", "--shard-size", "2", *corpus)
    assert again == (1, "", ["unitcodec: 2 of 2 shards skipped: they are there", *lines])
    Path("in/bad.wav").write_bytes(Path("in/a.wav").read_bytes())
    status, _, (skipped, line) = run(capsys, "corpus", "m.tsv", "-o", "out", "--shard-size", "2", "--retry-failed", *corpus)
    assert (status, skipped) == (0, "unitcodec: 1 of 2 shards skipped: they are there")
    assert line.startswith("3 recordings, 0.00 h, in 2 shards: ")
    assert not (root / "failures.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (("none.tsv",), 1, "No such file or directory"),
        (("in/a.wav",), 1, "in/a.wav: is no manifest (.tsv, .csv, .jsonl), no tar and no folder"),
        (("m.tsv", "x.tar"), 2, "m.tsv: code tars and other inputs one after the other"),
        (("x.tar", "x.tar"), 2, "a tar is given twice"),
        (("m.tsv", "m.tsv"), 1, "two inputs have the id 'in/a.wav'"),
        (("m.tsv", "--split", "../x"), 2, "letters, digits and _ alone"),
        (("m.tsv", "--bitrate", "0"), 2, "0.0 is not a number above 0"),
        (("m.tsv", "--ray-address", "x"), 2, "--ray-address is the cluster's of --ray"),
        (("m.tsv", "--model", "none"), 1, "none"),
        (("m.tsv", "--effort", "1"), 1, "effort above 0, a search for units, needs a model with Whisper inside"),
        (("m.tsv", "-o", "in"), 1, "in: is not empty, and no corpus was begun in it"),
        (("m.tsv", "-o", "nosuch://bucket"), 1, "nosuch"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    arguments: tuple[str, ...], status: int, problem: str, corpus: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    got, _, lines = run(capsys, "corpus", "-o", "out", *corpus, *arguments)
    assert (got, len(lines)) == (status, 1)
    assert problem in lines[0]
    assert not Path("out").exists()


def test_a_run_that_is_killed_goes_on(speech: Path, narrow_folder: Path, tmp_path: Path, start: Start) -> None:
    """SIGKILL to a run with two workers, in mid-run: nothing half-written, nothing twice, and the same bytes in the end."""
    said, rows = soundfile.read(speech, dtype="int16")[0], []
    for number in range(24):
        soundfile.write(tmp_path / f"{number}.wav", said[2000 * number : 2000 * number + 40000], 16000)
        rows.append(json.dumps({"id": str(number), "path": f"{number}.wav"}))
    (tmp_path / "m.jsonl").write_text("\n".join(rows))

    def code(out: Path) -> tuple[str, ...]:
        options = ("--shard-size", "2", "--format", "tar", "--jobs", "2", "--model", str(narrow_folder), "--device", "cpu", "-q")
        return ("corpus", str(tmp_path / "m.jsonl"), "-o", str(out), *options)

    out = tmp_path / "out"
    process = start(*code(out))
    while len(list(out.glob("data/*.tar"))) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM if not hasattr(signal, "SIGKILL") else signal.SIGKILL)
    assert process.wait() != 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("data/*.tar")}
    assert 3 <= len(before) < 12
    time.sleep(1)  # its workers see that it is gone
    assert start(*code(out)).wait() == 0
    assert start(*code(tmp_path / "whole")).wait() == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for part in out.rglob(".*.part"):  # removed by a run an hour later
        part.unlink()
    assert files(out) == files(tmp_path / "whole")
    assert all((out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in files(out))
    index = [json.loads(line)["id"] for line in (out / "index.jsonl").read_text().splitlines()]
    assert index == [str(number) for number in range(24)]
