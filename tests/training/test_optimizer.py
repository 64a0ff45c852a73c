"""Muon for the matrices between hidden layers, AdamW for the rest."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from unitcodec.errors import UnitcodecError
from unitcodec.training.loop import set_rate
from unitcodec.training.optimizer import Optimizer, make_optimizer


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(80, 96), nn.GELU(), nn.Linear(96, 8), nn.LayerNorm(8))


def _step(network: nn.Module, optimizer: Optimizer, seed: int) -> float:
    x = torch.randn(32, 80, generator=torch.Generator().manual_seed(seed))
    loss: torch.Tensor = (network(x) - x[:, :8]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_matrices_between_hidden_layers_go_to_muon() -> None:
    network = _network()
    adamw, muon = make_optimizer("muon", network, list(network.parameters()), 1e-3).parts
    assert [group["params"] for group in muon.param_groups] == [[network[0].weight]]
    assert sum(len(group["params"]) for group in adamw.param_groups) == 5
    (alone,) = make_optimizer("adamw", network, list(network.parameters()), 1e-3).parts
    assert isinstance(alone, torch.optim.AdamW)


def test_what_is_not_learned_stays() -> None:
    network = _network()
    optimizer = make_optimizer("muon", network, list(network[2].parameters()), 1e-3)
    before = network[0].weight.clone()
    _step(network, optimizer, 0)
    assert torch.equal(network[0].weight, before)
    assert len(optimizer.parts) == 1


def test_a_step_turns_every_direction_of_a_matrix_alike() -> None:
    network = _network()
    optimizer = make_optimizer("muon", network, list(network.parameters()), 1e-2)
    before = network[0].weight.detach().clone()
    _step(network, optimizer, 0)
    sizes = torch.linalg.svdvals(network[0].weight.detach() - before)
    # Eight outputs let a gradient of eight directions through; AdamW's step has one that outweighs the rest.
    assert sizes[0] < 2.5 * sizes[7]


def test_it_goes_on_where_it_was() -> None:
    one = _network()
    optimizer = make_optimizer("muon", one, list(one.parameters()), 1e-2)
    losses = [_step(one, optimizer, step) for step in range(8)]
    assert losses[-1] < losses[0]
    other = _network()
    other.load_state_dict(one.state_dict())
    resumed = make_optimizer("muon", other, list(other.parameters()), 1e-2)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert _step(one, optimizer, 9) == _step(other, resumed, 9)
    assert _step(one, optimizer, 10) == _step(other, resumed, 10)


def test_the_rate_is_set_for_all() -> None:
    network = _network()
    optimizer = make_optimizer("muon", network, list(network.parameters()), 1e-2)
    set_rate(optimizer, 0.5)
    assert {group["lr"] for part in optimizer.parts for group in part.param_groups} == {0.5}


def test_the_state_of_another_kind() -> None:
    network = _network()
    muon, adamw = (make_optimizer(kind, network, list(network.parameters()), 1e-2) for kind in ("muon", "adamw"))
    with pytest.raises(ValueError, match="another kind"):
        muon.load_state_dict(adamw.state_dict())


def test_optimizers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    with pytest.raises(UnitcodecError, match="unknown optimizer 'sgd': one of adamw, muon"):
        make_optimizer("sgd", network, list(network.parameters()), 1e-2)
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(UnitcodecError, match=r"has none; take 2\.9 or later, or 'adamw'"):
        make_optimizer("muon", network, list(network.parameters()), 1e-2)
