"""The speaker code by analysis by synthesis: nearer to what was said, and only the voice of the fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

import unitcodec
from unitcodec.decoder.mel import decode_mel
from unitcodec.encoder import voice
from unitcodec.encoder.excerpt import Excerpt
from unitcodec.encoder.voice import find_voice, search_voice
from unitcodec.features import log_mel
from unitcodec.fields import Fields
from unitcodec.frames import level_gain, normalise

if TYPE_CHECKING:
    from unitcodec.codec import Codec
    from unitcodec.model import Networks


def _distance(codec: Codec, wave: np.ndarray, steps: int) -> tuple[Fields, float]:
    """The fields, and the mean distance of the decoded log-mel from that of the speech."""
    codec = type(codec)(replace(codec.model, config=replace(codec.model.config, voice_search=steps)), "cpu")
    codes = codec.encode(wave, 16000)
    fields = Fields.from_codes(codes.speaker)
    units, f0 = (torch.tensor(part).long()[None] for part in (codes.units, codes.f0))
    with torch.inference_mode():
        mel = normalise(log_mel(torch.from_numpy(wave)[None] * float(level_gain(fields.level))))
        decoded, _, _ = decode_mel(codec._float, units, f0, fields)
    return fields, float((decoded[..., : mel.shape[2]] - mel).abs().mean())


@pytest.mark.parametrize("seconds", [1.28, 2.56, 7.68])
def test_the_voice_that_is_found_comes_nearer(codec: Codec, speech: Path, seconds: float) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=round(16000 * seconds))
    (plain, far), (found, near) = (_distance(codec, wave, steps) for steps in (0, 6))
    assert found.voice != plain.voice
    assert replace(found, voice=plain.voice) == plain
    assert near < 0.99 * far


def test_units_and_f0_do_not_depend_on_it(narrow: Codec, speech: Path) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=50000)
    plain = type(narrow)(replace(narrow.model, config=replace(narrow.model.config, voice_search=0)), "cpu").encode(wave, 16000)
    searched = narrow.encode(wave, 16000)
    assert searched == replace(plain, speaker=searched.speaker)
    assert not np.array_equal(searched.speaker, plain.speaker)


def test_a_short_last_packet_takes_no_steps_from_the_others(codec: Codec, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=45000)
    seen: list[int] = []

    def noted(exact: Networks, fast: Networks | None, fields: Fields, excerpts: list[Excerpt], steps: int) -> Fields:
        seen.append(len(excerpts))
        return find_voice(exact, fast, fields, excerpts, steps)

    monkeypatch.setattr("unitcodec.encoder.analyser.find_voice", noted)
    for samples in (20000, 40960, 45000, 40960 + 20480):
        codec.encode(np.pad(wave, (0, max(0, samples - len(wave))), "wrap")[:samples], 16000)
    assert seen == [1, 1, 1, 2]


def test_a_caller_without_gradients(narrow_folder: Path, speech: Path) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=30000)
    expected = unitcodec.load(narrow_folder, device="cpu").encode(wave, 16000)
    with torch.inference_mode():
        codec = unitcodec.load(narrow_folder, device="cpu")
        assert codec.encode(wave, 16000) == expected
    assert codec.encode(wave, 16000) == expected
    with torch.no_grad():
        assert codec.encode(wave, 16000) == expected
    assert not any(weight.grad is not None for weight in codec._double.parameters())


def test_float32_finds_the_same_or_says_that_it_does_not_know(
    codec: Codec, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave, _ = soundfile.read(speech, dtype="float32", frames=16000 * 9)
    asked: list[tuple[torch.dtype, Fields | None]] = []

    def noted(networks: Networks, *arguments: Any) -> Fields | None:
        asked.append((next(networks.parameters()).dtype, search_voice(networks, *arguments)))
        return asked[-1][1]

    monkeypatch.setattr(voice, "search_voice", noted)
    speakers = []
    # No latent is half a step from all borders; and all are nearer than nothing.
    for margin in (0.5, 1e-9):
        monkeypatch.setattr(voice, "MARGIN", margin)
        speakers.append(codec.encode(wave, 16000).speaker)
    assert [(kind, found is None) for kind, found in asked] == [
        (torch.float32, True),
        (torch.float64, False),
        (torch.float32, False),
    ]
    assert np.array_equal(*speakers)
