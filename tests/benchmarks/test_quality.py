"""The command line end to end on synthetic speech, with a judge that costs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import griffin_lim, judge, quality
from benchmarks.corpus import load
from benchmarks.peers import PEERS, Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, read, write

pytest.importorskip("soundfile", reason="soundfile is not installed")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three half-second recordings with transcripts."""
    lines = ["path\tspeaker\ttranscript"]
    for i in range(3):
        noise = 0.1 * np.random.default_rng(i).standard_normal(SAMPLE_RATE // 2 + i)
        write(tmp_path / "wav" / f"u{i}.wav", noise.astype(np.float32))
        lines.append(f"wav/u{i}.wav\ts\tA CAT")
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.tsv"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Only a counting recogniser is left of the judges; the list grows with every waveform that it hears."""
    calls: list[Path] = []

    def hear(path: Path, decoded: np.ndarray) -> str:
        calls.append(path)
        return "A CAR"

    monkeypatch.setattr(judge, "JUDGES", (judge.Judge("asr", ("numpy",), hear),))
    return calls


def run(corpus: Path, *arguments: str) -> dict[str, dict]:
    out = corpus.parent / "out"
    assert quality.main(["--data", str(corpus), "--out", str(out), *arguments]) == 0
    return json.loads((out / "results.json").read_text())["systems"]


def test_only_what_changed_is_judged_again(corpus: Path, heard: list[Path]) -> None:
    first = run(corpus, "--systems", "original")["original"]
    assert len(heard) == 3
    assert first["cer"] == pytest.approx(1 / 5)
    assert first["wer"] == pytest.approx(1 / 2)
    assert first["bps"] == pytest.approx(16 * SAMPLE_RATE)
    assert first["sim"] is None
    assert run(corpus, "--systems", "original")["original"] == first
    assert len(heard) == 3


def test_a_judge_left_out_says_only_what_it_said_before(corpus: Path, heard: list[Path]) -> None:
    other = judge.Judge("sim", ("numpy",), lambda path, decoded: 0.5)
    judge.JUDGES += (other,)
    quick = run(corpus, "--systems", "original", "--judges", "sim")["original"]
    assert (quick["sim"], quick["cer"], heard) == (0.5, None, [])
    whole = run(corpus, "--systems", "original")["original"]
    assert whole["cer"] is not None
    assert run(corpus, "--systems", "original", "--judges", "sim")["original"] == whole


def test_a_command_is_judged_beside_earlier_systems(corpus: Path, heard: list[Path]) -> None:
    run(corpus, "--systems", "original")
    systems = run(corpus, "--system", "copy=cp {wav} {bits} && cp {bits} {out}")
    assert set(systems) == {"original", "copy"}
    assert systems["copy"]["lengths_equal"]
    assert systems["copy"]["bps"] > 16 * SAMPLE_RATE
    # The same samples: nothing new to hear.
    assert len(heard) == 3


def test_a_folder_of_decoded_files(corpus: Path, heard: list[Path]) -> None:
    for utterance in load(corpus):
        write(corpus.parent / "mine" / f"{utterance.stem}.wav", read(utterance.path)[:-5])
        (corpus.parent / "mine" / f"{utterance.stem}.uc").write_bytes(bytes(20))
    mine = run(corpus, "--decoded", f"mine={corpus.parent / 'mine'}")["mine"]
    assert not mine["lengths_equal"]
    assert mine["bps"] == pytest.approx(3 * 160 / ((3 * SAMPLE_RATE // 2 + 3) / SAMPLE_RATE))


def test_what_is_missing_is_a_gap_with_a_reason(
    corpus: Path, heard: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PEERS, "codec2-700c", Peer(lambda waveform: Coded(waveform, 0), ("no-such-program",)))
    systems = run(corpus, "--systems", "codec2-700c,original", "--decoded", "none=/nowhere", "--system", "bad=false")
    assert systems["codec2-700c"] == {"gap": "not installed: no-such-program"}
    assert "missing" in systems["none"]["gap"]
    assert "exit 1" in systems["bad"]["gap"]
    assert systems["original"]["cer"] is not None
    assert "gap: not installed: no-such-program" in capsys.readouterr().out


def test_griffin_lim_keeps_length_and_spectrum() -> None:
    t = np.arange(SAMPLE_RATE // 2 + 7) / SAMPLE_RATE
    waveform = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 30)) * 0.1
    bands = np.maximum(0, 1 - np.abs(np.arange(513) - np.linspace(2, 510, 60)[:, None]) / 9) / 9
    spec = griffin_lim.MelSpec(bands)
    mel = spec.log_mel(waveform)
    spoken = griffin_lim.griffin_lim(mel, spec, samples=len(waveform), iterations=20)
    assert len(spoken) == len(waveform)
    assert np.abs(spec.log_mel(spoken) - mel)[:, 3:-3].mean() < 0.3


def test_the_mel_is_the_projects_own() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from unitcodec import features

    waveform = 0.1 * np.random.default_rng(0).standard_normal(4321)
    wanted = features.log_mel(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(griffin_lim.MelSpec.reference().log_mel(waveform), wanted, atol=1e-9)
