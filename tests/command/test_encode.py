"""``unitcodec encode``: the same bytes however they are asked for, and one clear line for what cannot be coded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from invocation import Batch, Command, Start, files, run

from unitcodec.audio import open_reader
from unitcodec.command import main

if TYPE_CHECKING:
    from unitcodec.codec import Codec


def test_bad_inputs_are_named_and_the_others_done(batch: Batch) -> None:
    assert batch.encode_status == 1
    assert files(batch.folder / "uc") == sorted(f"{name}.uc" for name in batch.lengths)
    complaints = [line for line in batch.encode_lines[:-1] if line.startswith("unitcodec: ")]
    assert len(complaints) == len(batch.bad)
    for name, message in batch.bad.items():
        (line,) = [line for line in complaints if f"{name}.wav: " in line]
        assert message in line
    assert len(batch.encode_lines) == len(batch.lengths) + len(batch.bad) + 1
    total = len(batch.lengths) + len(batch.bad)
    assert batch.encode_lines[-1].startswith(f"unitcodec: {len(batch.bad)} of {total} failed: ")
    assert all(f"{name}.wav" in batch.encode_lines[-1] for name in batch.bad)


def test_closing_line_tells_the_rate_of_the_whole_file(batch: Batch, stream: bytes) -> None:
    duration = batch.lengths["speech"] / 16000
    (line,) = [line for line in batch.encode_lines if line.endswith("real time") and "speech.uc: " in line]
    found = re.search(r"speech\.wav -> .*speech\.uc: ([\d.]+) s, (\d+) bytes, ([\d.]+) bit/s, [\d.]+ x real time$", line)
    assert found is not None
    assert float(found[1]) == pytest.approx(duration, abs=0.01)
    assert int(found[2]) == len(stream)
    assert float(found[3]) == pytest.approx(8 * len(stream) / duration, abs=0.06)
    assert float(found[3]) <= 365


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bytes_alone_through_a_pipe(threads: int, stream: bytes, speech: Path, command: Command) -> None:
    env = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    alone = command("encode", "-", "--device", "cpu", input=speech.read_bytes(), env=env)
    assert alone.returncode == 0
    assert alone.stdout == stream


def test_same_bytes_in_other_blocks(codec: Codec, stream: bytes, speech: Path) -> None:
    with open_reader(speech) as reader:
        samples = np.concatenate(list(reader))
    assert b"".join(codec.compress_blocks(samples[i : i + 7777] for i in range(0, len(samples), 7777))) == stream


def test_fewer_bits_when_asked(codec: Codec, stream: bytes, speech: Path, tmp_path: Path, command: Command) -> None:
    assert command("encode", speech, tmp_path / "low.uc", "--bitrate", "230", "--device", "cpu").returncode == 0
    low = (tmp_path / "low.uc").read_bytes()
    assert len(low) < len(stream)
    with open_reader(speech) as reader:
        samples = np.concatenate(list(reader))
    assert b"".join(codec.compress_blocks((samples[i : i + 7777] for i in range(0, len(samples), 7777)), 230)) == low
    waveform, _ = codec.decompress(low)
    assert waveform.shape == samples.shape
    long = np.tile(samples, -(-60 * 16000 // len(samples)))[: 60 * 16000]
    assert 8 * len(codec.compress(long, 16000, bitrate=230)) / 60 == pytest.approx(230, rel=0.03)


@pytest.mark.parametrize("raw", [False, True])
def test_a_speaker_is_coded_while_he_speaks(narrow_folder: Path, speech: Path, raw: bool, start: Start, tmp_path: Path) -> None:
    """Sound through pipes: packets leave before the last of it is there, no copy is made, and the bytes are a file's."""
    samples = np.tile(soundfile.read(speech, dtype="int16")[0], 4)
    file, whole = tmp_path / "whole.wav", tmp_path / "whole.uc"
    soundfile.write(file, samples, 16000)
    assert main(["encode", str(file), str(whole), "-q", "--model", str(narrow_folder), "--device", "cpu"]) == 0
    sound = file.read_bytes()
    sound = samples.tobytes() if raw else sound[:40] + b"\xff\xff\xff\xff" + sound[44:]
    options = ("--raw", "--rate", "16000") if raw else ()
    folder = tmp_path / "temporary"
    folder.mkdir()
    process = start(
        "encode", *options, "-", "-", "-q", "--model", str(narrow_folder), "--device", "cpu",
        stdin=-1, stdout=-1, env={"TMPDIR": str(folder)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(sound[: 2 * 16000 * 25])
    process.stdin.flush()
    coded = process.stdout.read(40)
    assert process.poll() is None
    assert not list(folder.glob("unitcodec-*"))
    process.stdin.write(sound[2 * 16000 * 25 :])
    process.stdin.close()
    coded += process.stdout.read()
    assert process.wait(timeout=900) == 0
    assert coded == whole.read_bytes()


def test_raw_samples_are_coded_as_a_file_of_them(narrow_folder: Path, speech: Path, tmp_path: Path, command: Command) -> None:
    coding = ("--model", str(narrow_folder), "-q", "--device", "cpu")
    (tmp_path / "in").mkdir()
    samples, _ = soundfile.read(speech, frames=20000, dtype="int16")
    soundfile.write(tmp_path / "in" / "c.wav", samples, 16000)
    expected = command("encode", str(tmp_path / "in" / "c.wav"), "-", *coding).stdout
    bare = samples.astype(">i2").tobytes()
    raw = ("--raw", "--rate", "16000", "--format", "s16be")
    done = command("encode", "-", "-", *raw, *coding, input=bare)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", expected)
    for name in ("a.pcm", "b.raw"):
        (tmp_path / "in" / name).write_bytes(bare)
    assert command("encode", "-r", str(tmp_path / "in"), "-o", str(tmp_path / "uc"), "-j", "2", *raw, *coding).returncode == 0
    assert files(tmp_path / "uc") == ["a.uc", "b.uc"]
    assert (tmp_path / "uc" / "b.uc").read_bytes() == expected


def test_cut_audio_is_refused_or_salvaged(
    narrow_folder: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "cut.wav", tmp_path / "cut.uc"
    source.write_bytes(speech.read_bytes()[:40000])
    coding = (source, target, "--model", narrow_folder, "-q")
    problem = rf"unitcodec: {source}: cut short: 39\d+ of \d+ bytes of sound are there"
    status, _, (line,) = run(capsys, "encode", *coding)
    assert status == 1
    assert re.fullmatch(problem + "; --salvage of 'unitcodec encode' and 'units' codes what is there", line)
    assert files(tmp_path) == ["cut.wav"]
    status, _, (line,) = run(capsys, "encode", "--salvage", *coding)
    assert status == 0
    assert re.fullmatch(problem, line)
    assert files(tmp_path) == ["cut.uc", "cut.wav"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--raw"], "--raw needs --rate HZ"),
        (["--rate", "8000"], "--rate, --channels and --format tell what --raw samples are"),
        (["--format", "mulaw"], "--rate, --channels and --format tell what --raw samples are"),
        (["--raw", "--rate", "0"], "0 is not in the range"),
        (["--raw", "--rate", "8000", "--channels", "0"], "0 is not in the range"),
        (["--raw", "--rate", "8000", "--format", "s12"], "'s12' is not one of"),
    ],
)
def test_raw_that_is_not_said_right(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", "x.raw", *options)
    assert status == 2
    assert message in " ".join(lines)


def test_a_rate_that_is_not_reached_is_one_line(tones: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", "-q", "in/a.wav", "low.uc", "-b", "50", *tones)
    assert (status, len(lines)) == (0, 1)
    assert re.match(r"unitcodec: in/a\.wav: 50 bit/s asked for, about \d+ reached: header and cheapest codes of ", lines[0])
