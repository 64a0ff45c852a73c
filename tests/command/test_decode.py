"""``unitcodec decode``: whole streams, parts of them, pipes."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from invocation import Batch, Command, Start, files, run

import bitstream

if TYPE_CHECKING:
    from unitcodec.codec import Codec


def test_decoded_lengths_are_exact(batch: Batch) -> None:
    assert batch.decode_status == 0
    assert len(batch.decode_lines) == len(batch.lengths)
    assert files(batch.folder / "out") == sorted(f"{name}.wav" for name in batch.lengths)
    for name, length in batch.lengths.items():
        facts = soundfile.info(batch.folder / "out" / f"{name}.wav")
        assert (facts.frames, facts.samplerate, facts.channels, facts.subtype) == (length, 16000, 1, "PCM_16"), name


def test_silence_stays_quiet_and_speech_is_there(batch: Batch) -> None:
    said, _ = soundfile.read(batch.folder / "in" / "speech.wav")
    spoken, _ = soundfile.read(batch.folder / "out" / "speech.wav")
    silence, _ = soundfile.read(batch.folder / "out" / "silence.wav")
    assert 0.25 < np.std(spoken) / np.std(said) < 4
    assert np.std(silence) < 0.01


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


def test_a_small_file_does_not_become_hours(default_model: Path, stream: bytes, command: Command, tmp_path: Path) -> None:
    packets = [stream[packet.offset + 3 : packet.offset + packet.size] for packet in bitstream.inspect(stream).packets[:3]]
    header = stream[: bitstream.inspect(stream).header_size]
    records = [bitstream.stream.framing.frame_payload(packet, 60000 * (i > 0) + i) for i, packet in enumerate(packets)]
    bomb = tmp_path / "bomb.uc"
    bomb.write_bytes(header + b"".join(records) + bitstream.stream.framing.frame_end(60003))
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
