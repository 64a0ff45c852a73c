"""The speaker code by analysis by synthesis: nearer to what was said, and only the voice of the fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from unitcodec.features import level_gain, log_mel, normalise
from unitcodec.fields import Fields
from unitcodec.speech import decode_mel

if TYPE_CHECKING:
    from unitcodec.codec import Codec


def _distance(codec: Codec, wave: np.ndarray, steps: int) -> tuple[Fields, float]:
    """The fields, and the mean distance of the decoded log-mel from that of the speech."""
    codec = type(codec)(replace(codec.model, config=replace(codec.model.config, voice_search=steps)), "cpu")
    codes = codec.encode(wave)
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
    plain = type(narrow)(replace(narrow.model, config=replace(narrow.model.config, voice_search=0)), "cpu").encode(wave)
    searched = narrow.encode(wave)
    assert searched == replace(plain, speaker=searched.speaker)
    assert not np.array_equal(searched.speaker, plain.speaker)
