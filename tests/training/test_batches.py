"""Crops: shapes, level, alignment of F0 and audio, who is drawn and who never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unitcodec.errors import UnitcodecError
from unitcodec.frames import REFERENCE_LEVEL, active_level
from unitcodec.training.augmentation import Augmentation
from unitcodec.training.batches import Batches, held_out_speakers, speech_to_noise, validation_batches
from unitcodec.training.corpus import Corpus, Utterance, prepare

NOTHING = Augmentation(0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def corpus(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prepare(manifest, tmp_path_factory.mktemp("corpus"))


class _Spoken(Corpus):
    """Utterances of given (speaker, seconds), without audio."""

    def __init__(self, *spoken: tuple[str, float]) -> None:
        self.folder = Path("nowhere")
        self.utterances = [Utterance("", speaker, "", 0, int(16000 * seconds), 0) for speaker, seconds in spoken]


@pytest.mark.parametrize("augmentation", [NOTHING, Augmentation(), Augmentation(3, 1, 0.1, 1, 1)])
def test_shapes(corpus: Corpus, augmentation: Augmentation) -> None:
    batch = Batches(corpus, 1.28, augmentation, 0).batch(5)
    shapes = {name: value.shape for name, value in batch.items()}
    assert shapes == {
        "clean": (5, 20480),
        "heard": (5, 20480),
        "track": (5, 2, 128),
        "mean": (5,),
        "deviation": (5,),
        "other": (5, 41600),
        "vtlp": (5,),
        "clean_target": (5,),
        "nested": (5,),
    }
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in batch.values())
    assert set(np.unique(batch["track"][:, 1])) == {0, 1}


def test_a_share_of_the_crops_has_coarser_codes(corpus: Corpus) -> None:
    assert set(Batches(corpus, 0.64, Augmentation(), 0).batch(20)["nested"]) == {0}
    half = Batches(corpus, 0.64, Augmentation(nested=0.5), 0).batch(40)["nested"]
    assert 10 <= np.count_nonzero(half) <= 30
    assert half[half > 0].min() < 0.3
    assert 0.7 < half.max() <= 1


def test_an_equalizer_changes_the_spectrum_smoothly_and_only_what_is_heard(corpus: Corpus) -> None:
    plain, shaped = (Batches(corpus, 1.28, Augmentation(0, 0, 0, 0, 0, equalizer=share), 0).batch(20) for share in (0.0, 1.0))
    assert np.array_equal(plain["heard"], plain["clean"])
    assert np.array_equal(shaped["clean"], plain["clean"])
    power = [np.abs(np.fft.rfft(shaped[name][:, :20480])) + 1e-3 for name in ("heard", "clean")]
    gain = 20 * np.log10(power[0] / power[1])[:, 100:9000]
    assert 2 < gain.std() < 10
    assert np.abs(gain[:, 50:] - gain[:, :-50]).mean() < 0.2 * np.abs(gain).mean()


def test_formants_are_moved_as_often_and_as_far_as_asked_for(corpus: Corpus) -> None:
    assert set(Batches(corpus, 0.64, Augmentation(), 0).batch(20)["vtlp"]) == {1}
    half, all_ = (Batches(corpus, 0.64, Augmentation(vtlp=share), 0).batch(40)["vtlp"] for share in (0.5, 1.0))
    assert 5 < (half == 1).sum() < 35
    assert (all_ != 1).all()
    assert np.abs(np.log(all_)).max() <= 0.18


def test_another_voice_is_that_of_the_whole_crop(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[np.ndarray]] = []

    def louder(rng: np.random.Generator, *waveforms: np.ndarray, **_: float) -> list[np.ndarray]:
        given.append(list(waveforms))
        return [2 * waveform for waveform in waveforms]

    monkeypatch.setattr("unitcodec.training.batches.another_voice", louder)
    plain, other = (Batches(corpus, 1.28, Augmentation(0, 0, 0, 0, 0, voice=share), 0).batch(6) for share in (0.0, 1.0))
    assert [len(waveforms) for waveforms in given] == [2] * 6
    for name in ("clean", "heard", "other"):
        assert np.allclose(other[name], 2 * plain[name])
    for name in ("track", "mean", "deviation"):
        assert np.array_equal(other[name], plain[name])


def test_a_seed_gives_the_same_batches(corpus: Corpus) -> None:
    first, second, other = (Batches(corpus, 0.64, Augmentation(), seed).batch(2) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["clean"], other["clean"])


def test_without_augmentation_crops_are_the_audio_at_the_reference_level(corpus: Corpus) -> None:
    batches = Batches(corpus, 1.28, NOTHING, 0)
    for _ in range(6):
        crop = batches.crop()
        assert np.array_equal(crop.clean, crop.heard)
        assert abs(active_level(crop.clean) - REFERENCE_LEVEL) < 3


def test_f0_belongs_to_the_audio(corpus: Corpus) -> None:
    batches = Batches(corpus, 0.64, NOTHING, 3)
    utterance = corpus.utterances[0]
    start, audio, f0 = batches._stretch(utterance, 10240)
    assert np.array_equal(audio, corpus.waveform(utterance)[start * 160 : start * 160 + 10240] / np.float32(32768))
    assert np.array_equal(f0, corpus.pitch(utterance)[start : start + 64])
    # Longer than the utterance: zeros behind it.
    start, audio, f0 = batches._stretch(utterance, 32000)
    assert (start, len(audio), len(f0)) == (0, 32000, 200)
    assert not audio[utterance.samples :].any()


def test_speakers_held_out_are_never_drawn(corpus: Corpus) -> None:
    held_out = held_out_speakers(corpus)
    assert held_out == {"c", "d"}
    drawn = {u.speaker for group in Batches(corpus, 0.64, NOTHING, 0, held_out).groups for u in group}
    tested = {u.speaker for group in validation_batches(corpus, 0.64, held_out).groups for u in group}
    assert (drawn, tested) == ({"a", "b"}, {"c", "d"})


def test_every_corpus_leaves_someone_to_train_on() -> None:
    singles = _Spoken(*[(f"s{i:02}", 5.0) for i in range(30)], ("many", 5.0), ("many", 5.0))
    assert held_out_speakers(singles) == {f"s{i}" for i in range(22, 30)}
    # The rest of a speaker's utterances may be too short to count.
    assert held_out_speakers(_Spoken(("a", 5), ("a", 5), ("b", 5), ("b", 0.5), ("c", 0.5))) == {"b"}
    everyone_twice = _Spoken(*[(f"s{i}", 5.0 + i) for i in range(9) for _ in range(2)])
    assert held_out_speakers(everyone_twice) == {"s0"}
    assert len(held_out_speakers(_Spoken(*[(f"s{i}", 5.0) for i in range(4)]))) == 2
    one = _Spoken(("a", 5.0), ("a", 5.0))
    assert held_out_speakers(one) == set()
    assert validation_batches(one, 1.28, set()).groups == Batches(one, 1.28, NOTHING, 0).groups


def test_a_corpus_of_snippets_is_refused() -> None:
    with pytest.raises(UnitcodecError, match="no utterance of more than a second"):
        Batches(_Spoken(("a", 0.9)), 1.28, NOTHING, 0)


def test_noise_between_words_is_heard_as_such() -> None:
    rng = np.random.default_rng(0)
    speech = np.repeat(np.tile([0.1, 0.0], 10), 3200) * np.sin(np.arange(64000) * 0.1)
    for noise in (2e-3, 2e-4):
        recording = speech + noise * rng.standard_normal(64000)
        assert speech_to_noise(recording) == pytest.approx(20 * np.log10(0.1 / np.sqrt(2) / noise), abs=1.5)


def test_hours_count_as_they_are_told_to() -> None:
    corpus = _Spoken(("often", 8.0), ("often", 8.0), ("once", 4.0))
    for power, share in ((0.0, 0.5), (0.5, 1 / 3), (1.0, 0.2)):
        batches = Batches(corpus, 1.28, Augmentation(hours_power=power), 0)
        assert batches.weights[1] == pytest.approx(share)


def test_babble_is_other_voices_at_the_level_of_the_noise(corpus: Corpus) -> None:
    quiet, babble = (
        Batches(corpus, 1.28, Augmentation(0, 0, 0, share, 0, babble=1.0, snr_range=(10.0, 10.0)), 0).batch(12)
        for share in (0.0, 1.0)
    )
    assert np.array_equal(quiet["clean"], babble["clean"])
    added = babble["heard"] - babble["clean"]
    assert 20 * np.log10(added.std(1)) == pytest.approx(REFERENCE_LEVEL - 10, abs=0.5)
    # Voices pause and are louder at low frequencies; white noise does neither.
    assert np.abs(np.fft.rfft(added))[:, :2560].std() > 3 * np.abs(np.fft.rfft(added))[:, 5120:].std()


def test_a_decoder_can_be_given_clean_recordings_only(corpus: Corpus) -> None:
    batches = Batches(corpus, 0.64, Augmentation(0, 0, 0, 0, 0, clean=True), 0)
    facts, last = batches._facts, max(utterance.start for group in batches.groups for utterance in group)
    batches._facts = lambda utterance: (*facts(utterance)[:3], float(utterance.start == last))  # type: ignore[method-assign]
    assert set(batches.batch(20)["clean_target"]) == {1.0}
    # Where there is none, something is drawn all the same.
    batches._facts = lambda utterance: (*facts(utterance)[:3], 0.0)  # type: ignore[method-assign]
    assert set(batches.batch(3)["clean_target"]) == {0.0}
