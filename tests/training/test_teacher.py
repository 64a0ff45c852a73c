"""Whisper's weights as they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import unitcodec
from unitcodec.content.whisper import WhisperEncoder
from unitcodec.errors import UnitcodecError
from unitcodec.model import from_int8, to_int8
from unitcodec.training.settings import WhisperSettings
from unitcodec.training.teacher import PUBLISHED, read_teachers, read_whisper


def test_weights_are_those_that_a_model_folder_will_hold(published_whisper: Path) -> None:
    torch.manual_seed(0)
    given, read = WhisperEncoder().state_dict(), read_whisper(published_whisper).state_dict()
    assert torch.equal(read["layers.0.fc1.bias"], given["layers.0.fc1.bias"].half().float())
    rounded = read["layers.0.fc1.weight"]
    assert torch.equal(from_int8(*to_int8(rounded)), rounded)
    assert 0 < (rounded - given["layers.0.fc1.weight"]).abs().max() < 1e-3


def test_what_is_no_whisper(tmp_path: Path) -> None:
    with pytest.raises(UnitcodecError, match=r"whisper\.checkpoint: needs a folder with Whisper tiny.en"):
        read_whisper(None)
    with pytest.raises(UnitcodecError, match="no model '"):
        read_whisper(tmp_path)
    save_file({PUBLISHED + "conv1.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(UnitcodecError, match="not the weights of Whisper"):
        read_whisper(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UnitcodecError, match="not the weights of Whisper"):
        read_whisper(tmp_path)


def test_a_model_with_whisper_inside_hands_it_on(default_model: Path) -> None:
    inside = unitcodec.load("default", device="cpu").model.networks.content.whisper
    for name in ("default", default_model):
        read = read_whisper(name).state_dict()
        assert all(torch.equal(read[key], value) for key, value in inside.state_dict().items())


def test_teachers_of_other_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    larger = WhisperEncoder(layers=6, width=512, heads=8)
    save_file({PUBLISHED + name: value for name, value in larger.state_dict().items()}, tmp_path / "model.safetensors")
    with pytest.raises(UnitcodecError, match=r"not the weights of Whisper tiny\.en"):
        read_whisper(tmp_path)
    teachers = read_teachers(WhisperSettings(checkpoint="default", teachers=(str(tmp_path), "default")))
    mel = torch.randn(1, 80, 32)
    with torch.no_grad():
        states = teachers(mel)
        assert [state.shape for state in states] == [(1, 16, 512)] * 7 + [(1, 16, 384)] * 5
        # Its heads have 64 values, as all Whispers' have: the same network, its weights rounded.
        torch.testing.assert_close(states[6], larger(mel)[-1], atol=0.05, rtol=0.0)
    alone = read_teachers(WhisperSettings(checkpoint="default"))
    assert len(alone.networks) == 1
    assert not any(each.requires_grad for each in teachers.parameters())
