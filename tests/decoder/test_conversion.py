"""Another voice in the place of a stream's own, and the one to speak in where none is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from bitstream import EntropyModel, InvalidCodes, SpeechCodes
from unitcodec.decoder.conversion import default_speaker, typical_speaker

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def codes(narrow: Codec, speech: Path) -> SpeechCodes:
    return narrow.encode(soundfile.read(speech, dtype="float32", stop=100003)[0], 16000)


def test_a_converted_voice_is_the_wanted_one(narrow: Codec, codes: SpeechCodes) -> None:
    wanted = np.array(codes.speaker)
    wanted[:8] = [60, 5, 40, 1, 2, 2, 3, 2]
    converted = narrow.convert(codes, wanted)
    assert converted == replace(codes, speaker=wanted)
    assert narrow.convert(converted, codes.speaker) == codes
    assert not np.array_equal(narrow.decode(converted), narrow.decode(codes))


@pytest.mark.parametrize(("field", "value"), [(0, 64), (3, 4), (slice(None), -1)])
def test_no_voice_of_this_model(narrow: Codec, codes: SpeechCodes, field: int | slice, value: int) -> None:
    voice = np.array(codes.speaker)
    voice[field] = value
    with pytest.raises(InvalidCodes, match="speaker"):
        narrow.convert(codes, voice)
    with pytest.raises(InvalidCodes, match="speaker"):
        narrow.convert(replace(codes, speaker=np.full(35, 70)), codes.speaker)


def test_a_table_of_voices_speaks_in_its_default_one(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow.model.networks.speaker, "voice", 3, raising=False)
    typical, chosen = typical_speaker(narrow.model.entropy), default_speaker(narrow.model, narrow.model.entropy)
    assert chosen[3] == 3 != typical[3]
    assert np.array_equal(np.delete(chosen, 3), np.delete(typical, 3))


def test_the_most_probable_speaker(default_model: Path) -> None:
    entropy = EntropyModel.load(default_model / "entropy.safetensors")
    speaker, start = typical_speaker(entropy), 0
    assert entropy.speaker_frequencies is not None
    for value, alphabet in zip(speaker, entropy.spec.speaker, strict=True):
        frequencies = entropy.speaker_frequencies[start : start + alphabet]
        assert frequencies[value] == frequencies.max()
        start += alphabet
    assert len(entropy.pack_speaker(speaker)) < len(entropy.pack_speaker((speaker + 1) % np.array(entropy.spec.speaker)))
