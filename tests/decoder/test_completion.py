"""Entries of unit files become codes: what they have is kept, what they lack is filled in, what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

from bitstream import InvalidCodes, SpeechCodes
from unitcodec.decoder.completion import complete, is_collapsed
from unitcodec.decoder.conversion import convert, typical_speaker
from unitcodec.decoder.intonation import fill_f0
from unitcodec.formats.unit_files import UnitEntry, dedup
from unitcodec.frames import level_gain
from unitcodec.vocoder.duration import DurationPredictor
from unitcodec.vocoder.hifigan import CodeGenerator, Generator

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def codes(narrow: Codec, speech: Path) -> SpeechCodes:
    return narrow.encode(soundfile.read(speech, dtype="float32", stop=100003)[0], 16000)


@pytest.fixture(scope="module")
def entry(codes: SpeechCodes) -> UnitEntry:
    return UnitEntry.of(codes, 25.0, "speech.wav")


def test_a_whole_entry_is_its_codes(narrow: Codec, codes: SpeechCodes, entry: UnitEntry) -> None:
    assert complete(narrow.model, entry) == codes
    assert complete(narrow.model, entry.collapsed()) == codes
    assert complete(narrow.model, replace(entry, frame_rate=None, audio=None, model=None)) == codes


def test_decoding_in_blocks_gives_the_samples_of_the_whole(narrow: Codec, codes: SpeechCodes) -> None:
    blocks = list(narrow.decode_blocks(codes))
    assert np.array_equal(np.concatenate(blocks), narrow.decode(codes))
    with pytest.raises(InvalidCodes):
        narrow.decode_blocks(SpeechCodes(codes.units, codes.f0, codes.speaker, codes.num_samples, "00000000"))


def test_f0_is_filled_in(narrow: Codec, codes: SpeechCodes, entry: UnitEntry) -> None:
    made = complete(narrow.model, replace(entry, f0=None))
    assert np.array_equal(made.f0, fill_f0(narrow.model.entropy, codes.units, codes.num_samples))
    assert not np.array_equal(made.f0, codes.f0)
    assert np.array_equal(made.units, codes.units)


def test_without_a_length_the_last_frame_is_whole(narrow: Codec, codes: SpeechCodes, entry: UnitEntry) -> None:
    made = complete(narrow.model, replace(entry, num_samples=None))
    assert made.num_samples == codes.units.shape[1] * 640
    assert np.array_equal(made.f0, codes.f0)


def test_speakers(narrow: Codec, codes: SpeechCodes, entry: UnitEntry) -> None:
    other = np.array(codes.speaker) * 0 + 1
    typical = typical_speaker(narrow.model.entropy)
    assert complete(narrow.model, entry, other) == convert(narrow.model, codes, other)
    assert np.array_equal(complete(narrow.model, replace(entry, speaker=None), other).speaker, other)
    assert np.array_equal(complete(narrow.model, replace(entry, speaker=None)).speaker, typical)
    # The middle of each field, and the level to which every stream is brought.
    assert typical.tolist() == [32, 4, 47, *[2] * 32]
    assert level_gain(int(typical[2])) == 1.0


# --- durations


def predicting(codec: Codec, frames: Any) -> Any:
    """The model with a generator that can tell how long units last."""
    own = codec.model.networks
    networks = SimpleNamespace(generator=SimpleNamespace(durations=frames), parameters=own.parameters, speaker=own.speaker)
    return replace(codec.model, networks=networks)  # type: ignore[type-var]


def test_durations_are_predicted_where_nothing_else_tells(narrow: Codec, codes: SpeechCodes) -> None:
    asked: list[torch.Tensor] = []

    def durations(units: torch.Tensor) -> torch.Tensor:
        asked.append(units)
        return torch.arange(units.shape[2])[None] % 3 + 0.6

    model, (runs, lasted) = predicting(narrow, durations), dedup(codes.units)
    made = complete(model, UnitEntry(runs))
    assert asked[0].shape == (1, *runs.shape)
    assert asked[0].dtype == torch.int64
    assert np.array_equal(made.units, np.repeat(runs, [1 + i % 3 for i in range(runs.shape[1])], 1))
    assert made.num_samples == made.units.shape[1] * 640
    # Frames are frames where they repeat themselves, and where a length, F0 or durations are given.
    assert not is_collapsed(codes.units)
    for given in (
        UnitEntry(codes.units),
        UnitEntry(runs, num_samples=runs.shape[1] * 640),
        UnitEntry(runs, f0=np.zeros(-(-runs.shape[1] // 2), np.int32)),
        UnitEntry(runs, lasted),
    ):
        assert np.array_equal(complete(model, given).units, given.frames())
    assert len(asked) == 1


def test_a_duration_predictor(narrow: Codec, codes: SpeechCodes) -> None:
    torch.manual_seed(0)
    alphabets = tuple(row.alphabet for row in narrow.model.entropy.spec.rows)
    options: dict[str, Any] = {"unit_sizes": alphabets, "f0_size": 0, "speaker_dim": 0, "embedding_dim": 8}
    generator = CodeGenerator(Generator(8, initial_channels=32), **options, duration_predictor=DurationPredictor(8, 8)).eval()
    with torch.no_grad():
        generator.duration_predictor.head.bias.fill_(1.0)  # type: ignore[union-attr]
    runs = dedup(codes.units)[0]
    with torch.no_grad():
        expected = generator.durations(torch.from_numpy(runs).long()[None])
    assert expected is not None
    assert len(expected.unique()) > 1
    made = complete(predicting(narrow, generator.durations), UnitEntry(runs))
    assert np.array_equal(made.units, np.repeat(runs, expected[0].numpy(), 1))


def test_a_model_that_cannot_tell(narrow: Codec, codes: SpeechCodes) -> None:
    runs = dedup(codes.units)[0]
    for model in (narrow.model, predicting(narrow, lambda units: None)):
        assert np.array_equal(complete(model, UnitEntry(runs)).units, runs)


# --- what cannot be spoken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "00000000"}, "codes of model '00000000'; "),
        ({"model": "x" * 1000}, "codes of model 'xxxx"),
        ({"frame_rate": 50.0}, "units at 50 Hz; the model's come at 25 Hz"),
        ({"units": np.zeros((1, 157), np.int32)}, "1 unit rows given; the model has 4"),
        ({"units": np.full((4, 157), 7, np.int32)}, "units.0 holds 7; its alphabet ends at 6"),
        ({"units": np.zeros((4, 156), np.int32)}, "100003 samples make 157 unit"),
        ({"units": np.zeros((4, 156), np.int32), "f0": None}, "100003 samples make 157 unit frames; 156"),
        ({"f0": np.zeros(78, np.int32)}, "make 157 unit and 79 F0 frames; the codes have 157 and 78"),
        ({"f0": np.full(79, 12, np.int32)}, "f0 holds 12; its alphabet ends at 11"),
        ({"speaker": np.zeros(34, np.int32)}, "34 speaker fields given; the model has 35"),
        ({"speaker": np.full(35, 70, np.int32)}, "speaker field 0 is 70"),
        ({"num_samples": 2**48 - 1}, "281474976710655 samples make"),
        ({"num_samples": 2**48 - 1, "f0": None}, "281474976710655 samples make"),
        ({"durations": np.full(157, 2, np.int32)}, "100003 samples make 157 unit"),
    ],
)
def test_entries_that_are_not_the_models(narrow: Codec, entry: UnitEntry, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidCodes) as caught:
        complete(narrow.model, replace(entry, **change))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200
