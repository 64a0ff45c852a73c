"""The judges' arithmetic on inputs whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import bootstrap, eer, intrusive, loudness, mel, pitch, speaker
from benchmarks.waveform import SAMPLE_RATE, read


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    """A voice-like tone: 20 harmonics falling 6 dB an octave, peak about 0.3."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = [np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 21) if hz * k < 7000]
    return (0.15 * sum(harmonics)).astype(np.float32)


def test_pitch_errors_count_each_frame_once() -> None:
    reference = np.array([0, 0, 100, 100, 100, 100], np.float32)
    decoded = np.array([0, 90, 0, 119, 121, 79], np.float32)
    errors = pitch.compare(reference, decoded)
    assert (errors.frames, errors.both_voiced, errors.voicing_errors, errors.gross_errors) == (6, 3, 2, 2)
    assert (errors.vde, errors.gpe, errors.ffe) == (2 / 6, 2 / 3, 4 / 6)
    assert (errors + errors).ffe == errors.ffe


def test_pitch_sums_are_those_of_log_f0() -> None:
    wanted, given = np.array([100, 0, 200, 150], np.float32), np.array([150, 90, 320, 200], np.float32)
    errors = pitch.compare(wanted, given)
    x, y = np.log(np.array([100, 200, 150])), np.log(np.array([150, 320, 200]))
    assert errors.squared == pytest.approx(np.sum((x - y) ** 2))
    r = errors.spread_both / (errors.spread_reference * errors.spread_decoded) ** 0.5
    assert r == pytest.approx(np.corrcoef(x, y)[0, 1])
    # Medians over each side's own voiced frames, 150 and 175: 150, 320 and 200 become 129, 274 and 171.
    assert errors.gross_errors == 3
    assert errors.scaled().gross_errors == 2
    assert errors.scaled().squared == pytest.approx(np.sum((x - y - np.log(150 / 175)) ** 2))


def test_a_missing_pitch_frame_is_an_unvoiced_one() -> None:
    assert pitch.compare(np.full(4, 100, np.float32), np.full(3, 100, np.float32)).voicing_errors == 1


def test_pitch_of_tones() -> None:
    pytest.importorskip("swift_f0", reason="the F0 judge, swift-f0, is not installed")
    low, near, far = (pitch.track(tone(hz)) for hz in (120.0, 126.0, 180.0))
    assert np.median(low[low > 0]) == pytest.approx(120, rel=0.02)
    assert pitch.compare(low, low).ffe == 0
    assert pitch.compare(low, near).ffe < 0.1
    assert pitch.compare(low, far).gpe > 0.9
    silent = pitch.compare(low, pitch.track(np.zeros(SAMPLE_RATE, np.float32)))
    assert silent.both_voiced == 0
    assert silent.vde > 0.8


def test_the_two_trackers_agree_on_speech(speech: Path) -> None:
    pytest.importorskip("amfm_decompy", reason="the second F0 tracker, AMFM_decompy, is not installed")
    pytest.importorskip("swift_f0", reason="the F0 judge, swift-f0, is not installed")
    waveform = words(speech)
    ours, theirs = (np.median(track[track > 0]) for track in (pitch.track(waveform), pitch.yaapt(waveform)))
    assert theirs == pytest.approx(ours, rel=0.05)
    assert not pitch.yaapt(np.zeros(SAMPLE_RATE, np.float32)).any()
    assert not pitch.yaapt(np.zeros(0, np.float32)).any()


@pytest.mark.parametrize("samples", [0, 100, 2048, 2304, 2305, 16001])
def test_the_number_of_frames_is_known_before(samples: int) -> None:
    pytest.importorskip("swift_f0", reason="the F0 judge, swift-f0, is not installed")
    waveform = tone(150.0, 2.0)[:samples]
    assert len(pitch.track(waveform)) == pitch.FRAMES["f0"](samples)
    pytest.importorskip("amfm_decompy", reason="the second F0 tracker, AMFM_decompy, is not installed")
    assert len(pitch.yaapt(waveform)) == pitch.FRAMES["f0_yaapt"](samples)


def test_loudness_follows_the_gain() -> None:
    pytest.importorskip("pyloudnorm", reason="the loudness judge, pyloudnorm, is not installed")
    voice = tone(150.0)
    assert loudness.loudness(0.5 * voice) - loudness.loudness(voice) == pytest.approx(-6.02, abs=0.01)
    assert loudness.loudness(np.zeros(SAMPLE_RATE, np.float32)) == loudness.FLOOR
    assert np.isfinite(loudness.loudness(voice[:100]))


def test_cosine() -> None:
    a, b = np.array([1, 0], np.float32), np.array([1, 1], np.float32)
    assert speaker.cosine(a, a) == 1
    assert speaker.cosine(a, b) == pytest.approx(0.5**0.5)
    assert speaker.cosine(a, 0 * a) == 0


def words(speech: Path, seconds: float = 4.0) -> np.ndarray:
    if not speech.exists():
        pytest.skip(f"{speech} is not there")
    return read(speech)[: int(seconds * SAMPLE_RATE)]


def noisy(waveform: np.ndarray, level: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(waveform))
    return (waveform + level * waveform.std() * noise).astype(np.float32)


def test_equal_error_rate_of_known_scores() -> None:
    def rate(same: list[float], different: list[float]) -> float:
        scores = np.array([same + different])
        kind = np.arange(scores.size)[None] < len(same)
        result = eer.equal_error_rate(scores, kind, ~kind)
        assert result is not None
        return result[0]

    assert rate([0.8, 0.9], [0.1, 0.2]) == 0
    assert rate([0.1, 0.2], [0.8, 0.9]) == 1
    assert rate([0.5, 0.5], [0.5, 0.5, 0.5]) == 0.5
    assert rate([0.4, 0.6, 0.8, 0.9], [0.1, 0.2, 0.3, 0.5]) == 0.25
    # From (missed, accepted) = (0, 1/3) to (1/2, 1/3) and on to (1/2, 0): equal at 1/3.
    assert rate([0.5, 0.9], [0.1, 0.2, 0.7]) == pytest.approx(1 / 3)
    assert eer.equal_error_rate(np.zeros((1, 2)), np.ones((1, 2), bool), np.zeros((1, 2), bool)) is None


def test_equal_error_rate_of_two_normals_and_its_interval() -> None:
    from math import erf

    rng = np.random.default_rng(0)
    same = rng.random((100, 100)) < 0.3
    scores = rng.standard_normal((100, 100)) + 2.0 * same
    value, (low, high) = eer.equal_error_rate(scores, same, ~same) or (None, (0, 0))
    # Two normals of unit variance, 2 apart, cross at 1: Phi(-1).
    assert value == pytest.approx((1 - erf(2**-0.5)) / 2, abs=0.01)
    assert low < value < high < low + 0.03


def test_estoi_and_pesq_fall_with_noise(speech: Path) -> None:
    waveform = words(speech)
    for package, judge in (("pystoi", intrusive.estoi), ("pesq", intrusive.pesq)):
        pytest.importorskip(package, reason=f"{package} is not installed")
        same, near, far = (judge(waveform, noisy(waveform, level)) for level in (0.0, 0.1, 2.0))
        assert same == pytest.approx(1.0 if package == "pystoi" else 4.64, abs=0.01)
        assert same > near > far


def test_estoi_and_pesq_of_little_and_nothing(speech: Path) -> None:
    waveform = words(speech)
    silence = np.zeros_like(waveform)
    for package, judge, floor in (("pystoi", intrusive.estoi, 0.0), ("pesq", intrusive.pesq, 1.0)):
        pytest.importorskip(package, reason=f"{package} is not installed")
        assert judge(waveform, silence) == floor
        assert judge(silence, waveform) is None
        for short in (waveform[:0], waveform[:1], waveform[:500]):
            judge(short, short)
        assert judge(waveform[16000:19200], waveform[16000:19200]) == pytest.approx(judge(waveform, waveform), abs=0.01)


def test_pesq_of_a_long_recording_is_that_of_its_pieces(speech: Path) -> None:
    pytest.importorskip("pesq", reason="pesq is not installed")
    piece = np.resize(words(speech), 16 * SAMPLE_RATE)
    long = np.tile(piece, 10)
    assert intrusive.pesq(long, noisy(long, 0.1)) == pytest.approx(intrusive.pesq(piece, noisy(piece, 0.1)), abs=0.1)


def test_mel_distance_is_the_gain_in_db() -> None:
    pytest.importorskip("torch", reason="torch, for the log-mel, is not installed")
    noise = 0.3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    assert mel.distance(noise, noise) == 0
    assert mel.distance(noise, 0.5 * noise) == pytest.approx(6.02, abs=0.1)
    assert mel.distance(noise[:0], noise[:0]) == 0


def test_paired_bootstrap_finds_a_small_constant_difference() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.integers(50, 200, size=100)
    a = rng.binomial(lengths, rng.uniform(0.1, 0.6, size=100))
    b = a + rng.binomial(lengths, 0.02)
    difference, bounds, p = bootstrap.paired(a.tolist(), lengths.tolist(), b.tolist(), lengths.tolist())
    assert bounds is not None
    low, high = bounds
    assert difference == pytest.approx((b.sum() - a.sum()) / lengths.sum())
    assert 0 < low < difference < high
    assert p < 0.01
    # Far less than the two systems' own intervals would tell apart.
    alone = bootstrap.interval(a.tolist(), lengths.tolist())
    assert alone is not None
    assert high - low < 0.2 * (alone[1] - alone[0])
    assert bootstrap.paired([1.0, 2.0], None, [1.0, 2.0], None) == (0.0, (0.0, 0.0), 1.0)
    with pytest.raises(ValueError, match="paired"):
        bootstrap.paired([1.0], None, [1.0, 2.0], None)


def test_paired_bootstrap_of_chance_is_not_significant_more_often_than_it_says() -> None:
    rng = np.random.default_rng(4)
    values = rng.standard_normal((60, 2, 40))
    found = sum(bootstrap.paired(a.tolist(), None, b.tolist(), None)[2] < 0.05 for a, b in values)
    assert found <= 8


def test_few_utterances_prove_no_more_than_the_signs_of_their_differences() -> None:
    assert bootstrap.paired([1.0], None, [2.0], None) == (1.0, None, 1.0)
    for n, p in ((2, 0.5), (6, 1 / 32), (9, 1 / 256), (40, 2 / 2001)):
        assert bootstrap.paired([1.0] * n, None, [2.0] * n, None) == (1.0, (1.0, 1.0), pytest.approx(p))


def test_one_utterance_has_no_interval() -> None:
    assert bootstrap.interval([1.0]) is bootstrap.interval([]) is None


def test_interval_holds_the_pooled_ratio_and_narrows_with_more_utterances() -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(50, 200, size=400)
    errors = rng.binomial(lengths, 0.3)
    few, many = (bootstrap.interval(errors[:n].tolist(), lengths[:n].tolist()) for n in (25, 400))
    assert few is not None
    assert many is not None
    assert few[0] < errors[:25].sum() / lengths[:25].sum() < few[1]
    assert many[0] < errors.sum() / lengths.sum() < many[1]
    # A quarter of the width in expectation: sixteen times as many utterances.
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_interval_of_a_mean_agrees_with_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(5.0, 2.0, size=500)
    bounds = bootstrap.interval(values.tolist())
    assert bounds is not None
    low, high = bounds
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 500**0.5, rel=0.1)


def test_interval_is_repeatable_and_exact_where_nothing_varies() -> None:
    assert bootstrap.interval([1.0, 2.0, 4.0]) == bootstrap.interval([1.0, 2.0, 4.0])
    assert bootstrap.interval([2.0, 2.0], [4.0, 4.0]) == (0.5, 0.5)
