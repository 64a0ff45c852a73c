"""bfloat16 where it pays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unitcodec.errors import UnitcodecWarning
from unitcodec.training import optimizer, precision


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_products(pays: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "pays", lambda device: pays)
    with precision.bfloat16("cpu", wanted):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert made.dtype == (torch.bfloat16 if pays and wanted else torch.float32)


@pytest.mark.parametrize(("slower", "pays"), [(torch.bfloat16, False), (torch.float32, True)])
def test_what_is_measured_decides(slower: torch.dtype, pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_seconds", lambda a, b: 2.0 if a.dtype == slower else 1.0)
    assert precision.pays.__wrapped__("cpu") is pays
    assert precision.pays.__wrapped__("cuda")


def test_muon_says_where_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Linear(64, 64)
    monkeypatch.setattr(optimizer, "pays", lambda device: False)
    with pytest.warns(UnitcodecWarning, match="'adamw' is faster here"):
        optimizer.make_optimizer("muon", network, list(network.parameters()), 1e-3)
