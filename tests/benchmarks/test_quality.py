"""``unitcodec bench quality`` end to end on synthetic speech, with a judge that costs nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import judge, quality
from benchmarks.corpus import load
from benchmarks.metrics import text
from benchmarks.peers import PEERS, Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, read, write
from unitcodec.command import main


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three half-second recordings of two speakers, with transcripts."""
    lines = ["path\tspeaker\ttranscript"]
    for i in range(3):
        noise = 0.1 * np.random.default_rng(i).standard_normal(SAMPLE_RATE // 2 + i)
        write(tmp_path / "wav" / f"u{i}.wav", noise.astype(np.float32))
        lines.append(f"wav/u{i}.wav\ts{i % 2}\tA CAT")
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.tsv"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Only a counting recogniser is left of the judges; the list grows with every waveform that it hears."""
    for package in text.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (the extra eval)")
    calls: list[Path] = []

    def hear(pair: judge.Pair) -> str:
        calls.append(pair.reference)
        return "A CAR"

    monkeypatch.setattr(judge, "JUDGES", (judge.Judge("asr", ("numpy",), hear),))
    return calls


def bench(corpus: Path, *arguments: str) -> int:
    # One job is this very process, where the judges are replaced.
    return main(["bench", "quality", "--data", str(corpus), "--out", str(corpus.parent / "out"), "--jobs", "1", *arguments])


def run(corpus: Path, *arguments: str) -> dict[str, Any]:
    assert bench(corpus, *arguments) == 0
    return json.loads((corpus.parent / "out" / "results.json").read_text())["systems"]


def test_only_what_changed_is_judged_again(corpus: Path, heard: list[Path]) -> None:
    first = run(corpus, "--systems", "original")["original"]
    assert len(heard) == 3
    assert first["cer"] == pytest.approx(1 / 5)
    assert first["wer"] == pytest.approx(1 / 2)
    assert first["dcer"] == first["dwer"] == 0
    assert first["bps"] == pytest.approx(16 * SAMPLE_RATE)
    assert first["sim"] is None
    assert run(corpus, "--systems", "original")["original"] == first
    assert len(heard) == 3


def test_the_results_say_what_was_judged_and_with_what(corpus: Path, heard: list[Path]) -> None:
    run(corpus, "--systems", "original")
    document = json.loads((corpus.parent / "out" / "results.json").read_text())
    assert [each["target"] for each in document["utterances"]] == ["u1", "u2", "u1"]
    assert document["made"]["data"] == corpus.parent.name
    assert document["made"]["date"]
    assert len(document["systems"]["original"]["rows"]) == 3
    written = (corpus.parent / "out" / "report" / "report.md").read_text()
    assert "| original" in written
    (corpus.parent / "out" / "report" / "report.md").unlink()
    assert main(["bench", "report", "--out", str(corpus.parent / "out")]) == 0
    assert (corpus.parent / "out" / "report" / "report.md").read_text() == written


def test_a_run_that_is_ended_does_not_wait_for_its_workers() -> None:
    begin = time.monotonic()
    with pytest.raises(SystemExit), quality.workers(2) as pool:
        assert pool._pool is not None
        assert pool._pool.submit(abs, -1).result() == 1
        pool._pool.submit(time.sleep, 60)
        raise SystemExit(143)
    assert time.monotonic() - begin < 30


def test_a_judge_left_out_says_only_what_it_said_before(corpus: Path, heard: list[Path]) -> None:
    judge.JUDGES += (judge.Judge("dnsmos", ("numpy",), lambda pair: 2.5),)  # type: ignore[assignment]
    quick = run(corpus, "--systems", "original", "--judges", "dnsmos")["original"]
    assert (quick["dnsmos"], quick["cer"], heard) == (2.5, None, [])
    whole = run(corpus, "--systems", "original")["original"]
    assert whole["cer"] is not None
    assert run(corpus, "--systems", "original", "--judges", "dnsmos")["original"] == whole


def test_a_command_is_judged_beside_earlier_systems(corpus: Path, heard: list[Path]) -> None:
    run(corpus, "--systems", "original")
    systems = run(corpus, "--systems", "none", "--system", "copy=cp {wav} {bits} && cp {bits} {out}")
    assert set(systems) == {"original", "copy"}
    assert systems["copy"]["lengths_equal"]
    assert systems["copy"]["bps"] > 16 * SAMPLE_RATE
    # The same samples: nothing new to hear.
    assert len(heard) == 3


def test_a_folder_of_decoded_files(corpus: Path, heard: list[Path]) -> None:
    for utterance in load(corpus):
        write(corpus.parent / "mine" / f"{utterance.name}.wav", read(utterance.path)[:-5])
        (corpus.parent / "mine" / f"{utterance.name}.uc").write_bytes(bytes(20))
    mine = run(corpus, "--systems", "none", "--decoded", f"mine={corpus.parent / 'mine'}")["mine"]
    assert not mine["lengths_equal"]
    assert mine["bps"] == pytest.approx(3 * 160 / ((3 * SAMPLE_RATE // 2 + 3) / SAMPLE_RATE))


def test_what_is_missing_is_a_gap_with_a_reason(
    corpus: Path, heard: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Peer("Codec2 700C", lambda waveform: Coded(waveform, 0), lambda: "not installed: no-such-program")
    monkeypatch.setitem(PEERS, "codec2-700c", absent)
    systems = run(corpus, "--systems", "codec2-700c,original", "--decoded", "none=/nowhere", "--system", "bad=false {out}")
    assert systems["codec2-700c"]["gap"] == "not installed: no-such-program"
    assert "missing" in systems["none"]["gap"]
    assert systems["bad"]["gap"] == "exit 1 on u0, u0.wav not written: it says nothing on stderr"
    assert systems["original"]["cer"] is not None
    assert "gap: not installed: no-such-program" in capsys.readouterr().out


def test_the_codec_and_its_voice_conversion(corpus: Path, heard: list[Path], default_model: Path) -> None:
    systems = run(corpus, "--systems", "original,unitcodec,unitcodec-vc")
    decoded = corpus.parent / "out" / "decoded"
    for name in ("unitcodec", "unitcodec-vc"):
        assert systems[name]["lengths_equal"]
        assert sum((decoded / name / f"u{i}.uc").stat().st_size for i in range(3)) * 8 == pytest.approx(
            systems[name]["bps"] * systems[name]["seconds"]
        )
    assert [row["target"] for row in systems["unitcodec"]["rows"]] == [None] * 3
    assert [row["target"] for row in systems["unitcodec-vc"]["rows"]] == ["u1", "u2", "u1"]
    # The same words in another voice.
    assert (decoded / "unitcodec" / "u0.wav").read_bytes() != (decoded / "unitcodec-vc" / "u0.wav").read_bytes()


def test_a_teacher_that_judges_is_warned_of(
    corpus: Path, heard: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed (the extra eval)")
    monkeypatch.setattr(judge, "extra", lambda recogniser: ())
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "model.safetensors").touch()
    for kind in ("wav2vec2", "whisper"):
        (tmp_path / "large" / "config.json").write_text(json.dumps({"model_type": kind}))
        run(corpus, "--systems", "original", "--asr", str(tmp_path / "large"))
        assert ("Whisper, a teacher" in capsys.readouterr().err) == (kind == "whisper")
    assert judge.warning(None) is judge.warning("nobody/no-such-recogniser") is None


def test_processes_say_what_one_says(corpus: Path) -> None:
    """Real judges on a sound that is not the original's; the longest goes first, the rows stay in the corpus's order."""
    out = corpus.parent / "out"
    program = corpus.parent / "softer.py"
    program.write_text("import sys, soundfile as s; x, r = s.read(sys.argv[1]); s.write(sys.argv[2], x / 2, r)")
    softer = f"softer={shlex.quote(sys.executable)} {shlex.quote(str(program))} {{wav}} {{out}}"
    arguments = ["--systems", "none", "--system", softer, "--judges", "mel_db,f0"]
    alone = run(corpus, *arguments)
    assert alone["softer"]["mel_db"] > 0
    shutil.rmtree(out)
    command = ["bench", "quality", "--data", str(corpus), "--out", str(out), "--jobs", "2", *arguments]
    assert main(command) == 0
    assert json.loads((out / "results.json").read_text())["systems"] == alone


def test_rubbish_from_a_codec_is_its_gap_and_nobody_elses(corpus: Path, heard: list[Path]) -> None:
    systems = run(
        corpus, "--systems", "none", "--system", "bad|=echo junk > {out}", "--system", "ok=cp {wav} {bits} && cp {bits} {out}"
    )
    assert "u0.wav" in systems["bad|"]["gap"]
    assert systems["ok"]["cer"] is not None
    table = (corpus.parent / "out" / "report" / "report.md").read_text().split("## Further")[0]
    assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def test_a_judge_that_cannot_be_imported_is_a_gap(
    corpus: Path, heard: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokenjudge.py").write_text("import a_module_that_is_nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    judge.JUDGES += (judge.Judge("dnsmos", ("brokenjudge",), lambda pair: 2.5),)  # type: ignore[assignment]
    original = run(corpus, "--systems", "original")["original"]
    assert (original["dnsmos"], original["cer"]) == (None, pytest.approx(0.2))
    assert "a_module_that_is_nowhere" in original["gaps"]["dnsmos"]


def test_a_recording_that_is_none_is_named(corpus: Path, heard: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (corpus.parent / "wav" / "u1.wav").write_bytes(b"no sound")
    assert bench(corpus, "--systems", "original") == 1
    assert "u1.wav" in capsys.readouterr().err


def test_another_choice_begins_anew_and_says_so(corpus: Path, heard: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(corpus, "--systems", "none", "--system", "copy=cp {wav} {bits} && cp {bits} {out}")
    assert set(run(corpus, "--systems", "original", "--limit", "2")) == {"original"}
    assert "begun anew" in capsys.readouterr().err


def test_other_speech_under_the_same_name_begins_anew(
    corpus: Path, heard: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(corpus, "--systems", "none", "--system", "copy=cp {wav} {bits} && cp {bits} {out}")
    wav = corpus.parent / "wav" / "u1.wav"
    write(wav, read(wav)[::-1])
    assert set(run(corpus, "--systems", "original")) == {"original"}
    assert "begun anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["--systems", "mp3"], 2, "'mp3' is none of"),
        (["--judges", "me"], 2, "'me' is none of"),
        (["--system", "copy"], 2, "NAME=VALUE"),
        (["--system", "opus-6k=true {out}"], 2, "is taken"),
        (["--decoded", "../x=."], 2, "NAME=VALUE"),
        (["--decoded", "a\nb=."], 2, "NAME=VALUE"),
        (["--decoded", 65 * "x" + "=."], 2, "at most 64"),
        (["--system", 65 * "x" + "=cp {wav} {out}"], 2, "at most 64"),
        (["--system", "copy=cp {wav} {bits}"], 2, "has no {out}"),
        (["--baseline", "mp3"], 2, "'mp3' is none of"),
    ],
)
def test_wrong_usage_is_one_line(
    corpus: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, complaint: str
) -> None:
    assert bench(corpus, *arguments) == status
    assert complaint in capsys.readouterr().err
    assert not (corpus.parent / "out").exists()


def test_a_recogniser_that_is_not_there_is_wrong_usage(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed (the extra eval)")
    assert bench(corpus, "--judges", "asr", "--asr", str(corpus.parent / "nowhere")) == 2
    assert "weights not found" in capsys.readouterr().err
    assert not (corpus.parent / "out").exists()


def test_a_bad_corpus_or_a_broken_result_is_one_line(corpus: Path, heard: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(corpus, "--systems", "original")
    capsys.readouterr()
    (corpus.parent / "out" / "results.json").write_text("{")
    corpus_text = corpus.read_text()
    for bad, complaint in ((corpus_text, "not JSON"), ("path\n", "path and transcript")):
        corpus.write_text(bad)
        assert bench(corpus, "--systems", "original") == 1
        *progress, last = capsys.readouterr().err.splitlines()
        assert last.startswith("unitcodec: ")
        assert complaint in last
        assert all(line.startswith(("quality: ", "original: ")) for line in progress)
