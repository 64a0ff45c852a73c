"""Units by analysis by synthesis: heard more like the recording, and how they were come by does not show."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from bitstream import SpeechCodes
from unitcodec.content.whisper import WhisperContentEncoder, difference, whisper_mel
from unitcodec.encoder.stream import Checkpoint
from unitcodec.errors import ModelError
from unitcodec.frames import level_gain

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def wave(speech: Path) -> np.ndarray:
    """5.7 s: three packets, the last one short, of an odd number of frames."""
    said, _ = soundfile.read(speech, dtype="float32")
    return np.concatenate([said, 0.6 * said[::-1]])[:91000]


@pytest.fixture(scope="module")
def plain(codec: Codec, wave: np.ndarray) -> SpeechCodes:
    return codec.encode(wave, 16000)


@pytest.fixture(scope="module")
def searched(codec: Codec, wave: np.ndarray) -> SpeechCodes:
    return codec.encode(wave, 16000, effort=2)


def _misheard(codec: Codec, wave: np.ndarray, codes: SpeechCodes) -> float:
    """How far from the recording a recogniser hears what is decoded."""
    content = codec.model.networks.content
    assert isinstance(content, WhisperContentEncoder)
    gain = np.float32(level_gain(int(codes.speaker[2])))
    with torch.inference_mode():
        mels = (whisper_mel(torch.from_numpy(each * gain)[None, :90880]) for each in (wave, codec.decode(codes)))
        return float(difference(*map(content.whisper, mels)))


def test_what_is_decoded_is_heard_more_like_the_recording(
    codec: Codec, wave: np.ndarray, plain: SpeechCodes, searched: SpeechCodes
) -> None:
    assert np.array_equal(searched.f0, plain.f0)
    assert np.array_equal(searched.speaker, plain.speaker)
    assert searched.units.shape == plain.units.shape
    assert _misheard(codec, wave, searched) < 0.995 * _misheard(codec, wave, plain)


def test_the_rate_is_kept(codec: Codec, wave: np.ndarray) -> None:
    assert 8 * len(codec.compress(wave, 16000, effort=2)) / (len(wave) / 16000) <= 365
    low = codec.compress(wave, 16000, bitrate=250, effort=1)
    assert len(low) < 0.85 * len(codec.compress(wave, 16000, effort=1))


@pytest.mark.parametrize("cuts", [[1, 40959, 40961], list(range(0, 91000, 3777))])
def test_how_a_stream_is_cut_does_not_show(codec: Codec, wave: np.ndarray, searched: SpeechCodes, cuts: list[int]) -> None:
    assert codec.encode_blocks(iter(np.split(wave, cuts)), effort=2) == searched


def test_threads_and_batches_do_not_show(codec: Codec, wave: np.ndarray, searched: SpeechCodes) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert codec.encode([wave[:30000], wave], 16000, effort=2)[1] == searched
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("given", ["autocast", "matmul", "dtype"])
def test_what_the_caller_allows_does_not_show(codec: Codec, wave: np.ndarray, given: str) -> None:
    """It must not: the same recording would have other units inside a training loop."""
    plain, part = torch.get_float32_matmul_precision(), wave[16000:26000]
    expected = codec.encode(part, 16000, effort=1)
    try:
        if given == "matmul":
            torch.set_float32_matmul_precision("medium")
        elif given == "dtype":
            torch.set_default_dtype(torch.float64)
        with torch.autocast("cpu", torch.bfloat16, enabled=given == "autocast"):
            assert codec.encode(part, 16000, effort=1) == expected
        assert torch.get_float32_matmul_precision() == ("medium" if given == "matmul" else plain)
    finally:
        torch.set_float32_matmul_precision(plain)
        torch.set_default_dtype(torch.float32)


def test_searches_in_several_threads_do_not_show(codec: Codec, wave: np.ndarray) -> None:
    short, threads = wave[:20000], torch.get_num_threads()
    alone = codec.compress(short, 16000, effort=2)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: codec.compress(short, 16000, effort=2), range(3))) == [alone] * 3
    assert torch.get_num_threads() == threads


def test_it_goes_on_where_another_encoder_stood(codec: Codec, wave: np.ndarray) -> None:
    long = np.tile(wave, 3)[:220000]
    first, pieces = codec.encoder(effort=1), list[bytes]()
    for block in np.array_split(long, 30):
        pieces += first.push(block)
        if first.checkpoint is not None:
            break
    second = codec.encoder(effort=1, resume=first.checkpoint)
    assert b"".join([*pieces, *second.push(long), *second.flush()]) == codec.compress(long, 16000, effort=1)


def test_a_checkpoint_that_is_none(codec: Codec) -> None:
    for before in (None, ([[0]], [0]), ([["x"]], [0]), "units"):
        checkpoint = Checkpoint(2, tuple(codec.encode(np.ones(9), 16000).speaker.tolist()), {"allowance": [0, 2]}, before)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no checkpoint of this encoder"):
            codec.encoder(effort=1, resume=checkpoint)


def test_a_checkpoint_of_a_search_is_none_without_one(narrow: Codec) -> None:
    speaker = tuple(narrow.encode(np.ones(9), 16000).speaker.tolist())
    for before in (([[0]], [0]), "units"):
        with pytest.raises(ValueError, match="no checkpoint of this encoder: it searches for units"):
            narrow.encoder(resume=Checkpoint(2, speaker, {"allowance": [0, 2]}, before))  # type: ignore[arg-type]
    for resume in (2, "journal", {}, (2, speaker)):
        with pytest.raises(ValueError, match="no checkpoint of this encoder"):
            narrow.encoder(resume=resume)  # type: ignore[call-overload]


def test_shortest_recordings(codec: Codec, wave: np.ndarray) -> None:
    for samples in (1, 641, 1281):
        assert codec.encode(wave[20000 : 20000 + samples], 16000, effort=1).num_samples == samples
    assert codec.decode(codec.encode(np.zeros(5000, np.float32), 16000, effort=1)).shape == (5000,)


@pytest.mark.parametrize("effort", [-1, 1001, 2.5, True, "3", None])
def test_an_effort_that_is_none(codec: Codec, wave: np.ndarray, effort: object) -> None:
    with pytest.raises(ValueError, match=r"effort is .*; it must be a whole number of steps from 0 to 1000"):
        codec.encode(wave, 16000, effort=effort)  # type: ignore[call-overload]


def test_models_that_have_nothing_to_search_with(narrow: Codec, wave: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"effort .* needs a model with Whisper inside"):
        narrow.encode(wave, 16000, effort=1)


def test_live_packets_cannot_wait(codec: Codec) -> None:
    with pytest.raises(ValueError, match="about files"):
        codec.encoder(live=True, effort=1)  # type: ignore[call-overload]
