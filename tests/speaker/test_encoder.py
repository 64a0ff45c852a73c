"""The speaker encoder: 32 fields of 2 bits whatever the length."""

from __future__ import annotations

import pytest
import torch

from unitcodec.speaker.encoder import SpeakerEncoder


@pytest.mark.parametrize("frames", [2, 8, 300])
def test_codes_and_vector(frames: int) -> None:
    torch.manual_seed(0)
    encoder = SpeakerEncoder(channels=16)
    mel = torch.randn(3, 80, frames)
    codes = encoder.encode(mel)
    assert codes.shape == (3, 32)
    assert codes.dtype == torch.int64
    assert int(codes.min()) >= 0
    assert int(codes.max()) <= 3
    vector = encoder.decode(codes)
    assert vector.shape == (3, 32)
    assert torch.allclose(vector, encoder.quantizer(encoder.latent(mel)[..., None])[0][..., 0], atol=1e-6)


def test_the_order_of_distant_parts_hardly_matters() -> None:
    torch.manual_seed(0)
    encoder = SpeakerEncoder(channels=16).double()
    mel = torch.randn(1, 80, 2000, dtype=torch.float64)
    turned = torch.cat([mel[..., 1000:], mel[..., :1000]], 2)
    assert torch.allclose(encoder.latent(mel), encoder.latent(turned), atol=2e-3)


def test_repeating_the_speech_changes_nothing_but_at_the_joins() -> None:
    torch.manual_seed(0)
    encoder = SpeakerEncoder(channels=16).double()
    mel = torch.randn(1, 80, 1000, dtype=torch.float64)
    assert torch.allclose(encoder.latent(mel), encoder.latent(mel.repeat(1, 1, 3)), atol=5e-3)


def test_a_search_goes_down_to_the_codes_that_are_wanted() -> None:
    torch.manual_seed(0)
    encoder = SpeakerEncoder(channels=16, fields=8).double()
    wanted, start = torch.randint(4, (3, 8)), torch.randint(4, (3, 8))
    target, seen = encoder.decode(wanted, torch.float64), []

    def error(step: int, vector: torch.Tensor) -> torch.Tensor:
        seen.append(step)
        return (vector - target).square().sum()

    assert torch.equal(encoder.searched(start, error, 0), start)
    few, many = encoder.searched(start, error, 3), encoder.searched(start, error, 30)
    assert seen == [0, 1, 2, *range(30)]
    before, after = (error(0, encoder.decode(codes, torch.float64)) for codes in (start, few))
    assert after < before
    assert torch.equal(many, wanted)
    assert many.dtype == torch.int64


def test_a_search_works_where_its_caller_wants_no_gradients() -> None:
    encoder, start = SpeakerEncoder(channels=16, fields=4), torch.tensor([[3, 2, 1, 0]])
    with torch.inference_mode():
        codes = encoder.encode(torch.randn(1, 80, 20))
        assert not torch.equal(encoder.searched(codes, lambda _, vector: vector.sum(), 9), codes)
    assert encoder.searched(start, lambda _, vector: vector.sum(), 30).tolist() == [[0, 0, 0, 0]]
    assert not any(weight.grad is not None for weight in encoder.parameters())


def test_a_search_that_meets_no_number_ends_where_it_began() -> None:
    encoder, start = SpeakerEncoder(channels=16, fields=4), torch.tensor([[3, 2, 1, 0]])
    assert torch.equal(encoder.searched(start, lambda step, vector: vector.sum() * (torch.nan if step else 1.0), 5), start)
