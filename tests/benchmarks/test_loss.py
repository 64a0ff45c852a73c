"""``unitcodec bench loss``: the same losses for everyone, and what each makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import corpus, judge, loss
from benchmarks.peers import PEERS, codec2, opus
from benchmarks.waveform import SAMPLE_RATE, read, write
from bitstream import SpeechCodes
from bitstream.datagram.channel import burst_losses
from unitcodec.codec import Codec
from unitcodec.command import main


@pytest.fixture
def manifest(tmp_path: Path, speech: Path) -> Path:
    write(tmp_path / "talk.wav", read(speech)[: 3 * SAMPLE_RATE])
    (tmp_path / "manifest.tsv").write_text("path\ttranscript\ntalk.wav\tWORDS OF A SENTENCE\n")
    return tmp_path / "manifest.tsv"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The waveforms that were judged, by judges who are soon done."""
    heard: list[np.ndarray] = []

    def judge_pair(reference: Path, decoded: np.ndarray, memory: Path, names: Any) -> dict[str, Any]:
        assert len(decoded) == len(read(reference))
        heard.append(decoded)
        return {"asr": "words of a sentence" if len(heard) % 2 else "words", "dnsmos": 2.5}

    monkeypatch.setattr(judge, "judge_pair", judge_pair)
    monkeypatch.setattr(judge, "gaps", dict)
    for peer in ("codec2-700c", "opus-6k"):
        if (gap := PEERS[peer].gap()) is not None:
            pytest.skip(gap)
    return heard


def test_the_command(
    manifest: Path, judged: list[np.ndarray], codec: Codec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("whisper_normalizer", "rapidfuzz"):
        pytest.importorskip(package, reason=f"{package} is not installed (the extra eval)")
    # What the encoder would say takes longer than all that is tested here.
    rng, spec = np.random.default_rng(0), codec.model.entropy.spec
    units = np.stack([np.zeros(75, np.int32), *(rng.integers(12, size=75) for _ in range(4))])
    codes = SpeechCodes(units, rng.integers(40, size=38), [a // 2 for a in spec.speaker], 48000, codec.model.entropy.fingerprint)
    monkeypatch.setattr(loss, "encode_one", lambda task: codes)
    out = manifest.parent / "out"
    arguments = ["bench", "loss", "--data", str(manifest), "--out", str(out), "--jobs", "1"]
    assert main([*arguments, "--link", "0,1", "--link", ".4,2"]) == 0
    measured = json.loads((out / "loss.json").read_text())
    clean, lossy = measured["links"]
    assert list(clean["systems"]) == [loss.CONCEALED, loss.CODEC2, loss.OPUS]
    assert set(lossy["systems"]) == set(loss.SYSTEMS)
    assert clean["lost"] == 0
    assert 0 < lossy["lost"] < 1
    assert clean["systems"][loss.CONCEALED] == {
        "wer": 0.0, "wer_95": None, "dnsmos": 2.5, "dnsmos_95": None, "errors": 0, "words": 4
    }  # fmt: skip
    table = capsys.readouterr().out
    assert "| WER ↓ | 0% | 40%, bursts of 2 |" in table
    assert f"| {loss.MUTED} |  | 0." in table

    lost = burst_losses(10, 0.4, 2, 0)
    gone = np.repeat(lost, loss.PACKET)[:48000]
    by_name = dict(zip(lossy["systems"], judged[3:], strict=True))
    muted, concealed = by_name[loss.MUTED], by_name[loss.CONCEALED]
    assert not muted[gone].any()
    assert concealed[gone].any()
    away = np.convolve(gone, np.ones(2 * loss.RAMP + 1), "same") == 0
    np.testing.assert_allclose(muted[away], concealed[away], atol=1e-6)
    assert by_name[loss.REPEATED][gone].any()


def test_a_link_that_is_none(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for link in ("0.1", "2,1", "0.9,1", "x,1"):
        assert main(["bench", "loss", "--data", str(manifest), "--out", str(manifest.parent / "out"), "--link", link]) == 2
        assert f"'{link}' is no LOSS,BURST such as 0.1,3" in capsys.readouterr().err


def test_a_coarse_copy_lies_where_the_codes_do() -> None:
    units = np.array([[0] * 12 + [10, 10], [*range(12), 0, 1]])
    copy = loss.coarsest(units, np.arange(12, 1, -1))
    assert copy.tolist() == [[10] * 14, [0] * 6 + [1] * 6 + [0, 1]]


def test_peers_lose_what_they_are_told_to(speech: Path) -> None:
    waveform = read(speech)[: 2 * SAMPLE_RATE]
    for peer, lossy in (
        ("codec2-700c", lambda lost: codec2.MODES["700C"].code(waveform, lost).waveform),
        ("opus-6k", lambda lost: opus.lossy(6, waveform, lost)),
    ):
        if (gap := PEERS[peer].gap()) is not None:
            pytest.skip(gap)
        whole, holed = lossy(lambda second: False), lossy(lambda second: 1.0 <= second < 1.32)
        assert len(whole) == len(holed) == len(waveform)
        np.testing.assert_allclose(whole[:15000], holed[:15000], atol=1e-4)
        assert np.abs(whole - holed)[16000:21120].max() > 0.01
        # Loud where the speech is.
        energy = [np.square(wave[: 30 * 1000].reshape(30, -1)).sum(1) for wave in (waveform, whole)]
        assert np.corrcoef(np.log(np.array(energy) + 1e-6))[0, 1] > 0.8


def test_live_packets(manifest: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "LIVE_COPIED", {"live, --fec 1": 1})
    monkeypatch.setattr(loss, "loaded", lambda model: codec)
    waveform, lost = read(manifest.parent / "talk.wav"), np.zeros(10 + loss.TAIL, bool)
    lost[[0, 5]] = True
    utterance = corpus.load(manifest)[0]
    heard = dict(loss.speak_live("default", manifest.parent, utterance, waveform, lost))
    assert set(heard) == {loss.LIVE, loss.LIVE_MUTED, "live, --fec 1"}
    assert {len(each) for each in heard.values()} == {48000}
    hole = slice(5 * loss.PACKET, 6 * loss.PACKET)
    power = {name: float(np.square(each[hole]).mean()) for name, each in heard.items()}
    assert power[loss.LIVE_MUTED] == 0 < power[loss.LIVE]
    assert power["live, --fec 1"] > 0
    assert not any(each[: loss.PACKET - 1].any() for each in heard.values())
