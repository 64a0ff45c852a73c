"""``unitcodec units``: one object an utterance, in the format and with the fields asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from unitcodec.command import main
from unitcodec.formats.unit_files import read_units

if TYPE_CHECKING:
    from bitstream import SpeechCodes
    from unitcodec.codec import Codec

LENGTHS = {"a.wav": 30003, "deep/b.flac": 8000, "deep/c.wav": 1}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, speech: Path) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    said, _ = soundfile.read(speech)
    (folder / "deep").mkdir()
    for name, length in LENGTHS.items():
        soundfile.write(folder / name, said[20000 : 20000 + length], 16000)
    (folder / "notes.txt").write_text("not audio, and not named as such")
    return folder


@pytest.fixture(scope="module")
def codes(narrow: Codec, corpus: Path) -> dict[str, SpeechCodes]:
    return {str(corpus / name): narrow.encode(soundfile.read(corpus / name, dtype="float32")[0], 16000) for name in LENGTHS}


@pytest.fixture
def run(narrow_folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, list[str]]]:
    def run(*arguments: object) -> tuple[int, str, list[str]]:
        status = main(["units", *map(str, arguments), "--model", str(narrow_folder), "--device", "cpu"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return run


Run = Callable[..., tuple[int, str, list[str]]]


def test_the_same_in_several_processes(run: Run, corpus: Path, codes: dict[str, SpeechCodes]) -> None:
    cut = corpus.parent / "cut.wav"
    cut.write_bytes((corpus / "a.wav").read_bytes()[:-20000])
    alone = run(corpus, "-r", "-q")[1].splitlines()
    status, _, (line,) = run(cut, "-q")
    assert (status, line.partition("; ")[2]) == (1, "--salvage of 'unitcodec encode' and 'units' codes what is there")
    status, out, _ = run(corpus / "none.wav", cut, corpus, "-r", "-q", "--salvage", "-j", "2")
    assert status == 1
    assert [json.loads(line)["audio"] for line in out.splitlines()] == [str(cut), *codes]
    assert out.splitlines()[1:] == alone
    assert run(corpus / "a.wav", "new.jsonl")[::2] == (
        2,
        ["unitcodec: new.jsonl: looks like an output, not like audio; write --out new.jsonl"],
    )
    assert run("-", cut, "-j", "2")[::2] == (2, ["unitcodec: standard input is read by one process; leave --jobs away"])


def test_an_object_a_line(run: Run, corpus: Path, codes: dict[str, SpeechCodes], narrow: Codec) -> None:
    status, out, lines = run(corpus, "-r")
    assert status == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["audio"] for each in found] == [str(corpus / name) for name in LENGTHS]
    for each in found:
        own = codes[each["audio"]]
        assert list(each) == ["audio", "units", "f0", "speaker", "num_samples", "model", "frame_rate"]
        assert each["units"] == own.units.tolist()
        assert each["f0"] == own.f0.tolist()
        assert each["speaker"] == own.speaker.tolist()
        assert each["num_samples"] == own.num_samples == LENGTHS[str(Path(each["audio"]).relative_to(corpus))]
        assert (each["model"], each["frame_rate"]) == (narrow.model.entropy.fingerprint, 25.0)
    assert len(lines) == 3
    assert lines[0].startswith(f"{corpus / 'a.wav'}: 1.88 s, 47 frames, ")


@pytest.mark.parametrize("suffix", [".jsonl", ".npz", ".NPZ"])
@pytest.mark.parametrize("dedup", [False, True])
def test_files(run: Run, corpus: Path, codes: dict[str, SpeechCodes], tmp_path: Path, suffix: str, dedup: bool) -> None:
    out = tmp_path / f"units{suffix}"
    status, printed, lines = run(corpus, "-r", "-q", "--out", out, *(["--dedup"] if dedup else []))
    assert (status, printed, lines) == (0, "", [])
    assert list(tmp_path.iterdir()) == [out]
    entries = read_units(out)
    assert len(entries) == 3
    for entry, (name, own) in zip(entries, codes.items(), strict=True):
        assert entry.audio == name
        assert (entry.durations is not None) == dedup
        assert dedup <= (entry.units.shape[1] < max(2, own.units.shape[1]))
        assert np.array_equal(entry.frames(), own.units)
        assert entry.f0 is not None
        assert entry.speaker is not None
        assert np.array_equal(entry.f0, own.f0)
        assert np.array_equal(entry.speaker, own.speaker)
        assert (entry.num_samples, entry.model, entry.frame_rate) == (own.num_samples, own.model, 25.0)


def test_units_only(run: Run, corpus: Path, codes: dict[str, SpeechCodes], tmp_path: Path) -> None:
    audio = corpus / "a.wav"
    status, out, _ = run(audio, "--no-f0", "--no-speaker", "-q")
    assert status == 0
    assert list(json.loads(out)) == ["audio", "units", "num_samples", "model", "frame_rate"]
    status, _, _ = run(audio, "--no-speaker", "-q", "--out", tmp_path / "u.npz")
    (entry,) = read_units(tmp_path / "u.npz")
    assert entry.speaker is None
    assert np.array_equal(entry.f0, codes[str(audio)].f0)  # type: ignore[arg-type]


def test_standard_input(corpus: Path, codes: dict[str, SpeechCodes], narrow_folder: Path, command: Callable[..., Any]) -> None:
    done = command("units", "-", "--model", str(narrow_folder), "--device", "cpu", input=(corpus / "a.wav").read_bytes())
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["audio"] == "-"
    assert found["units"] == codes[str(corpus / "a.wav")].units.tolist()
    assert done.stderr.startswith(b"standard input: 1.88 s")


def test_bad_inputs_are_named_and_the_others_done(run: Run, corpus: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.wav", tmp_path / "u.jsonl"
    bad.write_bytes(b"")
    status, _, lines = run(bad, tmp_path / "gone.wav", corpus / "a.wav", "-q", "--out", out)
    assert status == 1
    gone = f"{tmp_path / 'gone.wav'}: No such file or directory"
    assert lines == [f"unitcodec: {bad}: the file is empty; record or copy it again", f"unitcodec: {gone}"]
    assert [entry.audio for entry in read_units(out)] == [str(corpus / "a.wav")]


def test_no_output_where_nothing_could_be_done(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "u.jsonl"
    status, _, lines = run(tmp_path / "gone.wav", "--out", out)
    assert status == 1
    assert len(lines) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "{empty}: holds no files of the kinds"),
        (["-", "-"], "standard input can be read once"),
        (["{corpus}/a.wav", "--out", "u.txt"], "u.txt: units are written as .jsonl or .npz"),
        (["{corpus}/a.wav", "--out", "{corpus}/deep/c.wav"], "units are written as .jsonl or .npz"),
        (["{corpus}/a.wav", "--out", "{empty}/old.jsonl"], "{empty}/old.jsonl: exists already; --overwrite replaces it"),
    ],
)
def test_refusals(run: Run, corpus: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "old.jsonl").write_text("old")
    names = {"corpus": corpus, "empty": tmp_path}
    status, out, lines = run(*(argument.format(**names) for argument in arguments))
    assert (status, out) == (2, "")
    assert len(lines) == 1
    assert lines[0].startswith("unitcodec: ")
    assert message.format(**names) in lines[0]
    assert (tmp_path / "old.jsonl").read_text() == "old"


def test_overwriting(run: Run, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text("old")
    assert run(corpus / "a.wav", "-q", "--overwrite", "--out", tmp_path / "old.jsonl")[0] == 0
    assert len(read_units(tmp_path / "old.jsonl")) == 1


def test_a_model_that_is_not_there_ends_the_run(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "u.jsonl"
    status = main(["units", str(corpus), "-r", "--model", "gone", "--out", str(out)])
    lines = capsys.readouterr().err.splitlines()
    assert status == 1
    assert len(lines) == 1
    assert "no model 'gone'" in lines[0]
    assert not out.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_run(corpus: Path, narrow_folder: Path, command: Callable[..., Any]) -> None:
    with open("/dev/full", "wb") as full:
        done = command("units", str(corpus), "-r", "-q", "--model", str(narrow_folder), "--device", "cpu", stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"unitcodec: standard output: No space left on device\n"
