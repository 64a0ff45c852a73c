"""Other codecs: lengths, rates, alignment, and what is said where they cannot run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.corpus import Utterance
from benchmarks.errors import Gap
from benchmarks.peers import PEERS, dac, encodec, lyra, mimi, programs, snac
from benchmarks.peers.neural import Neural
from benchmarks.system import System
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read

pytest.importorskip("soundfile", reason="soundfile is not installed")

# bit/s as published.
RATES = {
    "original": 256000,
    "codec2-450": 450,
    "codec2-700c": 700,
    "codec2-1300": 1300,
    "codec2-2400": 2400,
    "codec2-3200": 3200,
    "opus-6k": 6000,
    "opus-12k": 12000,
    "speex-2150": 2150,
    "lpc10": 2400,
    "gsm": 13000,
    "lyra-3.2k": 3200,
    "lyra-6k": 6000,
    "lyra-9.2k": 9200,
    "encodec-1.5k": 1500,
    "mimi-0.55k": 550,
    "mimi-0.69k": 687.5,
    "mimi-1.1k": 1100,
    "snac-0.98k": 7 * 12 * 24000 / 2048,
    "dac-0.5k": 500,
    "dac-1k": 1000,
    "focalcodec-0.65k": 650,
}
ROOT = Path(__file__).parents[2]
NEURAL = {"encodec-1.5k": encodec.ENCODEC, "mimi-1.1k": mimi.MIMI, "snac-0.98k": snac.SNAC_24KHZ, "dac-1k": dac.DAC_16KHZ}

LYRA = [name for name in RATES if name.startswith("lyra")]

classical = pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.untrained is None])


@pytest.fixture(autouse=True)
def lyra_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lyra's weights beside the checkout, unless the environment says where they are."""
    beside = ROOT.parent / "shared"
    if not os.environ.get("UNITCODEC_SHARED") and beside.is_dir():
        monkeypatch.setenv("UNITCODEC_SHARED", str(beside))


@pytest.fixture(scope="module")
def talk(speech: Path) -> FloatArray:
    """2.5 s of speech that end within a word."""
    return read(speech)[16000:56000]


def coder(name: str) -> Callable[[FloatArray], Any]:
    """A codec that needs no random weights, or a skip."""
    if gap := PEERS[name].gap():
        pytest.skip(gap)
    return PEERS[name].code


def log_energy(waveform: FloatArray) -> np.ndarray:
    """Of 20 ms windows each millisecond."""
    return np.log(np.convolve(waveform.astype(np.float64) ** 2, np.hanning(320), "same")[::16] + 1e-5)


def test_the_order_is_fixed() -> None:
    assert list(PEERS) == list(RATES)


@classical
def test_length_rate_and_alignment(name: str, talk: FloatArray) -> None:
    coded = coder(name)(talk)
    assert coded.waveform.shape == talk.shape
    assert coded.waveform.dtype == np.float32

    # The delay and the last frame cost up to 180 ms; the pages and headers of Ogg Opus, more.
    assert -0.001 < coded.bits / RATES[name] - 2.5 < (0.7 if name.startswith("opus") else 0.18)
    fixed = PEERS[name].bits
    assert fixed is None or fixed(len(talk)) == coded.bits

    inner, heard = log_energy(talk)[60:-60], log_energy(coded.waveform)
    lags = [np.corrcoef(inner, heard[60 + lag :][: len(inner)])[0, 1] for lag in range(-60, 61)]
    assert max(lags) > 0.85
    assert abs(np.argmax(lags) - 60) <= (2 if name in ("original", "opus-6k", "opus-12k", "gsm", *LYRA) else 10)

    # Nothing is lost at the end, where a delay would push it out.
    assert heard[-20:].mean() - log_energy(talk)[-20:].mean() > -2.5


@classical
@pytest.mark.parametrize("waveform", [np.zeros(8000, np.float32), np.full(10, 0.1, np.float32)], ids=["silence", "ten samples"])
def test_silence_and_next_to_nothing(name: str, waveform: FloatArray) -> None:
    coded = coder(name)(waveform)
    assert coded.waveform.shape == waveform.shape
    assert coded.bits > 0
    fixed = PEERS[name].bits
    assert fixed is None or fixed(len(waveform)) == coded.bits
    if not waveform.any():
        assert np.abs(coded.waveform).max() < 0.01


@pytest.mark.parametrize("name", LYRA)
def test_lyra_keeps_its_state_within_an_utterance_and_not_beyond(name: str, talk: FloatArray) -> None:
    code = coder(name)
    coded = code(talk)
    np.testing.assert_array_equal(code(talk).waveform, coded.waveform)
    # What went before within the same utterance is heard; the same half alone sounds otherwise.
    half = len(talk) // 2 // lyra.FRAME * lyra.FRAME
    np.testing.assert_array_equal(code(talk[:half]).waveform, coded.waveform[:half])
    assert np.abs(code(talk[half:]).waveform - coded.waveform[half:]).max() > 0.01


def test_lyra_with_more_bits_is_nearer(talk: FloatArray) -> None:
    likeness = [np.corrcoef(coder(name)(talk).waveform, talk)[0, 1] for name in LYRA]
    assert likeness == sorted(likeness)
    assert likeness[0] > 0.8


def test_lyra_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    monkeypatch.setenv("UNITCODEC_LYRA", str(tmp_path))
    wanted = f"weights not found: no soundstream_encoder.tflite and so on in {tmp_path} (set UNITCODEC_LYRA to the folder"
    assert (lyra.gap() or "").startswith(wanted)
    with pytest.raises(Gap, match="UNITCODEC_LYRA"):
        PEERS["lyra-6k"].code(np.zeros(10, np.float32))
    for name in lyra.FILES:
        (tmp_path / name).touch()
    assert lyra.folder() == tmp_path
    monkeypatch.setattr(lyra, "find_spec", lambda _: None)
    assert PEERS["lyra-6k"].gap() == "not installed: ai-edge-litert"


def test_weights_of_lyra_that_are_damaged_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, speech: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    for name in lyra.FILES:
        (tmp_path / name).write_bytes(b"no weights" * 10)
    monkeypatch.setenv("UNITCODEC_LYRA", str(tmp_path))
    with pytest.raises(Gap) as caught:
        System("lyra-6k", "peer").speak(Utterance(speech, ""), tmp_path / "out")
    assert str(caught.value).startswith(f"{tmp_path / lyra.FILES[0]} is damaged or another file (")
    assert "fetch it again from lyra/model_coeffs" in str(caught.value)


def test_one_file_of_lyra_in_place_of_another_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, talk: FloatArray) -> None:
    coder("lyra-6k")
    place = lyra.folder()
    for name in lyra.FILES:
        (tmp_path / name).symlink_to(place / name)
    (tmp_path / lyra.FILES[2]).unlink()
    (tmp_path / lyra.FILES[2]).symlink_to(place / lyra.FILES[0])
    monkeypatch.setenv("UNITCODEC_LYRA", str(tmp_path))
    with pytest.raises(Gap, match=f"{lyra.FILES[2]} is damaged or another file"):
        PEERS["lyra-6k"].code(talk)


@pytest.mark.parametrize("name", RATES)
def test_bits_and_what_they_leave_out_are_told(name: str) -> None:
    peer = PEERS[name]
    assert peer.counted
    assert peer.left_out
    assert ("last byte" in peer.left_out) == (name in ("codec2-450", "codec2-700c", "codec2-1300", "speex-2150", "lpc10", "gsm"))
    assert peer.bits is None or 1 <= peer.bits(60 * SAMPLE_RATE) / (60 * RATES[name]) < 1.005


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert PEERS["codec2-700c"].gap() == "not installed: c2enc, c2dec"
    assert PEERS["gsm"].gap() == "not installed: sox"
    assert PEERS["original"].gap() is None


def test_a_program_that_fails_says_why() -> None:
    coder("codec2-700c")
    with pytest.raises(RuntimeError, match=r"c2enc exits 1: .*missing\.raw"):
        programs.run("c2enc", "700C", "missing.raw", "out")


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.untrained])
def test_the_published_architecture_runs_without_weights(name: str, talk: FloatArray) -> None:
    untrained = PEERS[name].untrained
    assert untrained is not None
    try:
        code = untrained()
    except Gap as gap:
        pytest.skip(str(gap))
    waveform = talk[: SAMPLE_RATE // 2]
    coded = code(waveform)
    assert coded.waveform.shape == waveform.shape
    assert coded.waveform.dtype == np.float32
    assert np.isfinite(coded.waveform).all()
    np.testing.assert_array_equal(code(waveform).waveform, coded.waveform)
    # Mimi's frame lasts 80 ms, SNAC's 85.
    assert 0.5 <= coded.bits / RATES[name] < 0.586
    assert PEERS[name].bits(len(waveform)) == coded.bits  # type: ignore[misc]
    assert code(np.zeros(10, np.float32)).waveform.shape == (10,)


def narrow(name: str) -> Any:
    """The architecture with a tenth of the width, or less, and random weights."""
    pytest.importorskip(NEURAL[name].package, reason=f"{NEURAL[name].package} is not installed")
    if name.startswith("snac"):
        from snac import SNAC

        return SNAC(24000, 4, [2, 4, 8, 8], None, 32, [8, 8, 4, 2], None, vq_strides=[4, 2, 1])
    import transformers

    if name.startswith("encodec"):
        return transformers.EncodecModel(transformers.EncodecConfig(num_filters=2, hidden_size=8))
    if name.startswith("dac"):
        strides = [2, 4, 5, 8]
        config = transformers.DacConfig(encoder_hidden_size=4, decoder_hidden_size=32, downsampling_ratios=strides, n_codebooks=3)
        return transformers.DacModel(config)
    sizes = {"hidden_size": 16, "num_filters": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    codes = {"codebook_dim": 8, "vector_quantization_hidden_dimension": 8, "num_quantizers": 8, "upsample_groups": 16}
    return transformers.MimiModel(transformers.MimiConfig(**sizes, **codes, intermediate_size=16))


def store(model: Any, repository: str, cache: Path) -> None:
    """Into the layout of the Hugging Face cache, as a download leaves it."""
    import torch

    repo = cache / f"models--{repository.replace('/', '--')}"
    folder = repo / "snapshots" / "0123abc"
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123abc")
    if hasattr(model, "save_pretrained"):
        model.save_pretrained(folder)
        return
    fields = ("sampling_rate", "encoder_dim", "encoder_rates", "decoder_dim", "decoder_rates", "attn_window_size", "vq_strides")
    (folder / "config.json").write_text(json.dumps({field: getattr(model, field) for field in fields}))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty Hugging Face cache, on a machine where any look at the network is an error."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")

    def offline(*_: object) -> None:
        raise AssertionError("looked at the network")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", offline)
    return tmp_path


@pytest.mark.parametrize("name", NEURAL)
def test_weights_come_from_the_local_cache_alone(name: str, cache: Path, talk: FloatArray) -> None:
    model, codec = narrow(name), NEURAL[name]
    wanted = f"weights not found: {codec.repository} is not in the local cache (hf download {codec.repository})"
    assert PEERS[name].gap() == wanted
    with pytest.raises(Gap, match="weights not found"):
        PEERS[name].code(talk)

    store(model, codec.repository, cache)
    assert PEERS[name].gap() is None
    coded = PEERS[name].code(talk)
    same = codec.code(model.eval(), {"encodec-1.5k": 2, "mimi-1.1k": 8, "snac-0.98k": 3, "dac-1k": 2}[name], talk)
    np.testing.assert_array_equal(coded.waveform, same.waveform)
    assert coded.bits == same.bits
    assert 2.5 <= coded.bits / RATES[name] < 2.586


@pytest.mark.parametrize("codec", NEURAL.values(), ids=NEURAL)
def test_a_package_that_is_missing_is_named(codec: Neural) -> None:
    absent = replace(codec, package="no_such_package").peer("absent", 2)
    assert absent.gap() == "not installed: no_such_package"
    assert absent.untrained is not None
    for call in (absent.untrained, lambda: absent.code(np.zeros(10, np.float32))):
        with pytest.raises(Gap, match="not installed: no_such_package"):
            call()
