"""The encoder's state: cuts, threads and batches do not show; packets are what the whole file gives; memory is bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from bitstream import EntropySpec, Stream, fit_tables
from unitcodec.encoder.analyser import NetworkAnalyser
from unitcodec.encoder.stream import StreamEncoder
from unitcodec.features import log_mel
from unitcodec.fields import Fields
from unitcodec.frames import level_gain, normalise
from unitcodec.model import Model
from unitcodec.pitch import tracker
from unitcodec.pitch.track import mean_and_deviation, track_channels

if TYPE_CHECKING:
    from unitcodec.codec import Codec

Codes = tuple[np.ndarray, np.ndarray, Fields, list[int]]


@pytest.fixture(scope="module")
def wave(speech: Path) -> np.ndarray:
    """14.3 s: six packets, the last one short."""
    said, _ = soundfile.read(speech, dtype="float32")
    return np.concatenate([said, 0.6 * said[::-1], said[:5003]])[:229003]


def _run(encoder: StreamEncoder, wave: np.ndarray, cuts: list[int]) -> Codes:
    parts = [part for block in np.split(wave, cuts) for part in encoder.push(block)]
    early = len(parts)
    parts += encoder.finish()
    assert encoder.fields is not None
    assert encoder.num_samples == len(wave)
    lengths = [units.shape[1] for units, _ in parts]
    return np.concatenate([u for u, _ in parts], 1), np.concatenate([f for _, f in parts]), encoder.fields, [early, *lengths]


@pytest.fixture(scope="module")
def whole(narrow: Codec, wave: np.ndarray) -> Codes:
    return _run(narrow.analysis(), wave, [])


def _assert_same(first: Codes, second: Codes) -> None:
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert first[2] == second[2]
    assert first[3][1:] == second[3][1:]


def test_the_codes_vary(whole: Codes) -> None:
    """Or nothing here would be tested."""
    units, f0, fields, (early, *lengths) = whole
    assert [len(np.unique(row)) >= 3 for row in units] == [True] * 4
    assert len(np.unique(f0)) >= 4
    assert len(set(fields.voice)) >= 3
    assert lengths == [64] * 5 + [38]
    assert early >= 3


@pytest.mark.parametrize("seed", range(4))
def test_how_a_stream_is_cut_does_not_show(narrow: Codec, wave: np.ndarray, whole: Codes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    number = (3, 12, 40, 150)[seed]
    cuts = sorted([*rng.integers(0, len(wave) + 1, number).tolist(), 40960, 40961])
    _assert_same(_run(narrow.analysis(), wave, cuts), whole)


def test_packets_come_as_soon_as_their_surroundings_are_known(narrow: Codec, wave: np.ndarray) -> None:
    encoder = narrow.analysis()
    block, ready = 1600, []
    for start in range(0, len(wave), block):
        ready += [start + block] * len(encoder.push(wave[start : start + block]))
    # The first ones wait for the opening; from then on a packet waits for the next one's F0.
    assert len(ready) >= 3
    for index, samples in enumerate(ready):
        assert samples >= (index + 1) * 40960 + encoder.packets.context
    assert ready[-1] <= len(ready) * 40960 + 40960 + tracker.CONTEXT + block


def test_packets_are_what_the_whole_file_gives(narrow: Codec, wave: np.ndarray, whole: Codes) -> None:
    units, f0, fields, _ = whole
    networks = narrow._double
    padded = np.pad(wave, (0, -len(wave) % 1280)).astype(np.float64) * level_gain(fields.level)
    track = tracker.swift_f0(wave * np.float32(level_gain(fields.level)))
    track = np.pad(track, (0, len(padded) // 160 - len(track)))
    channels = track_channels(track, *mean_and_deviation(fields.mean, fields.deviation)).astype(np.float64)
    with torch.inference_mode():
        expected = networks.content.encode(normalise(log_mel(torch.from_numpy(padded)[None])))[0].numpy()
        expected_f0 = networks.pitch.encode(torch.from_numpy(channels)[None])[0, 0].numpy()
    assert np.array_equal(units, expected[:, : units.shape[1]])
    assert np.array_equal(f0, expected_f0)


def test_threads_do_not_show(narrow: Codec, wave: np.ndarray) -> None:
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(_run(narrow.analysis(), wave[:90000], []))
    finally:
        torch.set_num_threads(threads)
    _assert_same(*results)


def test_small_packets_are_cut_as_invisibly(narrow: Codec, wave: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets of 0.16 s are shorter than their surroundings."""
    tracks: list[np.ndarray] = []

    def noted(f0: np.ndarray, mean: float, deviation: float) -> np.ndarray:
        tracks.append(f0)
        return track_channels(f0, mean, deviation)

    monkeypatch.setattr("unitcodec.encoder.opening.ACTIVE_SECONDS", 1)
    # F0 that is not known yet seldom changes a code of this model: what goes in is compared too.
    monkeypatch.setattr(narrow._double.pitch, "channels", noted, raising=False)
    spec = narrow.model.entropy.spec
    rows = tuple(Stream(row.alphabet) for row in spec.rows)
    small = EntropySpec(rows=rows, f0=Stream(spec.f0.alphabet), speaker=spec.speaker, packet_frames=4)
    model = replace(narrow.model, entropy=fit_tables([], small))

    def run(cuts: list[int]) -> Codes:
        encoder = StreamEncoder(model, NetworkAnalyser(narrow._double))
        # Whatever is rounded must show.
        encoder.rate = None
        return _run(encoder, wave[20000:60000], cuts)

    pieces = run(list(range(0, 40000, 700)))
    assert pieces[3][0] > 0
    _assert_same(run([]), pieces)
    assert len(tracks) == 2 * 16
    assert all(np.array_equal(first, second) for first, second in zip(tracks[:16], tracks[16:], strict=True))


def test_batches_do_not_show(narrow: Codec, wave: np.ndarray) -> None:
    one, two = wave[:30000], wave[50000:120000]
    batch = narrow.encode([one, two, one], 16000)
    assert batch == [narrow.encode(one, 16000), narrow.encode(two, 16000), batch[0]]


@pytest.mark.parametrize("samples", [1, 159, 160, 639, 640, 641, 1280, 1281, 40960, 40961, 48639])
def test_numbers_of_frames(narrow: Codec, wave: np.ndarray, samples: int) -> None:
    encoder = narrow.analysis()
    parts = [*encoder.push(wave[50000 : 50000 + samples]), *encoder.finish()]
    spec = narrow.model.entropy.spec
    shapes = [(units.shape[1], len(f0)) for units, f0 in parts]
    assert shapes == [spec.packet_shape(samples, index) for index in range(len(parts))]
    assert len(parts) == spec.frames(samples)[2]
    assert encoder.fields is not None
    assert Fields.from_codes(encoder.fields.codes()) == encoder.fields
    narrow.model.entropy.pack_speaker(encoder.fields.codes())


def test_no_opening_is_longer_than_a_minute(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded whatever the stream holds: here three minutes that never count as active."""
    # What is looked at here is the buffer, not the F0.
    monkeypatch.setitem(tracker.TRACKERS, "swift-f0", tracker.untracked)
    encoder = narrow.analysis()
    rng = np.random.default_rng(0)
    packets, longest = 0, 0
    for second in range(0, 180, 10):
        packets += len(encoder.push(1e-4 * rng.standard_normal(160000).astype(np.float32)))
        longest = max(longest, len(encoder.samples))
        assert (packets == 0) == (second < 60)
        if packets:
            assert len(encoder.samples) < 3 * 40960
            assert len(encoder._f0) < 4 * 256
    packets += len(encoder.finish())
    assert packets == -(-180 * 16000 // 40960)
    assert longest <= 70 * 16000


def test_a_stream_of_silence(narrow: Codec) -> None:
    units, f0, fields, _ = _run(narrow.analysis(), np.zeros(100000, np.float32), [5000])
    assert fields.level == 47  # -24 dB, a gain of 1: hiss that is not speech must not be turned up
    assert level_gain(fields.level) == 1
    assert (units == units[:, 80:81])[:, 20:-20].all()
    assert len(np.unique(f0[8:-8])) == 1


@pytest.mark.parametrize("steps", [6, 24, 40])
def test_level_decides_the_gain_only(narrow: Codec, wave: np.ndarray, whole: Codes, steps: int) -> None:
    """A whole number of level steps down, up to 60 dB, changes the level code alone: everything hears the reference level."""
    quieter = _run(narrow.analysis(), wave * np.float32(10 ** (-steps * 1.5 / 20)), [])
    assert quieter[2] == replace(whole[2], level=whole[2].level - steps)
    assert np.mean(quieter[0] != whole[0]) < 0.01
    assert np.mean(quieter[1] != whole[1]) < 0.01
    assert quieter[3] == whole[3]


def _hum(noise: np.ndarray) -> np.ndarray:
    return np.sin(np.arange(len(noise)) * (2 * np.pi * 100 / 16000)) + 0.1 * noise


NOISES = {
    "hiss": lambda noise: noise,
    "hum": _hum,
    "rustling": lambda noise: noise * (np.arange(len(noise)) % 24000 < 4000) + 0.01 * noise,
    "rustling over hum": lambda noise: _hum(noise) + 10 * noise * (np.arange(len(noise)) % 24000 < 4000),
}


def _noise(name: str, level: float) -> np.ndarray:
    """12 s at a level in dB re full scale."""
    noise = NOISES[name](np.random.default_rng(0).standard_normal(12 * 16000))
    return (noise * (10 ** (level / 20) / np.sqrt(np.mean(noise**2)))).astype(np.float32)


@pytest.mark.parametrize("name", NOISES)
def test_noise_before_speech_is_not_its_level(narrow: Codec, wave: np.ndarray, whole: Codes, name: str) -> None:
    stream = np.concatenate([_noise(name, -65), wave])
    assert abs(_run(narrow.analysis(), stream, [])[2].level - whole[2].level) <= 1


def test_a_minute_of_noise_leaves_the_level_to_what_may_come(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unitcodec.encoder.opening.OPENING_SECONDS", 5)
    for name in NOISES:
        encoder = narrow.analysis()
        encoder.push(_noise(name, -70))
        assert encoder.fields is not None
        assert encoder.fields.level == 47, name


def test_quiet_speech_is_sent_as_soon_as_loud_speech(narrow: Codec, wave: np.ndarray) -> None:
    ready = []
    for gain in (1.0, 10 ** (-60 / 20)):
        encoder, long = narrow.analysis(), np.tile(wave, 2) * np.float32(gain)
        ready.append([len(encoder.push(block)) for block in np.split(long, range(16000, len(long), 16000))])
    assert ready[0] == ready[1]


def test_real_speech_with_the_packaged_model(codec: Codec, shared: Path) -> None:
    lines = (shared / "data" / "dev" / "manifest.tsv").read_text().splitlines()[1:]
    paths = [shared / "data" / "dev" / line.split("\t")[0] for line in (lines[0], lines[-1])]
    waves = [soundfile.read(path, dtype="float32", stop=16000 * 8)[0] for path in paths]
    together = codec.encode(waves, 16000)
    for wave, codes in zip(waves, together, strict=True):
        encoder = codec.analysis()
        rng = np.random.default_rng(len(wave))
        units, f0, fields, _ = _run(encoder, wave, sorted(rng.integers(0, len(wave), 9).tolist()))
        assert np.array_equal(units, codes.units)
        assert np.array_equal(f0, codes.f0)
        assert np.array_equal(fields.codes(), codes.speaker)


def test_model_is_a_plain_value(narrow: Codec) -> None:
    assert isinstance(narrow.model, Model)
    before = {name: value.clone() for name, value in narrow._double.state_dict().items()}
    narrow.encode(np.zeros(2000, np.float32), 16000)
    assert all(torch.equal(before[name], value) for name, value in narrow._double.state_dict().items())
