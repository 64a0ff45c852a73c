"""The encoder's networks in float64: made when they are asked for, and copies."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from unitcodec import Codec
from unitcodec.encoder.analyser import NetworkAnalyser
from unitcodec.encoder.double import DoubleNetworks
from unitcodec.fields import Fields
from unitcodec.pitch import make_pitch
from unitcodec.speaker import make_speaker


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


def test_units_alone_are_analysed(narrow: Codec) -> None:
    """Neither F0 nor speakers have weights then."""
    networks = copy.deepcopy(narrow.model.networks)
    networks.pitch, networks.speaker = make_pitch("none"), make_speaker("none")
    analyser = NetworkAnalyser(DoubleNetworks(networks, torch.device("cpu")), networks)
    assert analyser.f0_codes(np.zeros(16, np.float32), Fields(0, 0, 0, ())).tolist() == [0, 0]
    assert analyser.voice(np.zeros((1, 80, 8))) == ()


def test_inference_mode_makes_weights_that_autograd_takes(narrow: Codec) -> None:
    with torch.inference_mode():
        double = DoubleNetworks(copy.deepcopy(narrow.model.networks), torch.device("cpu"))
        assert not any(weight.is_inference() for weight in [*double.decoder.parameters(), *double.content.parameters()])
