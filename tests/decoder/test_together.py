"""Streams that are spoken side by side sound as each does alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bitstream import SpeechCodes
from unitcodec import codec as codec_module
from unitcodec.codec import Codec
from unitcodec.configuration import ModelConfig
from unitcodec.decoder import together
from unitcodec.decoder.piece import NetworkVoice
from unitcodec.decoder.stream import Piece
from unitcodec.model import Model, Networks

PACKET = 40960
LENGTHS = (3000, 5 * PACKET + 777, 1, PACKET, 0, 4 * PACKET, 4 * PACKET + 1, 9 * PACKET - 300, 640, 4 * PACKET + 30000, 90001)


def _codes(model: Model, lengths: Sequence[int]) -> list[SpeechCodes]:
    """Random codes of so many samples each, in random voices."""
    rng, spec = np.random.default_rng(0), model.entropy.spec
    found = []
    for samples in lengths:
        frames, f0_frames, _ = spec.frames(samples)
        units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows]).astype(np.int32)
        f0 = rng.integers(spec.f0.alphabet, size=f0_frames).astype(np.int32)
        speaker = np.array([rng.integers(size) for size in spec.speaker], np.int32)
        speaker[2] = 40  # no louder than speech: one tolerance serves all
        found.append(SpeechCodes(units, f0, speaker, samples, model.entropy.fingerprint))
    return found


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lists are spoken as on a GPU; how many streams were each time."""
    sizes: list[int] = []
    speak = together.speak_together

    def noted(voices: Sequence[NetworkVoice], pieces: Sequence[Piece]) -> list[np.ndarray]:
        sizes.append(len(pieces))
        return speak(voices, pieces)

    monkeypatch.setattr(together, "speak_together", noted)
    monkeypatch.setattr(codec_module, "side_by_side", lambda networks: True)
    return sizes


def _assert_alone(codec: Codec, codes: Sequence[SpeechCodes], waves: Sequence[np.ndarray], within: float = 1e-5) -> None:
    for one, wave in zip(codes, waves, strict=True):
        alone = codec.decode(one)
        assert wave.shape == alone.shape == (one.num_samples,)
        assert wave.dtype == np.float32
        assert np.abs(wave - alone).max(initial=0.0) <= within * max(1.0, np.abs(alone).max(initial=0.0))


def test_lengths_of_all_kinds(narrow: Codec, batches: list[int]) -> None:
    codes = _codes(narrow.model, LENGTHS)
    waves = narrow.decode(codes)
    _assert_alone(narrow, codes, waves)
    assert max(np.abs(wave).max(initial=0.0) for wave in waves) > 0.01
    # Those that have any sound; then those of more than one piece, of more than two.
    assert batches == [10, 4, 1]


def test_order_does_not_show(narrow: Codec, batches: list[int]) -> None:
    codes = _codes(narrow.model, LENGTHS[:7])
    for one, other in zip(narrow.decode(codes), reversed(narrow.decode(codes[::-1])), strict=True):
        assert np.array_equal(one, other)


def test_generator_that_matches_and_decoder_that_remembers(narrow: Codec, batches: list[int]) -> None:
    values = {**narrow.model.config.__dict__}
    values["generator"] = {**values["generator"], "matching": 2}
    values["decoder"] = {**values["decoder"], "memory": (1, 5, 2)}
    torch.manual_seed(0)
    networks = Networks(ModelConfig(**values)).eval()
    networks.load_state_dict(narrow.model.networks.state_dict(), strict=False)
    # What remembers begins as if it were not there.
    torch.nn.init.constant_(networks.decoder.memory[0].scale, 0.5)
    codec = Codec(replace(narrow.model, networks=networks), "cpu")
    codes = _codes(codec.model, LENGTHS[:7])
    _assert_alone(codec, codes, codec.decode(codes))


def test_losses_and_silence(narrow: Codec, batches: list[int]) -> None:
    first, second, third = _codes(narrow.model, [9 * PACKET + 500, 14 * PACKET, 3 * PACKET])
    frames = first.units.shape[1]
    first = replace(first, lost=((70, 90), (frames - 3, frames)))
    # A piece in the midst of it is not spoken at all.
    second = replace(second, lost=((3 * 64, 13 * 64),))
    codes = [first, second, replace(third, lost=((0, third.units.shape[1]),))]
    waves = narrow.decode(codes)
    # In a hole that is not spoken the phase goes on by one multiplication.
    _assert_alone(narrow, codes, waves)
    assert not waves[2].any()
    assert batches == [2, 1, 1, 1]


def test_one_none_and_many(narrow: Codec, batches: list[int]) -> None:
    assert narrow.decode([]) == []
    codes = _codes(narrow.model, [1000 + 700 * index for index in range(together.STREAMS + 3)])
    _assert_alone(narrow, codes[:1], narrow.decode(codes[:1]))
    assert not batches
    _assert_alone(narrow, codes, narrow.decode(codes))
    assert batches == [together.STREAMS, 3]
    assert not any(map(len, narrow.decode(_codes(narrow.model, [0, 0]))))


def test_a_caller_that_casts(narrow: Codec, batches: list[int]) -> None:
    codes = _codes(narrow.model, [20000, 30000])
    waves = narrow.decode(codes)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(np.array_equal(*pair) for pair in zip(narrow.decode(codes), waves, strict=True))


def test_speech_of_the_default_model(codec: Codec, speech: Path, batches: list[int]) -> None:
    whole = codec.encode(speech)
    cut = replace(whole, units=whole.units[:, :75], f0=whole.f0[:38], num_samples=75 * 640 - 100)
    codes = [whole, cut]
    _assert_alone(codec, codes, codec.decode(codes))
    assert batches == [2]


def test_on_a_cpu_and_with_other_generators_one_by_one(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_module, "decode_together", lambda *_: pytest.fail("together"))
    codes = _codes(narrow.model, [3000, 5000])
    _assert_alone(narrow, codes, narrow.decode(codes), 0.0)
    networks = Networks(replace(narrow.model.config, generator={"kind": "hifigan", "initial_channels": 32})).to("meta")
    assert not together.side_by_side(networks)
    assert together.side_by_side(Networks(narrow.model.config).to("meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, sizes = Codec(narrow.model, "cuda"), []
    # The digits that TF32 drops depend on the last ones of what it is given.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    decode = together.decode_together
    monkeypatch.setattr(codec_module, "decode_together", lambda *a: sizes.append(len(a[2])) or decode(*a))
    codes = _codes(narrow.model, LENGTHS)
    _assert_alone(gpu, codes, gpu.decode(codes), 1e-4)
    assert sizes == [len(LENGTHS)]
