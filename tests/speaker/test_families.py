"""Kinds of speaker encoders: chosen by name, alike in what they offer."""

from __future__ import annotations

import pytest
import torch

from unitcodec.speaker import make_speaker
from unitcodec.speaker.encoder import SpeakerEncoder
from unitcodec.speaker.none import NoSpeaker
from unitcodec.speaker.table import SpeakerTable


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, SpeakerEncoder),
        ({"kind": "encoder", "fields": 3}, SpeakerEncoder),
        ({"kind": "table", "size": 5, "voice": 2}, SpeakerTable),
        ({"kind": "none"}, NoSpeaker),
    ],
)
def test_kinds(options: dict[str, object], kind: type) -> None:
    made = make_speaker(**options)  # type: ignore[arg-type]
    assert isinstance(made, kind)
    codes = made.encode(torch.randn(2, 80, 20))
    assert (codes.shape, codes.dtype) == ((2, len(made.alphabets)), torch.int64)
    assert made.decode(codes).shape == (2, made.channels)


def test_a_table_sends_its_voice_and_speaks_any() -> None:
    table = make_speaker("table", size=4, voice=2)
    assert table.encode(torch.randn(1, 80, 2)).tolist() == [[2]]
    assert table.decode(torch.tensor([[3], [0]])).tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]


def test_voices_that_nothing_was_heard_of_are_not_searched() -> None:
    for made in (make_speaker("table", size=5, voice=2), make_speaker("none")):
        codes = made.encode(torch.zeros(1, 80, 2))
        assert made.searched(codes, lambda _, vector: vector.sum(), 3) is codes


def test_kinds_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="unknown speaker encoder 'x'"):
        make_speaker("x")
    with pytest.raises(TypeError):
        make_speaker("none", size=3)
    for voice in (-1, 4):
        with pytest.raises(ValueError, match="the table has 4"):
            make_speaker("table", size=4, voice=voice)
