"""The loss on what Whisper's decoder reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from unitcodec.errors import UnitcodecError
from unitcodec.training.words import END, NO_TIMES, START, WordLoss, read_decoder

transformers = pytest.importorskip("transformers", reason="needs the extra ssl")


@pytest.fixture(scope="module")
def loss() -> WordLoss:
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=START + 200,
        d_model=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        max_target_positions=64,
    )
    decoder = transformers.models.whisper.modeling_whisper.WhisperDecoder(config)
    # So that what is heard decides.
    torch.nn.init.normal_(decoder.embed_tokens.weight, std=1.0)
    return WordLoss(decoder)


def test_what_is_read_alike_costs_nothing_and_the_rest_teaches(loss: WordLoss) -> None:
    wanted = torch.randn(3, 100, 32)
    said = torch.stack([wanted[0], wanted[1] + torch.randn(100, 32), torch.randn(100, 32)]).requires_grad_()
    found = loss(wanted, said)
    assert found.shape == (3,)
    # Token by token and all at once are not rounded alike.
    assert found[0].item() == pytest.approx(0.0, abs=1e-3)
    assert found[2] > 10 * found[0].abs()
    found.sum().backward()
    assert said.grad is not None
    assert said.grad[2].abs().max() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_a_transcript_is_greedy_and_bounded(loss: WordLoss) -> None:
    states = torch.randn(2, 50, 32).to(loss.dtype)
    tokens, scores = loss.transcribe(states)
    assert tokens[:, :2].tolist() == [[START, NO_TIMES]] * 2
    # A second of speech.
    assert scores.shape[:2] == (2, tokens.shape[1] - 2)
    assert scores.shape[1] <= 6
    torch.testing.assert_close(scores.exp().sum(2), torch.ones(scores.shape[:2]))
    assert torch.equal(scores[:, 0].argmax(1), tokens[:, 2])


def test_nothing_counts_after_the_end(loss: WordLoss, monkeypatch: pytest.MonkeyPatch) -> None:
    states = torch.randn(1, 100, 32)
    tokens, scores = loss.transcribe(states.to(loss.dtype))
    ended = tokens.clone()
    ended[:, 3:] = END
    rough = scores.clone()
    rough[:, 2:] -= 5.0

    def told(tokens: torch.Tensor, scores: torch.Tensor) -> Any:
        monkeypatch.setattr(loss, "transcribe", lambda states: (tokens, scores))
        return loss(states, states + 0.5)

    torch.testing.assert_close(told(ended, scores), told(ended, rough))
    assert not torch.allclose(told(tokens, scores), told(tokens, rough))


def test_a_folder_without_such_a_decoder(tmp_path: Path) -> None:
    with pytest.raises(UnitcodecError, match=r"whisper\.decoder: a word loss needs a folder"):
        read_decoder(None)
    with pytest.raises(UnitcodecError, match="not Whisper as transformers has it"):
        read_decoder(tmp_path)
