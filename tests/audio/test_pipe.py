"""Sound from pipes: the samples that a file of the same bytes has, as they come."""

from __future__ import annotations

import io
import os
import re
import struct
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import soundfile

from unitcodec.audio import open_reader
from unitcodec.audio.pipe import PipeSound
from unitcodec.audio.raw import ENCODINGS, RawFormat
from unitcodec.errors import AudioError, AudioWarning


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def _wav(subtype: str = "PCM_16", channels: int = 1, rate: int = 16000, form: str = "WAV") -> bytes:
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, (rate // 2 + 137, channels))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=form)
    return file.getvalue()


def _read(stream: io.BytesIO, **options: Any) -> tuple[np.ndarray | str, list[str], bool]:
    """Samples, or what is wrong; warnings; whether they came as they were sent."""
    live = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AudioWarning)
        try:
            with open_reader(stream, "it", **options) as reader:
                live = isinstance(reader._source, PipeSound)
                result: np.ndarray | str = np.concatenate(list(reader))
        except AudioError as error:
            result = str(error)
    return result, [str(each.message) for each in caught], live


def _assert_alike(data: bytes, live: bool = True, **options: Any) -> tuple[np.ndarray | str, list[str]]:
    """Through a pipe as from a file."""
    (whole, told, _), (piped, told_too, came) = _read(io.BytesIO(data), **options), _read(Pipe(data), **options)
    assert came == live
    assert np.array_equal(whole, piped)
    assert told == told_too
    return whole, told


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_wav(subtype: str) -> None:
    for channels, rate, form in ((1, 16000, "WAV"), (2, 44100, "WAVEX"), (3, 8000, "WAV"), (2, 48000, "RF64")):
        _assert_alike(_wav(subtype, channels, rate, form))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bare_samples(encoding: str) -> None:
    data = np.random.default_rng(2).bytes(48003)
    if encoding.startswith("f"):
        data = np.random.default_rng(2).uniform(-1, 1, 6000).astype(f"<f{int(encoding[1:3]) // 8}").tobytes() + b"abc"
    _, told = _assert_alike(data, raw=RawFormat(22050, 2, encoding))
    assert len(told) == 1


def test_lengths_that_are_not_there() -> None:
    data = _wav()
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f"):
        samples, _ = _assert_alike(data[:40] + size + data[44:])
        assert len(samples) == 8137
    wrong, _ = _assert_alike(data[:-3000])
    assert isinstance(wrong, str)
    assert wrong.startswith("it: cut short: 13274 of 16274 bytes of sound are there; ")
    samples, told = _assert_alike(data[:-3000], salvage=True)
    assert (len(samples), len(told)) == (6637, 1)
    _, told = _assert_alike(data + b"\1junk" * 10)
    assert told == ["it: 50 bytes follow the samples that its header announces; left out"]
    for more in (b"\1" * 5000, b"NOISE" * 1000):
        wrong, _ = _assert_alike(data + more)
        assert isinstance(wrong, str)
        assert wrong.startswith("it: 5000 bytes follow the samples that its header announces; if they are sound, mend the header")
    _, told = _assert_alike(data + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + b"LIST")
    assert told == []


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
@pytest.mark.parametrize("long", [8137 * 2, 0])
def test_long_wav_closed_or_not(name: bytes, long: int) -> None:
    data = _wav(form="RF64")
    at, size = data.index(b"ds64") + 16, data.index(b"data") + 4
    data = name + data[4:at] + struct.pack("<Q", long) + data[at + 8 : size] + b"\xff" * 4 + data[size + 4 :]
    samples, told = _assert_alike(data)
    assert (len(samples), told) == (8137, [])


def test_wavs_end_to_end() -> None:
    first, other = _wav(), _wav("FLOAT", 2, 44100)
    once = _assert_alike(first)[0], _assert_alike(other)[0]
    for between in (b"", bytes(5001), b"LIST\4\0\0\0INFO"):
        samples, told = _assert_alike(first + between + other + bytes(5001))
        np.testing.assert_array_equal(samples, np.concatenate(once))
        assert told == []


def test_other_files_behind_take_a_file() -> None:
    wrong, _, _ = _read(Pipe(_wav() + _wav(form="FLAC")))
    assert isinstance(wrong, str)
    assert re.match(r"it: behind it comes FLAC that is not read from a pipe \(\d+ bytes\); save it to a file; --salvage", wrong)


@pytest.mark.parametrize(
    "data", [b"", b"RI", b"RIFF", _wav()[:30], b"\xf5U\x02", b"ID3" + bytes(99), _wav("IMA_ADPCM"), _wav()[:20]]
)
def test_what_takes_a_copy_gets_one_with_nothing_missing(data: bytes) -> None:
    _assert_alike(data, live=False)


def test_other_kinds() -> None:
    for form, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", "PCM_16"), ("CAF", "PCM_16"), ("WAV", "IMA_ADPCM")):
        _assert_alike(_wav(subtype, form=form), live=False)


def test_far_above_full_scale() -> None:
    samples = np.full(20000, 3.0, "<f4").tobytes()
    result, _, _ = _read(Pipe(samples), raw=RawFormat(16000, 1, "f32le"))
    assert isinstance(result, str)
    assert result.startswith("it: its samples reach 3 times full scale; save it to a file")


def test_a_header_that_states_any_rate_allocates_nothing() -> None:
    fmt = struct.pack("<HHIIHH", 1, 1000, 9_999_999, 0, 2000, 16)
    data = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + fmt + b"data\xff\xff\xff\xff" + bytes(4000)
    asked = []

    class Watched(Pipe):
        def read(self, count: int | None = -1) -> bytes:
            asked.append(count)
            return super().read(count)

    _read(Watched(data))
    assert max(count or 0 for count in asked) <= 1 << 20


def test_samples_are_there_before_the_end_is_sent() -> None:
    data = _wav(rate=16000) + bytes(64000)
    data = data[:40] + b"\xff\xff\xff\xff" + data[44:]
    read, write = os.pipe()
    heard = threading.Event()

    def send() -> None:
        with os.fdopen(write, "wb", buffering=0) as file:
            file.write(data[: 44 + 16000])
            assert heard.wait(600)
            file.write(data[44 + 16000 :])

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(read, "rb") as file, open_reader(file) as reader:
        blocks = iter(reader)
        count = len(next(blocks)) + len(next(blocks))
        heard.set()
        count += sum(map(len, blocks))
    thread.join()
    assert count == 8137 + 32000
