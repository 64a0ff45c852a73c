"""Contrastive prediction: the loss, its gradient in closed form, and where negatives come from."""

from __future__ import annotations

import pytest
import torch

from unitcodec.training.cpc import GROUP, Predictions, info_nce, negative_frames


def test_the_loss_is_the_cross_entropy_of_the_frame_that_came() -> None:
    torch.manual_seed(0)
    predicted, positive, negatives = torch.randn(2, 6, 4), torch.randn(2, 6, 4), torch.randn(2, 9, 4)
    candidates = torch.cat([positive[1, 3][None], negatives[1]])
    expected = -torch.log_softmax(candidates @ predicted[1, 3], 0)[0]
    assert torch.allclose(info_nce(predicted, positive, negatives)[1, 3], expected, atol=1e-6)


def test_gradient_of_the_context_is_the_mean_candidate_less_the_true_one() -> None:
    """For inner-product scores dL/dc_t = mu_t - x_t, mu_t the softmax mean over the candidates; summed over predictions."""
    torch.manual_seed(0)
    contexts = torch.randn(1, 8, 4, dtype=torch.float64, requires_grad=True)
    encoded, negatives = torch.randn(1, 8, 4, dtype=torch.float64), torch.randn(1, 5, 4, dtype=torch.float64)
    predictions = Predictions(4, 2).double()
    for step in predictions.maps:
        torch.nn.init.eye_(step.weight)
    # Two predictions from each context, each a mean over the frames that have a successor so far ahead.
    (2 * predictions(contexts, encoded, negatives)).sum().backward()
    expected = torch.zeros(8, 4, dtype=torch.float64)
    for ahead in (1, 2):
        for t in range(8 - ahead):
            candidates = torch.cat([encoded[0, t + ahead][None], negatives[0]])
            mu = torch.softmax(candidates @ contexts.detach()[0, t], 0) @ candidates
            expected[t] += (mu - encoded[0, t + ahead]) / (8 - ahead)
    assert torch.allclose(contexts.grad[0], expected, atol=1e-12)


@pytest.mark.parametrize(("source", "own"), [("utterance", 1.0), ("others", 0.0), ("both", 0.5)])
def test_where_negatives_come_from(source: str, own: float) -> None:
    crops, frames, count = 2 * GROUP, 50, 40
    chosen = negative_frames(list(range(crops)), frames, count, source)
    assert chosen.shape == (crops, count)
    whose = chosen // frames
    mine = torch.arange(crops)[:, None]
    assert (whose == mine).double().mean(1).tolist() == [own] * crops
    # Never from another group, which may be another process's.
    assert torch.equal(whose // GROUP, (mine // GROUP).expand(-1, count))


def test_negatives_of_a_crop_depend_on_its_seed_and_group_alone() -> None:
    eight = negative_frames([5, 6, 7, 8, 1, 2, 3, 4], 50, 10, "both")
    four = negative_frames([1, 2, 3, 4], 50, 10, "both")
    assert torch.equal(eight[4:] - 4 * 50, four)


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="negatives from 'afar'"):
        negative_frames([0], 50, 10, "afar")
    with pytest.raises(ValueError, match=f"a multiple of {GROUP}"):
        negative_frames([0], 50, 10, "others")
