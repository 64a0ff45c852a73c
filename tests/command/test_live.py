"""``unitcodec encode --live`` and ``decode`` of what it makes: files and pipes, damage, options that make no sense."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from invocation import Command, Start

import bitstream
from unitcodec.command.live import PACKETS, asked_for


@pytest.fixture(scope="module")
def live(default_model: Path, speech: Path, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live stream of the example."""
    path = tmp_path_factory.mktemp("live") / "talk.uc"
    made = command("encode", "--live", str(speech), str(path))
    assert made.returncode == 0, made.stderr
    assert b"bit/s" in made.stderr
    return path


def test_files_and_pipes_give_the_same(live: Path, speech: Path, command: Command, tmp_path: Path) -> None:
    assert command("encode", "--live", "-", "-", input=speech.read_bytes()).stdout == live.read_bytes()
    decoded = command("decode", str(live), str(tmp_path / "talk.wav"))
    assert (decoded.returncode, soundfile.info(tmp_path / "talk.wav").frames) == (0, soundfile.info(speech).frames)
    piped = command("decode", "-", "-", "--raw", input=live.read_bytes())
    heard, _ = soundfile.read(tmp_path / "talk.wav", dtype="int16")
    assert np.abs(np.frombuffer(piped.stdout, "<i2").astype(int) - heard).max() <= 1
    facts = json.loads(command("info", "--json", str(live)).stdout)[0]
    assert (facts["version"], facts["num_samples"], facts["error"]) == (3, len(heard), None)
    assert facts["bit_rate"] < 550


def test_a_listener_hears_while_the_speaker_speaks(live: Path, start: Start) -> None:
    data = live.read_bytes()
    end = 10 + sum(1 + len(packet) for packet in list(bitstream.LiveReader(live.open("rb")))[:4])
    process = start("decode", "-", "-", "--raw", "-q", stdin=-1, stdout=-1)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(data[:end])
    process.stdin.flush()
    ready = 4 * 5120 - 7840
    assert len(process.stdout.read(2 * ready)) == 2 * ready
    rest, _ = process.communicate(data[end:], timeout=300)
    assert process.returncode == 0
    assert len(rest) + 2 * ready == 2 * 124240


def test_a_stream_may_come_byte_by_byte(live: Path, start: Start) -> None:
    data = live.read_bytes()
    process = start("decode", "-", "-", "--raw", "-q", stdin=-1, stdout=-1)
    assert process.stdin is not None
    for byte in data[:4]:
        process.stdin.write(bytes([byte]))
        process.stdin.flush()
        time.sleep(0.5)  # to start takes less than all four
    rest, _ = process.communicate(data[4:], timeout=300)
    assert (process.returncode, len(rest)) == (0, 2 * 124240)


def test_damage_is_refused_concealed_or_salvaged(live: Path, command: Command, tmp_path: Path) -> None:
    data = bytearray(live.read_bytes())
    data[60] ^= 4
    bad, cut, wav = tmp_path / "bad.uc", tmp_path / "cut.uc", tmp_path / "out.wav"
    bad.write_bytes(data)
    cut.write_bytes(live.read_bytes()[:300])
    for path, cure in ((bad, "--conceal"), (cut, "--salvage")):
        refused = command("decode", str(path), str(wav))
        assert (refused.returncode, refused.stderr.count(b"\n"), wav.exists()) == (1, 1, False)
        assert cure.encode() in refused.stderr
        played = command("decode", cure, str(path), str(wav), "--overwrite")
        assert played.returncode == 0, played.stderr
        wav.unlink()
    piped = command("decode", "-", "-", "--raw", input=cut.read_bytes())
    assert piped.returncode == 1
    assert b"--salvage" in piped.stderr
    assert len(piped.stdout) > 2 * 16000


def test_what_makes_no_sense_is_refused_in_a_line(live: Path, speech: Path, command: Command, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for arguments, said in (
        (["encode", str(speech), out, "--cbr", "20"], b"--live"),
        (
            ["encode", "--live", str(speech), out, "-b", "100"],
            b"--bitrate 100: 4 bytes for a packet of 0.32 s are too few: at least 12",
        ),
        (
            ["encode", "--live", str(speech), out, "--cbr", "9"],
            b"--cbr 9: 9 bytes for a packet of 0.32 s are too few: at least 12, which is 300 bit/s",
        ),
        (["encode", "--live", str(speech), out, "--cbr", "20", "-b", "400"], b"leave --bitrate out"),
        (["decode", str(live), out, "--start", "1"], b"from its start"),
        (["cut", str(live), out, "--start", "1"], b"live packets"),
        (["join", str(live), str(live), "-o", out], b"live packets"),
    ):
        refused = command(*arguments)
        assert refused.returncode in (1, 2), arguments
        assert said in refused.stderr, refused.stderr
        assert b"Traceback" not in refused.stderr
        assert not Path(out).exists()


def test_options() -> None:
    assert asked_for(False, None, None, False, None, None) is None
    options = asked_for(True, "1.28", 51, True, "4", None)
    assert options is not None
    assert (options.packet, options.cbr, options.dtx, options.fec) == (1.28, 51, True, 4)
    default = asked_for(True, None, None, False, None, 400.0)
    assert default is not None
    assert str(default.packet) == PACKETS[1]


def test_the_longest_duration_holds_for_pipes_too(live: Path, command: Command, tmp_path: Path) -> None:
    for source, data in ((str(live), b""), ("-", live.read_bytes())):
        done = command("decode", source, tmp_path / "long.wav", "--max-duration", "1", input=data)
        assert done.returncode == 1
        assert b"longer than the 1 s allowed" in done.stderr
        assert done.stderr.count(b"\n") == 1
        assert not (tmp_path / "long.wav").exists()
