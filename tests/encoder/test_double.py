"""The encoder's networks in float64: made when they are asked for, and copies."""

from __future__ import annotations

import copy

import pytest
import torch

from unitcodec import Codec
from unitcodec.encoder.double import DoubleNetworks


def test_parts_are_made_when_asked_for_and_share_nothing(narrow: Codec) -> None:
    given = narrow.model.networks
    double, expected = DoubleNetworks(given, torch.device("cpu")), copy.deepcopy(given).double()
    assert {name for name, _ in double.named_children()} == {"pitch", "speaker"}
    for name in ("content", "decoder"):
        assert getattr(double, name) is getattr(double, name)
    assert {name for name, _ in double.named_children()} == {"pitch", "speaker", "content", "decoder"}
    shared = {tensor.data_ptr() for tensor in given.state_dict().values()}
    for name, tensor in double.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name])
        assert tensor.dtype == expected.state_dict()[name].dtype
        assert tensor.data_ptr() not in shared
    assert not any(weight.requires_grad for weight in double.parameters())
    assert not any(part.training for part in double.modules())
    with pytest.raises(AttributeError):
        _ = double.generator


def test_a_model_without_a_mel_decoder_has_none_here(narrow: Codec) -> None:
    without = copy.deepcopy(narrow.model.networks)
    del without.decoder
    with pytest.raises(AttributeError):
        _ = DoubleNetworks(without, torch.device("cpu")).decoder


def test_inference_mode_makes_weights_that_autograd_takes(narrow: Codec) -> None:
    with torch.inference_mode():
        double = DoubleNetworks(copy.deepcopy(narrow.model.networks), torch.device("cpu"))
        assert not any(weight.is_inference() for weight in [*double.decoder.parameters(), *double.content.parameters()])
