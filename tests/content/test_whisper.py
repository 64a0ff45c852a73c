"""Whisper's encoder as published, and the content encoder that hears with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unitcodec.content import make_content
from unitcodec.content.fsq import ContentEncoder
from unitcodec.content.whisper import WhisperContentEncoder, WhisperEncoder, whisper_mel


@pytest.fixture(scope="module")
def waveform(speech: Path) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(speech, dtype="float64")[0][None, : 160 * 348])


@pytest.fixture(scope="module")
def encoder() -> WhisperContentEncoder:
    """Random weights throughout."""
    torch.manual_seed(0)
    result = WhisperContentEncoder(levels=(7, 5), channels=(16, 24), blocks=(1, 1), width=32)
    for layer in (result.enter, result.leave):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return result.double().eval()


def test_the_network_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra ssl")
    config = transformers.WhisperConfig(
        d_model=384, encoder_layers=2, encoder_attention_heads=6, encoder_ffn_dim=1536, max_source_positions=50
    )
    torch.manual_seed(0)
    theirs = transformers.models.whisper.modeling_whisper.WhisperEncoder(config).eval()
    ours = WhisperEncoder(layers=2).eval()
    state = theirs.state_dict()
    del state["embed_positions.weight"]
    ours.load_state_dict(state)
    mel = torch.randn(2, 80, 100)
    with torch.no_grad():
        wanted = theirs(mel, output_hidden_states=True)
        states = ours(mel)
    assert len(states) == 3
    torch.testing.assert_close(states[0], wanted.hidden_states[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(states[-1], wanted.last_hidden_state, rtol=1e-4, atol=1e-4)


def test_the_front_end_is_that_of_transformers(waveform: torch.Tensor) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra ssl")
    # So loud that the loudest frame is the one that LOUDEST speaks of.
    theirs = transformers.WhisperFeatureExtractor()(waveform[0].numpy(), sampling_rate=16000, return_tensors="np")
    wanted = theirs["input_features"][0, :, :348]
    ours = whisper_mel(waveform)[0].numpy()
    floor = max(wanted.min(), ours.min()) + 1e-3
    # The first frames see samples before the waveform: there reflected, here zero.
    both = (np.arange(348) > 1) & (np.arange(348) < 346) & (wanted > floor) & (ours > floor)
    assert both.mean() > 0.8
    assert np.abs(wanted - ours)[both].max() < 1e-4


def test_it_begins_as_the_convolutional_encoder(waveform: torch.Tensor) -> None:
    torch.manual_seed(0)
    with_words = WhisperContentEncoder(channels=(16, 24), blocks=(1, 1), width=32).double()
    plain = ContentEncoder(levels=(10, 10, 10, 10), channels=(16, 24), blocks=(1, 1)).double()
    missing, unexpected = with_words.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"whisper", "listen", "neighbours", "enter", "leave"}
    from unitcodec.content import hear

    assert torch.equal(with_words.encode(waveform), plain.encode(hear(plain, waveform)))


def test_a_unit_hears_the_whole_window(encoder: WhisperContentEncoder, waveform: torch.Tensor) -> None:
    heard = waveform.clone().requires_grad_()
    with torch.no_grad():
        before = encoder.latent(heard)
        changed = heard.clone()
        changed[:, -1600:] = 0
        after = encoder.latent(changed)
    assert before.shape == (1, 2, 87)
    assert (before[..., 0] - after[..., 0]).abs().max() > 1e-6
    assert encoder.windowed
    assert encoder.context >= 44


@pytest.mark.parametrize("own", [slice(0, 8), slice(30, 38), slice(79, 87), slice(0, 87)])
def test_of_some_units_only_what_they_need_is_computed(
    encoder: WhisperContentEncoder, waveform: torch.Tensor, own: slice
) -> None:
    with torch.no_grad():
        part, whole = encoder.latent_of(waveform, own), encoder.latent(waveform)
    assert torch.allclose(part, whole[..., own], rtol=0, atol=1e-12)


def test_batches_and_threads_do_not_show(encoder: WhisperContentEncoder, waveform: torch.Tensor) -> None:
    threads = torch.get_num_threads()
    try:
        with torch.inference_mode():
            torch.set_num_threads(1)
            alone = encoder.latent(waveform)
            torch.set_num_threads(2)
            batch = encoder.latent(torch.cat([waveform * 0.5, waveform]))[1:]
    finally:
        torch.set_num_threads(threads)
    assert (alone - batch).abs().max() < 1e-10


def test_only_what_was_published_stays_as_it_is(encoder: WhisperContentEncoder, waveform: torch.Tensor) -> None:
    learning = WhisperContentEncoder(levels=(7, 5), channels=(16, 24), blocks=(1, 1), width=32)
    values, _, _ = learning.quantize(waveform.float())
    values.sum().backward()
    learned = {name.split(".")[0] for name, parameter in learning.named_parameters() if parameter.grad is not None}
    assert learned == {"stem", "fast", "reduce", "slow", "head", "enter", "leave", "listen", "neighbours"}


def test_states_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"states \[6\] of a Whisper of 4 layers"):
        make_content("whisper", taken=[6])
