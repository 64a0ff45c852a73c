"""Sound files of the kind that their name says."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from unitcodec.command.jobs import JobError
from unitcodec.command.output import Output, OutputError
from unitcodec.command.sound import CODED, RAW, WAV, kind_of, write_sound
from unitcodec.errors import UnitcodecError

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(40001) / 16000)).astype(np.float32)


def blocks() -> Iterator[np.ndarray]:
    yield from np.split(TONE, [1, 1, 17000])


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize("suffix", [WAV, *CODED])
def test_kinds(tmp_path: Path, suffix: str, rate: int) -> None:
    target = str(tmp_path / f"out{suffix.upper()}")
    with Output(target) as output:
        write_sound(output, blocks(), len(TONE), kind_of(target, rate=rate), rate)
    facts = soundfile.info(target)
    form, coding = CODED.get(suffix, ("WAV", "PCM_16"))
    assert (facts.format, facts.subtype, facts.samplerate, facts.channels) == (form, coding, rate, 1)
    length = -(-len(TONE) * rate // 16000)
    assert facts.frames == length
    heard, _ = soundfile.read(target, dtype="float32")
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(length) / rate)
    middle = slice(rate // 10, -rate // 10)
    exact = suffix in (WAV, ".flac")
    assert np.corrcoef(heard[middle], expected[middle])[0, 1] > (0.9999 if exact else 0.99)
    if exact and rate == 16000:
        assert np.abs(heard - TONE).max() <= 1 / 32768


def test_bare_samples_and_pipes() -> None:
    raw, wav, flac = io.BytesIO(), io.BytesIO(), io.BytesIO()
    write_sound(raw, blocks(), None, RAW)
    write_sound(wav, blocks(), len(TONE), WAV)
    assert wav.getvalue()[44:] == raw.getvalue()
    assert len(raw.getvalue()) == 2 * len(TONE)

    class Pipe:
        write = flac.write

    write_sound(Pipe(), blocks(), len(TONE), ".flac")
    samples, _ = soundfile.read(io.BytesIO(flac.getvalue()), dtype="int16")
    assert samples.astype("<i2").tobytes() == raw.getvalue()


def test_what_decides() -> None:
    assert [kind_of(name) for name in ("-", "a.wav", "A.WAV", "out", "/dev/null", ".wav")] == [WAV] * 6
    assert [kind_of(name) for name in ("a.s16", "a.raw", "a.pcm")] == [RAW] * 3
    assert [kind_of(name, raw=True) for name in ("-", "a.s16", "out", "a.anything")] == [RAW] * 4


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("a.doc", {}, r"a\.doc: not a kind of sound file that is written; \.wav, \.flac, \.mp3"),
        ("a.uc", {}, "not a kind"),
        ("a.mp3", {"raw": True}, "a.mp3: --raw writes bare samples, and no .mp3; name it .s16"),
        ("a.wav", {"raw": True}, "--raw writes bare samples"),
        ("a.opus", {"rate": 44100}, "a.opus: libsndfile writes no .opus at 44100 Hz"),
    ],
)
def test_refusals(target: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        kind_of(target, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("kind", list(CODED))
def test_no_room(kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Told once, though libsndfile stands between."""

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            with open("/dev/full", "wb", buffering=0) as device:
                return device.write(data)

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **options: Full(os.memfd_create("full"), "w+"))
    with pytest.raises(OutputError, match=r"a temporary file in .*: No space left on device"):
        write_sound(io.BytesIO(), blocks(), len(TONE), kind)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", CODED)
def test_kinds_that_cannot_be_empty(suffix: str) -> None:
    out = io.BytesIO()
    with pytest.raises(UnitcodecError, match=f"^not one sample to write; a {suffix} file needs one, .wav does not$"):
        write_sound(out, [np.zeros(0, np.float32)], 0, suffix)
    assert out.getvalue() == b""
