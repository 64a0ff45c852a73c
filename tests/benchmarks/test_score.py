"""Rows to figures: pooling, whose voice is wanted, what is missing, and what the judges remember."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import judge, score
from benchmarks.corpus import Utterance
from benchmarks.difference import difference
from benchmarks.metrics import asr, pitch, speaker, text
from benchmarks.metrics.pitch import PitchErrors
from benchmarks.waveform import SAMPLE_RATE, read, write

for package in ("soundfile", *text.PACKAGES):
    pytest.importorskip(package, reason=f"{package} is not installed (the extra eval)")

SPEAKERS = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
REFERENCES = {"a1": [1.0, 0.1, 0.0], "a2": [1.0, 0.0, 0.1], "b1": [0.1, 1.0, 0.0], "b2": [0.0, 1.0, 0.1]}

PESQ = ([("a1", 1.0), ("a2", 2.0), ("b1", None)], [("a1", 2.0), ("a2", 3.0), ("b1", None)])
"""Of two systems; ``b1`` is silent."""


def said(name: str, **judged: Any) -> score.Row:
    """A row of the utterance ``name`` from what the judges said."""
    return score.row(Utterance(Path(f"{name}.wav"), "THE CAT"), 2.0, 640, 0, judged, {"asr": "the bat"})


def test_error_rates_are_pooled_and_have_intervals() -> None:
    rows = [said("a1", asr="the cat"), said("a2", asr="a cat")]
    figures = score.figures(rows, SPEAKERS, {})
    assert figures["cer"] == 3 / 14
    assert figures["wer"] == 1 / 4
    assert (figures["dcer"], figures["dwer"]) == (5 / 14, 3 / 4)
    assert figures["cer_95"] == (0.0, 6 / 14)
    assert (figures["bps"], figures["bps_95"]) == (320, (320, 320))


def test_what_no_judge_said_is_none() -> None:
    figures = score.figures([said("a1", dnsmos=3.0), said("a2")], SPEAKERS, {})
    assert all(figures[metric.key] is None for metric in score.METRICS if metric.key != "bps")
    json.dumps(figures, allow_nan=False)


def test_an_utterance_without_a_pesq_is_left_out_of_its_mean() -> None:
    rows = [said("a1", pesq=2.0, estoi=None), said("a2", pesq=None, estoi=None), said("b1", pesq=3.0, estoi=None)]
    figures = score.figures(rows, SPEAKERS, {})
    assert figures["pesq"] == 2.5
    assert figures["estoi"] is figures["estoi_95"] is None


def test_silence_is_nobodys_voice() -> None:
    silence = [0.0, 0.0, 0.0]
    references = {**REFERENCES, "b2": silence}
    original = [said(name, speaker=embedding) for name, embedding in references.items()]
    figures = score.figures(original, SPEAKERS, references)
    assert [row["sim"] for row in original] == [pytest.approx(1)] * 3 + [None]
    assert figures["sim"] == pytest.approx(1)
    # What is left of the speakers is told apart.
    assert figures["eer"] == 0
    # Silence in place of speech has the least likeness. Of speech in place of silence nothing can be said.
    names = ("a1", "a2", "b1", "b2")
    mute = [said(name, speaker=embedding) for name, embedding in zip(names, (silence, *[REFERENCES["a2"]] * 3), strict=True)]
    mute[1]["target"] = "b2"
    sim = score.figures(mute, SPEAKERS, references)["sim"]
    like = speaker.cosine(np.array(REFERENCES["a2"]), np.array(REFERENCES["b1"]))
    assert [row["sim"] for row in mute] == [0, None, pytest.approx(like), None]
    assert sim == pytest.approx(like / 2)
    # Without the judge there is no figure, silence or not.
    assert score.figures([said("a1", speaker=REFERENCES["a1"]), said("a2")], SPEAKERS, references)["sim"] is None


def test_what_neither_side_has_does_not_hinder_a_paired_test() -> None:
    before, after = ({"rows": [said(name, pesq=value) for name, value in side]} for side in PESQ)
    found = difference(before, after, "pesq")
    assert found is not None
    assert (found.before, found.after, found.utterances) == (1.5, 2.5, {"a1", "a2"})
    before["rows"].append(said("b2", pesq=1.0))
    after["rows"].append(said("b2", pesq=None))
    assert difference(before, after, "pesq") is None


def test_without_a_transcript_only_the_original_is_compared_with() -> None:
    row = score.row(Utterance(Path("a1.wav"), ""), 2.0, 640, 0, {"asr": "the cat"}, {"asr": "the bat"})
    figures = score.figures([row], SPEAKERS, {})
    assert [figures[key] for key in ("cer", "wer")] == [None, None]
    assert figures["dwer"] == 0.5


def test_nothing_voiced_is_no_pitch_error_rate() -> None:
    figures = score.figures([said("a1", f0=dataclasses.asdict(PitchErrors(frames=10, voicing_errors=2)))], SPEAKERS, {})
    assert figures["vde"] == 0.2
    assert [figures[key] for key in ("gpe", "logf0_rmse", "logf0_corr")] == [None, None, None]


def test_the_target_decides_whose_voice_and_pitch_are_wanted() -> None:
    # Everybody speaks with b1's voice, an octave up: right for a conversion to b, wrong for a1 itself.
    track = np.array([100, 110, 120, 0], np.float32)
    counts = dataclasses.asdict(pitch.compare(track, 2 * track))
    own = said("a1", speaker=REFERENCES["b1"], f0=counts)
    converted = {**said("a1", speaker=REFERENCES["b1"], f0=counts), "target": "b1"}
    as_a, as_b = (score.figures([each], SPEAKERS, REFERENCES) for each in (own, converted))
    assert as_a["sim"] == own["sim"] == pytest.approx(speaker.cosine(np.array([1, 0.1]), np.array([0.1, 1])))
    assert as_b["sim"] == converted["sim"] == pytest.approx(1)
    assert (as_a["converted"], as_b["converted"]) == (None, 1)
    assert (as_a["eer"], as_b["eer"]) == (1, 0)
    assert (as_a["gpe"], as_b["gpe"]) == (1, 0)
    assert as_a["logf0_rmse"] == pytest.approx(np.log(2))
    assert as_b["logf0_rmse"] == pytest.approx(0, abs=1e-6)
    assert as_b["logf0_corr"] == pytest.approx(1)
    assert "embedding" not in score.public(converted)


def test_a_recording_is_not_told_by_itself() -> None:
    # Each original is like itself alone: with its own pair among the trials this would look better than chance.
    rows = [said(name, speaker=list(np.eye(4)[i])) for i, name in enumerate(SPEAKERS)]
    references = {row["utterance"]: row["embedding"] for row in rows}
    assert score.figures(rows, SPEAKERS, references)["eer"] == 0.5


def test_pitch_correlation_does_not_profit_from_different_speakers() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for name, level in (("a1", 100.0), ("b1", 250.0)):
        reference, decoded = (level * np.exp(0.1 * rng.standard_normal(2000)).astype(np.float32) for _ in range(2))
        rows.append(said(name, f0=dataclasses.asdict(pitch.compare(reference, decoded))))
    assert score.figures(rows, SPEAKERS, {})["logf0_corr"] == pytest.approx(0, abs=0.06)


def test_speakers_of_real_speech_are_told_apart(shared: Path) -> None:
    pytest.importorskip("resemblyzer", reason="the speaker judge, Resemblyzer, is not installed")
    files = sorted((shared / "data" / "dev" / "flac").glob("*-000[0-2].flac"))[:12]
    speakers = {file.stem: file.stem.partition("-")[0] for file in files}
    rows = [said(file.stem, speaker=[float(each) for each in speaker.embed(read(file))]) for file in files]
    references = {row["utterance"]: row["embedding"] for row in rows}
    assert len(set(speakers.values())) > 2
    assert score.figures(rows, speakers, references)["eer"] < 0.1
    shuffled = [{**row, "embedding": other["embedding"]} for row, other in zip(rows, rows[4:] + rows[:4], strict=True)]
    assert score.figures(shuffled, speakers, references)["eer"] > 0.3


def test_every_judge_speaks_and_takes_silence(speech: Path, tmp_path: Path) -> None:
    available = [each for each in judge.JUDGES if each.gap() is None]
    if not available:
        pytest.skip("no judge is installed")
    path = tmp_path / "words.wav"
    write(path, read(speech)[: 2 * SAMPLE_RATE])
    waveform = read(path)
    original = judge.judge_pair(path, waveform, tmp_path)
    assert set(original) == {each.name for each in available}
    assert set(original).isdisjoint(judge.gaps())
    silent = judge.judge_pair(path, np.zeros_like(waveform), tmp_path)
    rows = [score.row(Utterance(path, "A CAT"), 2.0, None, 0, each, original) for each in (original, silent)]
    json.dumps(score.figures(rows, {"words": "s"}, {}), allow_nan=False)


def test_the_reference_is_tracked_once(speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("swift_f0", reason="swift-f0 is not installed")
    tracked: list[int] = []

    def track(waveform: np.ndarray, through: Callable[[np.ndarray], np.ndarray] = pitch.track) -> np.ndarray:
        tracked.append(len(waveform))
        return through(waveform)

    monkeypatch.setattr(pitch, "track", track)
    waveform = read(speech)
    fresh = dataclasses.asdict(pitch.compare(pitch.track(waveform), pitch.track(waveform[::-1])))
    tracked.clear()
    judged = [judge.judge_pair(speech, each, tmp_path, names=("f0",))["f0"] for each in (waveform, waveform[::-1])]
    assert len(tracked) == 2
    for kept in (tmp_path / "tracks").iterdir():
        kept.write_bytes(kept.read_bytes()[:-9])
    for file in tmp_path.glob("*.json"):
        file.write_text("{")
    assert judge.judge_pair(speech, waveform[::-1], tmp_path, names=("f0",))["f0"] == judged[1], "what is cut short is made again"
    for file in tmp_path.glob("*.json"):
        file.write_text("{")
    for kept in (tmp_path / "tracks").iterdir():
        np.save(kept, np.full(9, 100, np.float32))
    assert judge.judge_pair(speech, waveform[::-1], tmp_path, names=("f0",))["f0"] == judged[1], "a track of other speech too"
    assert judged[1] == fresh
    assert judged[0]["voicing_errors"] == 0


def test_a_transformers_checkpoint_hears_too(speech: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(["<pad>", "|", "<unk>", "A", "B", "C"])}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
    transformers.Wav2Vec2Processor(transformers.Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
    assert judge.extra(str(folder))[0].gap()
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=6, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(16,) * 7
    )
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    judge.extra.cache_clear()
    (recogniser,) = judge.extra(str(folder))
    assert recogniser.gap() is None
    waveform = read(speech)
    judged = judge.judge_pair(speech, waveform, tmp_path / "judged", names=(), extra=[recogniser])
    assert set(judged) == {"asr_tiny"}
    assert judged["asr_tiny"]
    assert set(judged["asr_tiny"]) <= set("ABC <unk>")
    figures = score.figures([said("a1", **judged)], SPEAKERS, {})
    assert figures["cer_tiny"] > 0
    assert figures["cer"] is None
    assert {metric.key for metric in score.metrics(figures)[-4:]} == {f"{rate}_tiny" for rate in ("wer", "dwer", "cer", "dcer")}
    # More than the network is given at once.
    assert asr.transcribe_with(folder, np.tile(waveform, 5))


def test_an_absent_checkpoint_is_a_gap() -> None:
    (recogniser,) = judge.extra("nobody/no-such-recogniser")
    gap = judge.gaps((recogniser,))["asr_no-such-recogniser"]
    assert "not" in gap
    assert judge.extra(None) == ()
