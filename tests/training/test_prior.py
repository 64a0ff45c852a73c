"""Codes trained to a rate: the prior looks only back, its bits are right, and the control finds the weight."""

from __future__ import annotations

import pytest
import torch

from unitcodec.quantize import FSQ
from unitcodec.training.prior import Prior, RateTerm


def _coded(levels: tuple[int, ...], frames: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    quantizer = FSQ(list(levels))
    codes = quantizer.encode(torch.randn(2, len(levels), frames))
    return quantizer.decode(codes), codes


def test_a_code_is_predicted_from_what_the_decoder_has_by_then() -> None:
    prior, (values, _) = Prior((8, 8, 5)), _coded((8, 8, 5))
    torch.nn.init.normal_(prior.within)
    costs = prior(values)
    assert torch.allclose(torch.exp2(-costs).sum(3), torch.ones(2, 12, 3), atol=1e-5)
    assert costs[:, :, 2, 5:].isinf().all()
    changed = values.clone()
    changed[:, 1, 7] += 0.5
    moved = (torch.exp2(-prior(changed)) - torch.exp2(-costs)).abs().amax((0, 3)) > 1e-6
    assert not moved[:7].any()
    assert moved[7].tolist() == [False, False, True]
    assert moved[8:].all()


def test_bits_teach_the_prior_and_push_the_codes_apart() -> None:
    prior, (values, codes) = Prior((8, 8, 5)), _coded((8, 8, 5))
    values.requires_grad_()
    own, pushing = prior.bits(values, codes)
    expected = prior(values).gather(3, codes.transpose(1, 2)[..., None]).sum((1, 2, 3)) / 12
    assert own.tolist() == pytest.approx(expected.tolist())
    own.mean().backward()
    assert values.grad is None
    assert prior.head.weight.grad is not None
    prior.zero_grad()
    pushing.backward()
    assert prior.head.weight.grad is None
    # A step from a code to the next one up changes the loss by the difference of the neighbours' costs, halved between two.
    costs, code = prior(values.detach()), int(codes[0, 0, 4])  # type: ignore[unreachable]
    above, below = min(code + 1, 7), max(code - 1, 0)
    slope = (costs[0, 4, 0, above] - costs[0, 4, 0, below]) / (above - below) / (2 * 12)
    assert values.grad is not None
    assert values.grad[0, 0, 4].item() == pytest.approx(slope.item() * 3.5, rel=1e-4)


def test_the_prior_learns_what_repeats() -> None:
    torch.manual_seed(0)
    prior = Prior((4, 4), hidden=16)
    codes = torch.arange(40).remainder(4).expand(2, 2, 40)
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    values = FSQ([4, 4]).decode(codes)
    for _ in range(80):
        optimizer.zero_grad()
        prior.bits(values, codes)[0].mean().backward()
        optimizer.step()
    assert prior.bits(values, codes)[0].mean().item() < 1.0  # 4 of fixed length


def test_the_rate_is_asked_of_the_nearest_codes_alone() -> None:
    values, codes = _coded((8, 8, 5))
    term = RateTerm((8, 8, 5), 4.0)
    each = term.prior.bits(values, codes)[0].tolist()
    assert each[0] != each[1]
    _, logged = term.step(values, codes, torch.tensor([False, True]))
    assert logged["rate"] == pytest.approx(each[1])
    weight = term.weight
    assert term.step(values, codes, torch.tensor([False, False]))[1]["rate"] == 4.0
    assert term.weight == weight


def test_the_weight_moves_until_codes_cost_what_they_may() -> None:
    term = RateTerm((8, 8), 10.0)
    for _ in range(2000):
        term.update(14.0 - 100 * term.weight)
    assert 14.0 - 100 * term.weight == pytest.approx(10.0, rel=0.01)


def test_a_term_goes_on_where_it_was() -> None:
    values, codes = _coded((8, 8, 5))
    one = RateTerm((8, 8, 5), 4.0)
    for _ in range(3):
        loss, logged = one.step(values.clone().requires_grad_(), codes)
    assert logged["rate"] > 4.0
    assert loss.requires_grad
    other = RateTerm((8, 8, 5), 4.0)
    other.load_state_dict(one.state_dict())
    assert other.weight == one.weight > logged["weight"]
    assert other.cost(values, codes) == one.cost(values, codes) < logged["rate"]
