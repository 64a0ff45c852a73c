"""``unitcodec decode`` of streams that are damaged, cut short, forged, or none."""

from __future__ import annotations

import re
import time
from binascii import crc_hqx
from pathlib import Path

import numpy as np
import pytest
import soundfile
from invocation import Batch, Command, files, run

import bitstream


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

    resource = pytest.importorskip("resource", reason="needs limits for a process")

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
        f"unitcodec: {path}: packet 2, at byte {packets[2].offset}, is damaged, and the end is missing; "
        "what is sound of it is played"
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
