"""Files of every kind become the same mono blocks at 16 kHz, with exact lengths; what is not audio is refused in one line."""

from __future__ import annotations

import io
import os
import struct
import threading
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from unitcodec.audio import SAMPLE_RATE, open_reader, resampled_length, to_mono_16k, write_wav
from unitcodec.audio.raw import ENCODINGS, RawFormat
from unitcodec.errors import AudioError, AudioWarning


def tone(frames: int, rate: int, channels: int = 1) -> np.ndarray:
    """(frames, channels) float64: a 300 Hz tone at half scale, each channel a little softer than the one before."""
    wave = 0.5 * np.sin(2 * np.pi * 300 * np.arange(frames) / rate)
    return wave[:, None] * 0.9 ** np.arange(channels)


def read(source: object) -> np.ndarray:
    with open_reader(source) as reader:  # type: ignore[arg-type]
        blocks = list(reader)
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    samples = np.concatenate(blocks)
    assert reader.num_samples == len(samples)
    return samples


def wav_bytes(data: np.ndarray, rate: int, **options: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, data, rate, **{"format": "WAV", **options})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate", "channels"),
    [
        ("wav", "PCM_16", 16000, 1),
        ("wav", "PCM_U8", 8000, 1),
        ("wav", "ULAW", 8000, 1),
        ("wav", "ALAW", 8000, 1),
        ("wav", "PCM_24", 48000, 2),
        ("wav", "PCM_32", 96000, 6),
        ("wav", "FLOAT", 44100, 2),
        ("wav", "DOUBLE", 22050, 1),
        ("flac", "PCM_24", 44100, 2),
        ("ogg", "VORBIS", 44100, 2),
        ("opus", "OPUS", 48000, 1),
        ("aiff", "PCM_16", 11025, 1),
    ],
)
def test_formats(tmp_path: Path, suffix: str, subtype: str, rate: int, channels: int) -> None:
    frames = 3 * rate // 2 + 7
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(frames, rate, channels), rate, subtype=subtype, format={"opus": "OGG"}.get(suffix))
    samples = read(path)
    assert len(samples) == resampled_length(frames, rate)
    level = np.sqrt(np.mean(samples[4000:20000] ** 2))
    assert level == pytest.approx(0.5 / np.sqrt(2) * np.mean(0.9 ** np.arange(channels)), rel=0.05)


def test_mp3_blocks_join_without_seams(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "noise.mp3"
    soundfile.write(path, 0.1 * rng.standard_normal(16000 * 20), 16000)
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(read(path), whole, rtol=0, atol=1e-5)  # a seam would be off by 0.01 and more


@given(frames=st.integers(1, 5000), rate=st.sampled_from([8000, 8001, 11025, 16000, 22050, 44100, 48000, 192000]))
def test_length_is_rounded_up(frames: int, rate: int) -> None:
    samples = to_mono_16k(np.ones(frames, np.float32), rate)
    assert len(samples) == resampled_length(frames, rate) == -(-frames * SAMPLE_RATE // rate) > 0


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_array_and_file_agree_to_the_bit(rate: int) -> None:
    rng = np.random.default_rng(2)
    data = (0.1 * rng.standard_normal((2, 70001 + rate))).astype(np.float32)
    np.testing.assert_array_equal(read(io.BytesIO(wav_bytes(data.T, rate, subtype="FLOAT"))), to_mono_16k(data, rate))


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_opposite_channels_as_array_and_as_file(rate: int) -> None:
    left = (0.1 * np.random.default_rng(5).standard_normal(2 * rate + 77)).astype(np.float32)
    data = np.stack([left, -left])
    with pytest.warns(AudioWarning, match="waveform: the channels cancel"):
        samples = to_mono_16k(data, rate)
    np.testing.assert_array_equal(samples, to_mono_16k(left, rate))
    with pytest.warns(AudioWarning, match="stream: the channels cancel"):
        np.testing.assert_array_equal(read(io.BytesIO(wav_bytes(data.T, rate, subtype="FLOAT"))), samples)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_far_above_full_scale_as_array_and_as_file(subtype: str) -> None:
    data = (10000 * tone(70000, 44100, 2)).astype(np.float32)
    with pytest.warns(AudioWarning, match="waveform: its samples reach 5000 times full scale"):
        samples = to_mono_16k(data.T, 44100)
    assert 0.4 < np.abs(samples).max() < 0.55
    with pytest.warns(AudioWarning, match="stream: its samples reach 5000 times full scale"):
        np.testing.assert_array_equal(read(io.BytesIO(wav_bytes(data, 44100, subtype=subtype))), samples)


def test_integer_arrays_have_the_full_scale_of_their_type() -> None:
    for full, array in [
        (-1.0, np.array([-32768, 0, 16384], np.int16)),
        (-1.0, np.array([-(1 << 31), 0, 1 << 30], np.int32)),
        (-1.0, np.array([0, 128, 192], np.uint8)),
    ]:
        np.testing.assert_array_equal(to_mono_16k(array, 16000), np.array([full, 0, 0.5], np.float32))


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros((2, 3, 4)),
        np.float32(1.0),
        np.zeros((48000, 2)),
        np.zeros((0, 5)),
        np.array(["a"]),
        np.array([True]),
        np.zeros(5, np.int64),
    ],
)
def test_wrong_arrays_are_refused(waveform: np.ndarray) -> None:
    with pytest.raises(AudioError, match="waveform: "):
        to_mono_16k(waveform, 16000)


def test_empty_array_stays_empty() -> None:
    assert to_mono_16k(np.zeros(0, np.float32), 48000).shape == (0,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_time(tmp_path: Path, value: float) -> None:
    data = tone(48000 * 3, 48000, 2)
    data[96000, 1] = value
    path = tmp_path / "broken.wav"
    soundfile.write(path, data, 48000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"broken\.wav: the sample at 2\.0000 s is NaN or infinite"):
        read(path)
    with pytest.raises(AudioError, match=r"at 2\.0000 s"):
        to_mono_16k(data.T, 48000)


def test_low_rate_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "low.wav"
    soundfile.write(path, tone(4000, 4000), 4000)
    with pytest.raises(AudioError, match="4000 Hz is too low for speech; at least 8000 Hz"):
        read(path)


@pytest.mark.parametrize("rate", [np.int32(44100), np.uint16(44100), np.float32(44100), 44100.0, Fraction(44100)])
def test_whole_rates_of_any_type(rate: float) -> None:
    wave = np.random.default_rng(5).uniform(-0.5, 0.5, 50000).astype(np.float32)  # 44100 * 50000 does not fit in 31 bits
    np.testing.assert_array_equal(to_mono_16k(wave, rate), to_mono_16k(wave, 44100))


@pytest.mark.parametrize("rate", [np.nan, np.inf, -16000, 0, 44100.5, "16000", b"16000", None, 1e12, 16000j, True])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(AudioError, match=r"waveform: .* sample rate"):
        to_mono_16k(np.zeros(100, np.float32), rate)


def streamed(data: bytes, riff: int, size: int) -> bytes:
    """A WAV as tools write it into a pipe: the sizes are not known in advance."""
    at = data.index(b"data") + 4
    return data[:4] + struct.pack("<I", riff) + data[8:at] + struct.pack("<I", size) + data[at + 4 :]


@pytest.mark.parametrize(("riff", "size"), [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000)])
def test_wav_with_unknown_length(riff: int, size: int) -> None:
    data = wav_bytes(tone(16001, 16000), 16000)
    np.testing.assert_array_equal(read(io.BytesIO(streamed(data, riff, size))), read(io.BytesIO(data)))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_wav_that_nobody_closed(subtype: str) -> None:
    data = wav_bytes(tone(16001, 16000, 2), 16000, subtype=subtype)
    np.testing.assert_array_equal(read(io.BytesIO(streamed(data, 0, 0))), read(io.BytesIO(data)))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_rf64_that_nobody_closed(name: bytes, size: int) -> None:
    data = wav_bytes(tone(16001, 16000), 16000, format="RF64", subtype="PCM_16")
    expected = read(io.BytesIO(data))
    at = data.index(b"ds64") + 16
    data = name + data[4:at] + bytes(16) + data[at + 16 :]
    np.testing.assert_array_equal(read(io.BytesIO(streamed(data, 0xFFFFFFFF, size))), expected)


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_rf64_announces_its_samples(name: bytes) -> None:
    data = name + wav_bytes(tone(16001, 16000) + 0.1, 16000, format="RF64", subtype="PCM_16")[4:]
    assert len(read(io.BytesIO(data))) == 16001
    with pytest.raises(AudioError, match=r"^stream: cut short: 31002 of 32002 bytes of sound are there"):
        read(io.BytesIO(data[:-1000]))
    with pytest.raises(AudioError, match=r"^stream: 30000 bytes follow the samples that its header announces"):
        read(io.BytesIO(data + data[-30000:]))


def test_wav_with_more_than_it_announces() -> None:
    data = streamed(wav_bytes(tone(16000, 16000) + 0.1, 16000), 20036, 20000)
    problem = "stream: 12000 bytes follow the samples that its header announces; if they are sound, mend the header"
    with pytest.raises(AudioError, match=f"^{problem}.*; --salvage of"):
        open_reader(io.BytesIO(data))
    with pytest.warns(AudioWarning, match=f"^{problem}"), open_reader(io.BytesIO(data), salvage=True) as reader:
        assert sum(map(len, reader)) == 10000
    with pytest.warns(AudioWarning, match="stream: 2000 bytes follow the samples that its header announces; left out"):
        assert len(read(io.BytesIO(data[:-10000]))) == 10000


def test_cut_wav_is_refused_or_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes(tone(16000, 16000), 16000)[:-1001])
    problem = "cut short: 30999 of 32000 bytes of sound are there"
    with pytest.raises(AudioError, match=f"^{path}: {problem}; --salvage of 'unitcodec encode' and 'units' codes what is there$"):
        open_reader(path)
    with pytest.warns(AudioWarning, match=f"^{path}: {problem}$"), open_reader(path, salvage=True) as reader:
        assert sum(map(len, reader)) == 15499


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_raw_samples(tmp_path: Path, encoding: str) -> None:
    subtype, endian, width = ENCODINGS[encoding]
    path = tmp_path / "speech.raw"
    soundfile.write(path, tone(8001, 8000, 2), 8000, format="RAW", subtype=subtype, endian=endian)
    assert path.stat().st_size == 2 * 8001 * width
    with open_reader(path, raw=RawFormat(8000, 2, encoding)) as reader:
        samples = np.concatenate(list(reader))
    expected = to_mono_16k(tone(8001, 8000, 2).T, 8000)
    np.testing.assert_allclose(samples, expected, atol=0.03 if width == 1 else 1e-4)


def test_raw_samples_that_end_within_a_frame() -> None:
    with pytest.warns(AudioWarning, match="3 bytes at the end are no whole sample of every channel; left out"):
        with open_reader(io.BytesIO(bytes(4003)), raw=RawFormat(16000, 2)) as reader:
            assert sum(map(len, reader)) == 1000


@pytest.mark.parametrize("wrong", [(0,), (16000, 0), (16000, 1, "s12"), (1 << 31,)])
def test_raw_formats_that_are_none(wrong: tuple[int, int, str]) -> None:
    with pytest.raises(AudioError):
        RawFormat(*wrong)


def test_flac_with_unknown_length() -> None:
    data = bytearray(wav_bytes(tone(200000, 16000), 16000, format="FLAC"))
    expected = read(io.BytesIO(bytes(data)))
    data[21] &= 0xF0  # the 36 bits of STREAMINFO's total samples
    data[22:26] = bytes(4)
    with open_reader(io.BytesIO(bytes(data))) as reader:
        assert reader.duration is None
        np.testing.assert_array_equal(np.concatenate(list(reader)), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe(tmp_path: Path) -> None:
    data = wav_bytes(tone(5000, 16000), 16000)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert len(read(pipe)) == 5000
    writer.join()


def test_temporary_copy_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read(io.BytesIO(wav_bytes(tone(100, 16000), 16000)))
    with pytest.raises(AudioError):
        open_reader(io.BytesIO(b"no audio at all"), "standard input")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.wav", b"", "the file is empty"),
        ("text.wav", b"Dear reader,\n" * 100, "not audio that libsndfile can read"),
        ("headless.raw", bytes(1000), "raw samples without a header"),
        ("speech.uc", b"\xf5U" + bytes(100), "already a unitcodec stream; decode it"),
        ("nothing.wav", wav_bytes(np.zeros(0), 16000), "holds no samples"),
        ("cut.wav", wav_bytes(tone(100, 16000), 16000)[:20], "cut short or damaged: begins as WAV does"),
    ],
)
def test_what_is_not_audio_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_cut_flac_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    rng = np.random.default_rng(3)
    path.write_bytes(wav_bytes(0.1 * rng.standard_normal(100000), 16000, format="FLAC")[:60000])
    with pytest.raises(AudioError, match=r"cut\.flac: (damaged|cut short)"):
        read(path)


def test_directory_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="directory"):
        open_reader(tmp_path)
    with pytest.raises(AudioError, match="No such file"):
        open_reader(tmp_path / "missing.wav")


def test_memory_does_not_grow_with_duration(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    second = (1000 * tone(48000, 48000, 2)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        for _ in range(120):
            file.write(second)
    tracemalloc.start()
    with open_reader(path) as reader:
        total = sum(len(block) for block in reader)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 120 * 16000
    assert peak < 4 << 20


def test_written_wav_reads_back() -> None:
    rng = np.random.default_rng(4)
    pcm = rng.integers(-32768, 32768, 10001).astype(np.int16)
    samples = pcm.astype(np.float32) / 32768
    buffer = io.BytesIO()
    write_wav(buffer, (samples[i : i + 777] for i in range(0, len(samples), 777)), len(samples))  # type: ignore[misc]
    data, rate = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="int16")
    assert rate == 16000
    np.testing.assert_array_equal(data, pcm)
    raw = io.BytesIO()
    write_wav(raw, [samples], len(samples), raw=True)
    assert raw.getvalue() == buffer.getvalue()[44:] == pcm.astype("<i2").tobytes()


def test_loud_samples_are_clipped_and_do_not_wrap() -> None:
    buffer = io.BytesIO()
    write_wav(buffer, [np.array([1.0, 7.0, -1.0, -7.0, 1e30], np.float32)], 5, raw=True)
    assert np.frombuffer(buffer.getvalue(), "<i2").tolist() == [32767, 32767, -32768, -32768, 32767]


@pytest.mark.parametrize("announced", [9, 11])
def test_wrong_announced_length_is_an_error(tmp_path: Path, announced: int) -> None:
    with pytest.raises(AudioError, match=f"{announced} samples announced"):
        write_wav(tmp_path / "x.wav", [np.zeros(10, np.float32)], announced)


def test_long_wav_gets_an_rf64_header(tmp_path: Path) -> None:
    class Head(io.BytesIO):
        """Keeps the header and stops there."""

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            super().write(data)
            raise StopIteration

    for num_samples, magic in [((1 << 31) - 19, b"RIFF"), ((1 << 31) - 18, b"RF64"), (1 << 40, b"RF64")]:
        head = Head()
        with pytest.raises(StopIteration):
            write_wav(head, [], num_samples)
        assert head.getvalue()[:4] == magic
        path = tmp_path / "long.wav"
        with path.open("wb") as file:
            file.write(head.getvalue())
            if num_samples < 1 << 32:
                file.truncate(len(head.getvalue()) + 2 * num_samples)  # sparse: takes no room
        if num_samples < 1 << 32:
            assert soundfile.info(path).frames == num_samples
