"""The ``unitcodec`` command with the packaged model on every kind of input: a right result or one clear line."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

import bitstream
import cli
import unitcodec
from unitcodec.audio import open_reader, resampled_length

if TYPE_CHECKING:
    from unitcodec.codec import Codec

FULL = Path("/dev/full")
Start = Callable[..., "subprocess.Popen[bytes]"]
Command = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True)
class Batch:
    """One run of encode over good and bad inputs, and one of decode over what came out."""

    folder: Path
    lengths: dict[str, int]
    bad: dict[str, str]
    encode_status: int
    encode_lines: list[str]
    decode_status: int
    decode_lines: list[str]


@pytest.fixture(scope="session")
def batch(default_model: Path, speech: Path, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("batch")
    source = folder / "in"
    (source / "deep").mkdir(parents=True)
    rng = np.random.default_rng(5)
    said, _ = soundfile.read(speech)
    good = {
        "speech": (said, 16000, "PCM_16"),
        "one_sample": (np.array([0.25]), 16000, "PCM_16"),
        "one_sample_48k": (np.array([0.25]), 48000, "PCM_16"),
        "ten_ms": (said[20000:20160], 16000, "PCM_16"),
        "silence": (np.zeros(16000), 16000, "PCM_16"),
        "clipped_noise": (np.clip(3 * rng.standard_normal(16000), -1, 1), 16000, "PCM_16"),
        "deep/stereo_48k_24_bit": (0.3 * rng.standard_normal((48001, 2)), 48000, "PCM_24"),
        "deep/mu_law_8k": (said[: 2 * 7999 : 2], 8000, "ULAW"),
    }
    for name, (data, rate, subtype) in good.items():
        soundfile.write(source / f"{name}.wav", data, rate, subtype=subtype)
    soundfile.write(source / "nan.wav", np.where(np.arange(16000) == 8000, np.nan, 0.1), 16000, subtype="FLOAT")
    (source / "empty.wav").write_bytes(b"")
    (source / "text.wav").write_text("Dear reader,\n" * 100)
    (source / "ignored.txt").write_text("not audio, and not named as such")
    soundfile.write(source / "no_samples.wav", np.zeros(0), 16000)
    soundfile.write(source / "low_rate.wav", np.zeros(4000), 4000)
    bad = {
        "nan": "the sample at 0.5000 s is NaN or infinite",
        "empty": "the file is empty",
        "text": "not audio that libsndfile can read",
        "no_samples": "holds no samples",
        "low_rate": "4000 Hz is too low",
    }
    encoded = command("encode", str(source), "-r", "-o", str(folder / "uc"), "--device", "cpu")
    decoded = command("decode", str(folder / "uc"), "-r", "-o", str(folder / "out"), "--device", "cpu")
    lengths = {name: resampled_length(len(data), rate) for name, (data, rate, _) in good.items()}
    return Batch(
        folder,
        lengths,
        bad,
        encoded.returncode,
        encoded.stderr.decode().splitlines(),
        decoded.returncode,
        decoded.stderr.decode().splitlines(),
    )


@pytest.fixture(scope="session")
def stream(batch: Batch) -> bytes:
    """The example, encoded."""
    return (batch.folder / "uc" / "speech.uc").read_bytes()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    """The command in this process: status, standard output, lines on standard error."""
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- good and bad inputs in one run


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


def test_decoded_lengths_are_exact(batch: Batch) -> None:
    assert batch.decode_status == 0
    assert len(batch.decode_lines) == len(batch.lengths)
    assert files(batch.folder / "out") == sorted(f"{name}.wav" for name in batch.lengths)
    for name, length in batch.lengths.items():
        facts = soundfile.info(batch.folder / "out" / f"{name}.wav")
        assert (facts.frames, facts.samplerate, facts.channels, facts.subtype) == (length, 16000, 1, "PCM_16"), name


def test_closing_line_tells_the_rate_of_the_whole_file(batch: Batch, stream: bytes) -> None:
    duration = batch.lengths["speech"] / 16000
    (line,) = [line for line in batch.encode_lines if line.endswith("real time") and "speech.uc: " in line]
    found = re.search(r"speech\.wav -> .*speech\.uc: ([\d.]+) s, (\d+) bytes, ([\d.]+) bit/s, [\d.]+ x real time$", line)
    assert found is not None
    assert float(found[1]) == pytest.approx(duration, abs=0.01)
    assert int(found[2]) == len(stream)
    assert float(found[3]) == pytest.approx(8 * len(stream) / duration, abs=0.06)
    assert float(found[3]) <= 365


def test_silence_stays_quiet_and_speech_is_there(batch: Batch) -> None:
    said, _ = soundfile.read(batch.folder / "in" / "speech.wav")
    spoken, _ = soundfile.read(batch.folder / "out" / "speech.wav")
    silence, _ = soundfile.read(batch.folder / "out" / "silence.wav")
    assert 0.25 < np.std(spoken) / np.std(said) < 4
    assert np.std(silence) < 0.01


# --- the same bytes, however they are asked for


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


def test_raw_output_through_a_pipe(batch: Batch, stream: bytes, command: Command) -> None:
    raw = command("decode", "-", "-", "--raw", "-q", input=stream)
    assert (raw.returncode, raw.stderr) == (0, b"")
    assert len(raw.stdout) == 2 * batch.lengths["speech"]
    samples = np.frombuffer(raw.stdout, "<i2").astype(int)
    wav, _ = soundfile.read(batch.folder / "out" / "speech.wav", dtype="int16")
    assert np.abs(samples - wav).max() <= 2


def test_a_listener_hears_while_the_speaker_speaks(batch: Batch, stream: bytes, start: Start) -> None:
    """Packets through pipes: what can be spoken of the first ones comes before the last is sent."""
    packets = bitstream.inspect(stream).packets
    longer = bitstream.join([bitstream.cut(stream, 0, 3)] * 2 + [stream])
    assert len(packets) == 4
    process = start("decode", "-", "-", "--raw", "-q", stdin=-1, stdout=-1)
    assert process.stdin is not None
    assert process.stdout is not None
    sent, heard = 0, b""
    for index in range(1, 4):
        # A packet is heard when the next one is there.
        so_far, sent = sent, bitstream.inspect(longer).packets[index + 1].offset
        process.stdin.write(longer[so_far:sent])
        process.stdin.flush()
        heard += process.stdout.read(2 * 40960)
    assert process.poll() is None
    process.stdin.write(longer[sent:])
    process.stdin.close()
    heard += process.stdout.read()
    assert process.wait(timeout=900) == 0
    assert len(heard) == 2 * (6 * 40960 + batch.lengths["speech"])


@pytest.mark.parametrize("raw", [False, True])
def test_a_speaker_is_coded_while_he_speaks(narrow_folder: Path, speech: Path, raw: bool, start: Start, tmp_path: Path) -> None:
    """Sound through pipes: packets leave before the last of it is there, no copy is made, and the bytes are a file's."""
    samples = np.tile(soundfile.read(speech, dtype="int16")[0], 4)
    file, whole = tmp_path / "whole.wav", tmp_path / "whole.uc"
    soundfile.write(file, samples, 16000)
    assert cli.main(["encode", str(file), str(whole), "-q", "--model", str(narrow_folder), "--device", "cpu"]) == 0
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


def test_a_small_file_does_not_become_hours(default_model: Path, stream: bytes, command: Command, tmp_path: Path) -> None:
    packets = [stream[packet.offset + 3 : packet.offset + packet.size] for packet in bitstream.inspect(stream).packets[:3]]
    header = stream[: bitstream.inspect(stream).header_size]
    records = [bitstream.framing.frame_payload(packet, 60000 * (i > 0) + i) for i, packet in enumerate(packets)]
    bomb = tmp_path / "bomb.uc"
    bomb.write_bytes(header + b"".join(records) + bitstream.framing.frame_end(60003))
    for mode in ("--conceal", "--salvage"):
        done = command("decode", mode, str(bomb), str(tmp_path / "out.wav"))
        assert done.returncode == 1
        told = "bomb.uc: 60000 packets, 153600 s, are damaged or missing at packet 1; "
        assert re.fullmatch(rf"unitcodec: \S*{told}.*; --max-duration TIME allows more", done.stderr.decode().strip())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bomb.uc"]
    sound = tmp_path / "sound.uc"
    sound.write_bytes(stream)
    for limit, status in (("0:05", 1), ("1:00", 0)):
        done = command("decode", "--max-duration", limit, str(sound), str(tmp_path / "out.wav"))
        assert done.returncode == status
        assert ("sound.uc: " if status else "sound.uc -> ") in done.stderr.decode()


def test_sound_from_a_pipe_into_a_pipe(batch: Batch, stream: bytes, command: Command) -> None:
    done = command("decode", "-", "-", input=stream)
    assert done.returncode == 0
    wave, rate = soundfile.read(io.BytesIO(done.stdout), dtype="int16")
    assert (len(wave), rate) == (batch.lengths["speech"], 16000)
    assert f"{len(stream)} bytes" in done.stderr.decode()
    damaged = bytearray(stream)
    damaged[bitstream.inspect(stream).packets[1].offset + 5] ^= 1
    done = command("decode", "-", "-", "-q", input=bytes(damaged))
    assert done.returncode == 1
    assert b"packet 1, at byte" in done.stderr
    done = command("decode", "-", "-", "--conceal", "-q", input=bytes(damaged))
    assert (done.returncode, done.stderr.decode().splitlines()) == (
        0,
        ["unitcodec: standard input: 1 packets are damaged or missing; concealed"],
    )


# --- damage


def test_a_flipped_bit_is_found(stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "flipped.uc", tmp_path / "out.wav"
    # Every bit is flipped where no model has to be read each time: tests/bitstream/test_bitstream_damage.py.
    for i in [*range(0, len(stream), 23), len(stream) - 1]:
        flipped = bytearray(stream)
        flipped[i] ^= 1 << i % 8
        path.write_bytes(flipped)
        status, _, lines = run(capsys, "decode", path, out)
        assert status == 1, i
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"unitcodec: {path}: "), lines
        assert not out.exists()
    assert re.search(r"packet \d+, at byte \d+, is damaged; --conceal plays the rest$", lines[0])


def test_a_stream_cut_anywhere_is_refused(stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "cut.uc", tmp_path / "out.wav"
    for length in [*range(0, len(stream), 19), len(stream) - 1]:
        path.write_bytes(stream[:length])
        status, _, lines = run(capsys, "decode", path, out)
        assert (status, len(lines)) == (1, 1), (length, lines)
        assert not out.exists()


def test_conceal_plays_the_rest(batch: Batch, stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packet = bitstream.inspect(stream).packets[1]
    damaged = bytearray(stream)
    damaged[packet.offset + packet.size - 1] ^= 4
    path, out = tmp_path / "damaged.uc", tmp_path / "out.wav"
    path.write_bytes(damaged)
    status, _, lines = run(capsys, "decode", path, out, "--conceal", "--quiet")
    assert status == 0
    assert lines == [f"unitcodec: {path}: packet 1, at byte {packet.offset}, is damaged; concealed"]
    concealed, _ = soundfile.read(out)
    whole, _ = soundfile.read(batch.folder / "out" / "speech.wav")
    assert len(concealed) == len(whole)
    np.testing.assert_allclose(concealed[:16000], whole[:16000], atol=0.01)


def test_trailing_bytes_are_named(stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "longer.uc"
    path.write_bytes(stream + b"more")
    status, _, lines = run(capsys, "decode", path, tmp_path / "out.wav")
    assert status == 1
    follow = f"4 bytes follow the end of the stream, from byte {len(stream)} on"
    assert lines == [f"unitcodec: {path}: {follow}; --conceal plays the rest"]
    status, _, lines = run(capsys, "decode", path, tmp_path / "out.wav", "--conceal", "-q")
    assert (status, lines) == (0, [f"unitcodec: {path}: {follow}; left out"])


def test_a_claim_of_a_million_million_samples_costs_nothing(default_model: Path, tmp_path: Path, command: Command) -> None:
    """In version 1 the header tells the length."""
    entropy = bitstream.EntropyModel.load(default_model / "entropy.safetensors")
    speaker = entropy.pack_speaker([0] * len(entropy.spec.speaker))
    path = tmp_path / "huge.uc"
    length = bytes([0x80, 0xA0, 0x94, 0xA5, 0x8D, 0x1D])  # 10**12 in groups of 7 bits
    header = b"\xf5U\x01" + bytes.fromhex(entropy.fingerprint) + length + bytes([len(speaker)]) + speaker
    path.write_bytes(header + crc_hqx(header, 0xFFFF).to_bytes(2, "big") + bytes(100))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    for options in [(), ("--conceal",)]:
        began = time.monotonic()
        done = command("decode", str(path), *options, preexec_fn=limit)
        assert time.monotonic() - began < 20
        assert done.returncode == 1
        (line,) = done.stderr.decode().splitlines()
        assert "claims 1000000000000 samples" in line
    assert files(tmp_path) == ["huge.uc"]


def test_salvage_plays_what_there_is(batch: Batch, stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = bitstream.inspect(stream).packets
    path, out = tmp_path / "stump.uc", tmp_path / "out.wav"
    path.write_bytes(stream[: packets[2].offset + 5])
    for options in ((), ("--conceal",)):
        status, _, lines = run(capsys, "decode", path, out, *options)
        assert (status, out.exists()) == (1, False)
        assert lines[0].endswith(f"packet 2, at byte {packets[2].offset}, is damaged; --salvage plays what is there")
    status, _, lines = run(capsys, "decode", path, out, "--salvage", "-q")
    assert status == 0
    assert lines == [
        f"unitcodec: {path}: packet 2, at byte {packets[2].offset}, is damaged, and the end is missing; what is there is played"
    ]
    salvaged, _ = soundfile.read(out)
    whole, _ = soundfile.read(batch.folder / "out" / "speech.wav")
    assert len(salvaged) == 2 * 40960
    np.testing.assert_allclose(salvaged[:60000], whole[:60000], atol=0.01)
    # Without its header: the voice is anybody's, the duration its own.
    path.write_bytes(b"XX" + stream[2:])
    status, _, lines = run(capsys, "decode", path, out, "--salvage", "-q", "--overwrite")
    assert (status, len(lines)) == (0, 1)
    assert lines[0].endswith("not a unitcodec stream: it does not start with f5 55; its packets are looked for")
    assert soundfile.info(out).frames == batch.lengths["speech"]


def test_nothing_to_salvage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note.uc").write_text("Dear reader,\n")
    status, _, lines = run(capsys, "decode", tmp_path / "note.uc", "--salvage")
    assert (status, files(tmp_path)) == (1, ["note.uc"])
    assert "nothing of it can be salvaged" in lines[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"RIFF1234WAVE", "not a unitcodec stream ('unitcodec encode'"), (b"\xf5", "not a unitcodec stream")],
)
def test_what_is_no_stream_is_refused(content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.uc"
    path.write_bytes(content)
    for arguments in (["decode", path, tmp_path / "out.wav"], ["info", path]):
        status, _, lines = run(capsys, *arguments)
        assert (status, len(lines)) == (1, 1)
        assert message in lines[0]


# --- audio that needs a word


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


@pytest.mark.parametrize("jobs", [1, 2])
def test_notes_are_lines_of_their_own(
    narrow_folder: Path, speech: Path, tmp_path: Path, jobs: int, capfd: pytest.CaptureFixture[str]
) -> None:
    samples, _ = soundfile.read(speech, frames=16000)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.stack([samples, -samples], 1), 16000)
    sources = [tmp_path / "a.wav", tmp_path / "b.wav"]
    status, _, lines = run(capfd, "encode", *sources, "-o", tmp_path, "--model", narrow_folder, "-q", "-j", jobs)
    assert status == 0
    assert sorted(line.split(" first")[0] for line in lines) == [
        f"unitcodec: {source}: the channels cancel each other when mixed," for source in sources
    ]


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


# --- outputs


def test_existing_output_is_kept(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.uc"
    target.write_bytes(b"precious")
    status, _, lines = run(capsys, "encode", speech, target)
    assert status == 2
    assert lines == [f"unitcodec: {target}: exists already; --overwrite replaces it"]
    assert target.read_bytes() == b"precious"


def test_overwrite_replaces(batch: Batch, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"old")
    source = batch.folder / "uc" / "ten_ms.uc"
    done = command("decode", str(source), str(target), "--overwrite", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert soundfile.info(target).frames == 160


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_full_disk_is_one_line(batch: Batch, command: Command) -> None:
    source = str(batch.folder / "uc" / "ten_ms.uc")
    done = command("decode", source, str(FULL), "--overwrite")
    assert (done.returncode, done.stderr) == (1, b"unitcodec: /dev/full: No space left on device\n")
    for arguments in (["decode", source, "-"], ["info", source], ["encode", "--help"], ["--version"]):
        with FULL.open("wb", buffering=0) as full:
            done = command(*arguments, stdout=full)
        assert (done.returncode, done.stderr) == (1, b"unitcodec: standard output: No space left on device\n")


def test_output_that_grows_too_large_is_removed(batch: Batch, tmp_path: Path, command: Command) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))

    source = str(batch.folder / "uc" / "speech.uc")
    done = command("decode", source, str(tmp_path / "out.wav"), preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [f"unitcodec: {tmp_path / 'out.wav'}: File too large"]
    assert files(tmp_path) == []


def test_urls(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url, cure = "https://example.org/talk", "URLs are not fetched; download it first, or pipe it: "
    for arguments in (["encode", url], ["decode", url, "out.wav"], ["info", url], ["units", url], ["encode", url, "-o", "out"]):
        status, _, (line,) = run(capsys, *arguments)
        assert status == 1
        assert line.startswith(f"unitcodec: {url}: {cure}")
    for target in (["s3://bucket/talk.uc"], ["-o", "s3://bucket"]):
        status, _, (line,) = run(capsys, "encode", speech, *target)
        assert status == 2
        assert ": nothing is written to URLs; write a file and upload it" in line
    assert files(tmp_path) == []


def test_missing_output_folder(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", speech, tmp_path / "none" / "out.uc")
    cure = f"there is no folder {tmp_path / 'none'}; make it first"
    assert (status, lines) == (1, [f"unitcodec: {tmp_path / 'none' / 'out.uc'}: {cure}"])


@pytest.mark.parametrize(
    ("number", "status", "jobs"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2)]
)
def test_interrupted_work_leaves_nothing(
    default_model: Path, start: Start, tmp_path: Path, number: int, status: int, jobs: int
) -> None:
    sources, folder = [tmp_path / f"long{job}.wav" for job in range(jobs)], tmp_path / "out"
    folder.mkdir()
    for source in sources:
        soundfile.write(source, np.random.default_rng(6).uniform(-0.1, 0.1, 16000 * 600), 16000)
    # A job in the background of a shell script ignores SIGINT, and so would its children.
    heed = functools.partial(signal.signal, number, signal.SIG_DFL)
    work = ("encode", *map(str, sources), "-o", str(folder), "-q", "-j", str(jobs))
    process = start(*work, stderr=-1, preexec_fn=heed, start_new_session=True)
    deadline = time.monotonic() + 900
    while len(list(folder.iterdir())) < jobs and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as a terminal does
    _, stderr = process.communicate(timeout=900)
    assert process.returncode == status
    cure = "; the same command with --skip-existing goes on from here" * (jobs > 1)
    assert stderr.decode().splitlines() == ([f"unitcodec: interrupted{cure}"] if number == signal.SIGINT else [])
    assert files(folder) == []


def test_an_interrupt_while_processes_start_is_one_line(tones: tuple[str, ...], start: Start, tmp_path: Path) -> None:
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    work = ("encode", "-r", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-q", "-j", "2", *tones)
    process = start(*work, stderr=-1, preexec_fn=heed, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("the system does not tell of a process's children")
    while process.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=900)
    assert process.returncode == 130
    assert stderr.decode().splitlines() == ["unitcodec: interrupted; the same command with --skip-existing goes on from here"]
    assert not list(tmp_path.glob("out/.*"))
    Path("in/bad.wav").unlink()
    assert cli.main([*work, "--skip-existing"]) == 0
    assert files(tmp_path / "out") == ["-dash.uc", "a.uc", "b.flac.uc", "b.wav.uc"]


@pytest.mark.parametrize("arguments", [["decode", "SOURCE", "-", "-q"], ["join", "SOURCE"], ["info", "SOURCE"], ["--help"]])
def test_closed_pipe_ends_silently(batch: Batch, start: Start, arguments: list[str]) -> None:
    source = str(batch.folder / "uc" / "ten_ms.uc")
    read, write = os.pipe()
    os.close(read)
    process = start(*[source if word == "SOURCE" else word for word in arguments], stdout=write, stderr=-1)
    os.close(write)
    _, stderr = process.communicate(timeout=900)
    assert (process.returncode, stderr) == (141, b"")


def test_terminal_gets_no_binary(batch: Batch, start: Start) -> None:
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = start("decode", str(batch.folder / "uc" / "ten_ms.uc"), "-", stdout=follower, stderr=-1)
    _, stderr = process.communicate(timeout=900)
    os.close(follower)
    os.close(leader)
    assert process.returncode == 2
    assert b"standard output is a terminal" in stderr


# --- inputs that cannot be opened


def test_directory_missing_file_and_stream_as_audio(stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.uc").write_bytes(stream)
    for source, status, message in [
        (tmp_path, 2, "is a directory"),
        (tmp_path / "none.wav", 1, "No such file or directory"),
        (tmp_path / "x.uc", 1, "already a unitcodec stream; decode it with 'unitcodec decode'"),
    ]:
        got, _, lines = run(capsys, "encode", source, tmp_path / "out.uc")
        assert (got, len(lines)) == (status, 1)
        assert message in lines[0]
    assert run(capsys, "decode", tmp_path / "none.uc")[0] == 1
    assert files(tmp_path) == ["x.uc"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_no_permission(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(speech.read_bytes())
    path.chmod(0)
    status, _, lines = run(capsys, "encode", path)
    assert (status, lines) == (1, [f"unitcodec: {path}: Permission denied"])
    tmp_path.chmod(0o500)
    status, _, lines = run(capsys, "encode", speech, tmp_path / "out.uc")
    tmp_path.chmod(0o700)
    assert (status, lines) == (1, [f"unitcodec: {tmp_path / 'out.uc'}: Permission denied"])


def test_unknown_model_ends_the_run(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", speech, tmp_path / "out.uc", "--model", str(tmp_path / "none"))
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("unitcodec: ")
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode"],
        ["encode", "--bogus"],
        ["encode", "a.wav", "-b", "0"],
        ["encode", "a.wav", "-b", "nan"],
        ["encode", "a.wav", "-b", "inf"],
        ["fly"],
        ["encode", "a.wav", "--jobs", "0"],
        ["encode", "a.wav", "--overwrite", "--skip-existing"],
        ["decode", "x.uc", "--device", "abacus"],
        ["decode", "x.uc", "x.doc"],
        ["decode", "x.uc", "x.wav", "--raw"],
        ["decode", "x.uc", "--rate", "7999"],
        ["decode", "x.uc", "--start", "-1"],
        ["decode", "x.uc", "--duration", "0"],
        ["decode", "x.uc", "out/"],
        ["encode", "a.wav", "-o", "talk.uc"],
        ["encode", "a.wav", "-j", "two\nlines"],
        ["train", "foo", "--data", "x", "--out", "y"],
        ["train", "all", "--data", "x", "--out", "y", "--initial", "default"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, *arguments)
    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith("unitcodec: ")


# --- info


def test_info_as_json(stream: bytes, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, damaged = batch.folder / "uc" / "speech.uc", tmp_path / "damaged.uc"
    damaged.write_bytes(stream[:-1] + bytes([stream[-1] ^ 1]))
    status, out, lines = run(capsys, "info", "--json", sound, damaged, tmp_path / "none.uc")
    assert (status, lines) == (1, [])
    good, bad, missing = json.loads(out)
    assert list(good) == list(bad) == list(missing)
    assert good["file"] == str(sound)
    assert good["error"] is None
    assert good["size"] == len(stream)
    assert good["model_name"] == "default"
    assert good["num_samples"] == batch.lengths["speech"]
    assert good["bit_rate"] == pytest.approx(8 * len(stream) / good["duration"])
    assert sum(good["bits"].values()) == pytest.approx(8 * len(stream), abs=0.1)
    assert bad["damaged_packets"] == [bad["packets"] - 1]
    assert "is damaged" in bad["error"]
    assert missing["error"] == "No such file or directory"
    assert missing["size"] is None


def test_info_as_table(batch: Batch, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, lines = run(capsys, "info", batch.folder / "uc" / "speech.uc", batch.folder / "uc" / "one_sample.uc")
    assert (status, lines) == (0, [])
    assert out.count("Bit rate:") == 2
    assert f"= {batch.lengths['speech']} samples at 16000 Hz" in out
    assert "(default)" in out


def test_info_of_folders(batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "info", batch.folder / "uc", "--json")
    assert status == 0
    assert [one["file"] for one in json.loads(out)] == [str(path) for path in _walked(batch.folder / "uc")]
    assert run(capsys, "info", tmp_path) == (2, "", [f"unitcodec: {tmp_path}: holds no files of the kinds .uc"])
    (tmp_path / "a.uc").write_bytes(b"no")
    (tmp_path / "b.uc").write_bytes((batch.folder / "uc" / "ten_ms.uc").read_bytes()[:-1])
    status, _, lines = run(capsys, "info", tmp_path, batch.folder / "uc")
    assert status == 1
    assert (
        lines[-1]
        == f"unitcodec: 2 of {2 + len(_walked(batch.folder / 'uc'))} damaged or unreadable: {tmp_path}/a.uc, {tmp_path}/b.uc"
    )


def _walked(folder: Path) -> list[Path]:
    """A folder's own files first, then those of the folders in it."""
    return sorted(folder.rglob("*.uc"), key=lambda path: (len(path.parts), path))


def test_info_of_version_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parent / "golden"
    known, unknown = golden / "v1" / "stream.uc", golden / "v2" / "short_end.uc"
    status, out, _ = run(capsys, "info", "--json", known, unknown)
    assert status == 0
    first, second = json.loads(out)
    assert (first["version"], first["num_samples"], first["complete"]) == (1, 17285, True)
    # Without its model, a stream of version 2 does not tell how long it is.
    assert (second["version"], second["num_samples"], second["duration"], second["bit_rate"]) == (2, None, None, None)
    status, out, _ = run(capsys, "info", unknown)
    assert "Duration:  unknown without the model" in out


def test_plot(batch: Batch, stream: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    pytest.importorskip("matplotlib")
    source, out = batch.folder / "uc" / "speech.uc", tmp_path / "bits.png"
    assert run(capsys, "info", source, "--plot", out)[0] == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    status, _, lines = run(capsys, "info", source, "--plot", out)
    assert (status, lines) == (2, [f"unitcodec: {out}: exists already; --overwrite replaces it"])
    assert run(capsys, "info", source, source, "--plot", tmp_path / "two.png")[0] == 2
    status, _, lines = run(capsys, "info", source, "--plot", tmp_path / "bits.doc")
    assert (status, lines) == (1, ["unitcodec: matplotlib writes no files of the kind '.doc'"])
    damaged = tmp_path / "damaged.uc"
    damaged.write_bytes(stream[:60] + bytes([stream[60] ^ 1]) + stream[61:])
    assert run(capsys, "info", damaged, "--plot", tmp_path / "damaged.svg")[0] == 1
    assert (tmp_path / "damaged.svg").exists()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, _, lines = run(capsys, "info", source, "--plot", tmp_path / "more.png")
    assert (status, lines) == (1, ["unitcodec: plots need matplotlib: pip install matplotlib"])


def test_the_package_and_a_shell_run_it(environment: dict[str, str], tmp_path: Path) -> None:
    def answer(**variables: str) -> str:
        module = [sys.executable, "-m", "unitcodec", *([] if variables else ["--version"])]
        return subprocess.run(module, env={**environment, **variables}, cwd=tmp_path, capture_output=True, text=True).stdout

    assert answer() == f"unitcodec {unitcodec.__version__}\n"
    bash = {"_UNITCODEC_COMPLETE": "bash_complete"}
    assert answer(**bash, COMP_WORDS="unitcodec e", COMP_CWORD="1") == "plain,encode\n"
    for words in ("encode ", "encode -o ", "decode x.uc ", "info ", "cut ", "play ", "resynth ", "units "):
        assert answer(**bash, COMP_WORDS=f"unitcodec {words}", COMP_CWORD=str(len(words.split()) + 1)) == "file,\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"unitcodec \d+\.\d+\.\d+\S*\n", out)


# --- many files


@pytest.fixture
def tones(tmp_path: Path, narrow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A folder ``in`` of four tones, two of them alike in name, and something else; options for the narrow model."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number, name in enumerate(["a.wav", "b.wav", "b.flac", "-dash.flac"]):
        soundfile.write(Path("in", name), np.sin(np.arange(4000 * (number + 1)) / 20), 16000)
    Path("in", "bad.wav").write_text("Dear reader,\n")
    return ("--model", str(narrow_folder), "--device", "cpu")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_corpus(tones: tuple[str, ...], jobs: int, capfd: pytest.CaptureFixture[str]) -> None:
    def encode(*options: str) -> tuple[int, list[str]]:
        status = cli.main(["encode", "-r", "in", "-o", "out", "-j", str(jobs), *options, *tones])
        return status, capfd.readouterr().err.splitlines()

    status, lines = encode()
    assert (status, files(Path("out"))) == (1, ["-dash.uc", "a.uc", "b.flac.uc", "b.wav.uc"])
    assert len(lines) == 6
    assert sum(line.endswith("x real time") for line in lines) == 4
    assert sum(line.startswith("unitcodec: in/bad.wav: not audio that") for line in lines) == 1
    assert lines[-1] == "unitcodec: 1 of 5 failed: in/bad.wav"
    made = {name: Path("out", name).read_bytes() for name in files(Path("out"))}
    Path("out/a.uc").unlink()
    Path("out/b.wav.uc").write_bytes(b"kept")
    assert encode()[0] == 2
    status, lines = encode("--skip-existing")
    assert (status, lines[0], lines[-1]) == (
        1, "unitcodec: 3 of 5 skipped: their outputs exist", "unitcodec: 1 of 2 failed: in/bad.wav",
    )  # fmt: skip
    assert {name: Path("out", name).read_bytes() for name in files(Path("out"))} == {**made, "b.wav.uc": b"kept"}


def test_the_same_bytes_in_several_processes(tones: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    Path("in/bad.wav").unlink()
    for jobs in ("1", "2"):
        assert cli.main(["encode", "-r", "in", "-q", "-o", f"uc{jobs}", "-j", jobs, "--keep-suffix", *tones]) == 0
        assert cli.main(["decode", "-r", f"uc{jobs}", "-q", "-o", f"wav{jobs}", "-j", jobs, *tones]) == 0
    assert files(Path("uc1")) == ["-dash.flac.uc", "a.wav.uc", "b.flac.uc", "b.wav.uc"]
    for name in files(Path("uc1")):
        assert Path("uc1", name).read_bytes() == Path("uc2", name).read_bytes()
    for name in files(Path("wav1")):
        # A worker has fewer threads: codes do not depend on them, the last bit of a sample may.
        one, other = (soundfile.read(Path(folder, name), dtype="int16")[0].astype(int) for folder in ("wav1", "wav2"))
        assert np.abs(one - other).max() <= 1
    status = cli.main(["encode", "in/a.wav", "in/b.wav", "-o", "no", "-j", "2", "--model", "none"])
    assert (status, len(capfd.readouterr().err.splitlines())) == (1, 1)
    assert not any(Path("no").iterdir())


def test_names_that_would_break_a_line(tones: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    name = "in/two\nlines\x1b[31m.wav"
    Path("in/a.wav").rename(name)
    shown = "in/two\\nlines\\x1b[31m"
    status, _, (line,) = run(capsys, "encode", name, *tones)
    assert status == 0
    assert line.startswith(f"{shown}.wav -> {shown}.uc: ")
    assert run(capsys, "encode", name, *tones) == (2, "", [f"unitcodec: {shown}.uc: exists already; --overwrite replaces it"])
    assert run(capsys, "info", name[:-3] + "uc")[1].splitlines()[0] == f"File:      {shown}.uc"
    Path(name).write_text("Dear reader,\n")
    status, _, lines = run(capsys, "encode", name, "in/none\u2028.wav", "-o", "out", *tones)
    assert (status, len(lines)) == (1, 3)
    assert lines[0].startswith(f"unitcodec: {shown}.wav: not audio that ")
    assert lines[1:] == [
        "unitcodec: in/none\\u2028.wav: No such file or directory",
        f"unitcodec: 2 of 2 failed: {shown}.wav, in/none\\u2028.wav",
    ]


def test_a_name_that_begins_with_a_dash(tones: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("in")
    assert cli.main(["encode", "-q", *tones, "--", "-dash.flac"]) == 0
    assert cli.main(["decode", "-q", *tones, "--", "-dash.uc", "-dash.mp3"]) == 0
    assert cli.main(["cut", "-q", "--duration", "1", "--overwrite", "--", "-dash.uc", "-part.uc"]) == 1  # of no installed model
    assert soundfile.info("./-dash.mp3").format == "MP3"


def test_a_rate_that_is_not_reached_is_one_line(tones: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, lines = run(capsys, "encode", "-q", "in/a.wav", "low.uc", "-b", "50", *tones)
    assert (status, len(lines)) == (0, 1)
    assert re.match(r"unitcodec: in/a\.wav: 50 bit/s asked for, about \d+ reached: header and cheapest codes of ", lines[0])


# --- part of a file, and as what


def test_part_of_a_file(tones: tuple[str, ...], narrow: Codec, capsys: pytest.CaptureFixture[str]) -> None:
    data = narrow.compress(np.sin(np.arange(200001) / 20).astype(np.float32), 16000)
    Path("talk.uc").write_bytes(data)
    status, _, lines = run(
        capsys, "decode", "talk.uc", "part.flac", "--start", "0:06.5", "--duration", "2", "--rate", "8000", *tones
    )
    assert (status, len(lines)) == (0, 1)
    assert re.fullmatch(r"talk\.uc -> part\.flac: 2\.00 s, [\d.]+ x real time", lines[0])
    facts = soundfile.info("part.flac")
    assert (facts.format, facts.samplerate, facts.frames) == ("FLAC", 8000, 16000)
    assert run(capsys, "decode", "talk.uc", "rest.wav", "--start", "12", "--duration", "9", "-q", *tones) == (0, "", [])
    assert soundfile.info("rest.wav").frames == 200001 - 12 * 16000
    status, _, lines = run(capsys, "decode", "talk.uc", "none.wav", "--start", "12:30", *tones)
    assert (status, lines) == (1, ["unitcodec: talk.uc: ends at 00:00:12.50; --start 00:12:30.00 is not in it"])
    # Damage anywhere is told; what lies elsewhere is in nobody's way but that of a strict reader.
    Path("bad.uc").write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    part = ("bad.uc", "bad.wav", "--duration", "1", "-q", *tones)
    status, _, (line,) = run(capsys, "decode", *part)
    assert status == 1
    assert re.match(r"unitcodec: bad\.uc: packet 0, at byte .*; --conceal or --salvage plays what is there", line)
    line = "unitcodec: bad.uc: 1 packets are damaged or missing; concealed"
    assert run(capsys, "decode", "--conceal", *part) == (0, "", [line])
    assert run(capsys, "decode", "--conceal", *part, "--start", "11", "--overwrite") == (0, "", [])
    assert not Path("none.wav").exists()


def test_progress_in_minutes_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from unitcodec.command.run import progress

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    clock = iter(range(10**6))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))  # so that each step is drawn
    blocks = [np.zeros(1771, np.float32)] * 900
    for duration in (99.69999, None):
        assert sum(map(len, progress(blocks, duration, "talk.wav", False))) == 900 * 1771
    assert re.search(r"talk\.wav: +50%\|.*\| 00:50/01:39 \[", terminal.getvalue())
    assert re.search(r"\| 01:20/\? \[", terminal.getvalue())
    assert not re.search(r"\d\.\d", terminal.getvalue())


# --- which model decodes


@pytest.fixture
def mixed(narrow: Codec, stream: bytes, tmp_path: Path) -> Path:
    """A folder with streams of two models."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "narrow.uc").write_bytes(narrow.compress(np.sin(np.arange(8000) / 20).astype(np.float32), 16000))
    (folder / "speech.uc").write_bytes(stream)
    return folder


def test_a_file_is_decoded_by_the_installed_model_that_it_names(
    narrow: Codec,
    narrow_folder: Path,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decode = ("decode", mixed, "-r", "-q", "--device", "cpu", "-o")
    status, _, lines = run(capsys, *decode, tmp_path / "without")
    assert status == 1
    assert len(lines) == 1
    assert "narrow.uc: no installed model has the fingerprint" in lines[0]
    only_entropy = tmp_path / "entropy" / "narrow"
    only_entropy.mkdir(parents=True)
    shutil.copy(narrow_folder / "entropy.safetensors", only_entropy)
    monkeypatch.setenv("UNITCODEC_MODELS", str(only_entropy.parent))
    status, _, lines = run(capsys, *decode, tmp_path / "half")
    assert (status, len(lines)) == (1, 1)
    assert "only the entropy model is installed" in lines[0]
    monkeypatch.setenv("UNITCODEC_MODELS", os.pathsep.join(map(str, (only_entropy.parent, narrow_folder.parent))))
    for options in ([], ["--salvage"]):
        assert run(capsys, *decode, tmp_path / f"with{len(options)}", *options) == (0, "", [])
        assert files(tmp_path / f"with{len(options)}") == ["narrow.wav", "speech.wav"]
        sound, _ = soundfile.read(tmp_path / f"with{len(options)}" / "narrow.wav")
        expected = narrow.decompress((mixed / "narrow.uc").read_bytes())[0]
        assert np.allclose(sound, np.clip(expected, -1, 1), atol=1e-4)
    status, _, lines = run(capsys, *decode, tmp_path / "asked", "--model", "default")
    assert (status, len(lines)) == (1, 1)
    assert "narrow.uc: the stream was made with model" in lines[0]


def test_a_broken_model_that_one_file_names_does_not_stop_the_others(
    narrow_folder: Path, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "models" / "narrow"
    shutil.copytree(narrow_folder, broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    monkeypatch.setenv("UNITCODEC_MODELS", str(broken.parent))
    status, _, lines = run(capsys, "decode", mixed, "-r", "-q", "--device", "cpu", "-o", tmp_path / "out")
    assert (status, len(lines)) == (1, 1)
    assert "narrow.uc" in lines[0]
    assert files(tmp_path / "out") == ["speech.wav"]


def test_from_a_pipe_too(narrow_folder: Path, mixed: Path, command: Command) -> None:
    data = (mixed / "narrow.uc").read_bytes()
    pipe = ("decode", "-", "-", "-q", "--device", "cpu")
    done = command(*pipe, input=data, env={"UNITCODEC_MODELS": str(narrow_folder.parent)})
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) == 44 + 2 * 8000
    done = command(*pipe, input=data)
    assert done.returncode == 1
    assert b"no installed model has the fingerprint" in done.stderr


# --- quick to start


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of the processes that ``work`` starts and waits for: other load on the machine does not count."""
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        work()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(took)


def test_help_and_info_start_quickly(batch: Batch, command: Command) -> None:
    # As ratios: the same work takes several times as long on some machines. torch alone would be fifteen times this.
    least = _cpu_seconds(lambda: subprocess.run([sys.executable, "-c", "import click, numpy"], check=True))
    assert _cpu_seconds(lambda: command("--help")) < 4 * least
    assert _cpu_seconds(lambda: command("info", str(batch.folder / "uc" / "speech.uc"))) < 4 * least


def test_help_and_info_import_nothing_heavy(batch: Batch, command: Command) -> None:
    for arguments in (["--help"], ["encode", "--help"], ["info", str(batch.folder / "uc" / "speech.uc")]):
        done = command(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert done.returncode == 0
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.decode().splitlines()}
        assert "unitcodec" in imported
        assert not imported & {"torch", "scipy", "soundfile", "soxr", "onnxruntime", "swift_f0"}
