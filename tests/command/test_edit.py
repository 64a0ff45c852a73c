"""``unitcodec cut`` and ``join``: packets taken out and put together again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import bitstream
from unitcodec.command import main

if TYPE_CHECKING:
    from unitcodec.codec import Codec

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(narrow_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """In a folder of its own, with the narrow model installed."""
    monkeypatch.setenv("UNITCODEC_MODELS", str(narrow_folder.parent))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, list[str]]:
        return main(list(map(str, arguments))), capsys.readouterr().err.splitlines()

    return run


def _stream(codec: Codec, packets: int, seed: int = 0) -> bytes:
    """Random codes of so many packets and a bit."""
    rng, spec = np.random.default_rng(seed), codec.model.entropy.spec
    samples = packets * spec.packet_samples + 5000
    frames, f0_frames, _ = spec.frames(samples)
    units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows])
    speaker = [rng.integers(alphabet) for alphabet in spec.speaker]
    f0 = rng.integers(spec.f0.alphabet, size=f0_frames)
    return bitstream.pack(
        bitstream.SpeechCodes(units, f0, speaker, samples, codec.model.entropy.fingerprint), codec.model.entropy
    )


@pytest.mark.parametrize(
    ("options", "packets", "said"),
    [
        (["--start", "0:03"], (1, 5), "00:00:02.56 to 00:00:10.55"),
        (["--start", "5.12", "--duration", "2.56"], (2, 3), "00:00:05.12 to 00:00:07.68"),
        (["--start", "5", "--duration", "0.01"], (1, 2), "00:00:02.56 to 00:00:05.12"),
        (["--duration", "5.2"], (0, 3), "00:00:00.00 to 00:00:07.68"),
        (["--duration", "1:00:00"], (0, 5), "00:00:00.00 to 00:00:10.55"),
    ],
)
def test_cut(run: Run, narrow: Codec, options: list[str], packets: tuple[int, int], said: str) -> None:
    data = _stream(narrow, 4)
    Path("talk.uc").write_bytes(data)
    piece = bitstream.cut(data, *packets)
    assert run("cut", "talk.uc", "part.uc", *options) == (0, [f"talk.uc -> part.uc: {said}, {len(piece)} bytes"])
    assert Path("part.uc").read_bytes() == piece
    assert run("cut", "talk.uc", "part.uc", *options) == (2, ["unitcodec: part.uc: exists already; --overwrite replaces it"])
    assert run("cut", "talk.uc", "part.uc", *options, "--overwrite", "-q") == (0, [])


def test_join(run: Run, narrow: Codec) -> None:
    data = _stream(narrow, 4)
    for number, packets in enumerate([(0, 1), (1, 3), (3, 5)]):
        Path(f"{number}.uc").write_bytes(bitstream.cut(data, *packets))
    assert run("join", "0.uc", "1.uc", "2.uc", "--out", "whole.uc") == (0, [f"3 files -> whole.uc: {len(data)} bytes"])
    assert Path("whole.uc").read_bytes() == data


def test_pipes(narrow: Codec, narrow_folder: Path, command: Callable[..., object], tmp_path: Path) -> None:
    data, env = _stream(narrow, 2), {"UNITCODEC_MODELS": str(narrow_folder.parent)}
    (tmp_path / "rest.uc").write_bytes(bitstream.cut(data, 1, 3))
    done = command("cut", "-", "-", "--duration", "1", "-q", input=data, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, bitstream.cut(data, 0, 1), b"")
    done = command("join", "-", str(tmp_path / "rest.uc"), input=done.stdout, env=env)
    assert (done.returncode, done.stdout) == (0, data)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["cut", "a.uc", "new.uc"], 2, "give --start TIME, --duration TIME or both"),
        (["cut", "a.uc", "new.uc", "--start", "1:99"], 2, "'1:99' is no time"),
        (["cut", "a.uc", "new.uc", "--start", "12:30"], 1, "a.uc: ends at 00:00:05.43; --start 00:12:30.00 is not in it"),
        (["cut", "a.uc", "a.uc", "--start", "1", "--overwrite"], 2, "input and output are the same file"),
        (["cut", "gone.uc", "new.uc", "--start", "1"], 1, "unitcodec: gone.uc: No such file or directory"),
        (["cut", "bad.uc", "new.uc", "--start", "1"], 1, "unitcodec: bad.uc: packet 0, at byte"),
        (["cut", "text.uc", "new.uc", "--start", "1"], 1, "text.uc: not a unitcodec stream"),
        (
            ["join", "a.uc", "a.uc", "--out", "new.uc"],
            1,
            "unitcodec: a.uc does not end with a full packet, so nothing can follow it; put it last, or cut",
        ),
        (
            ["join", "full.uc", "b.uc", "--out", "new.uc"],
            1,
            "unitcodec: b.uc is of another speaker code than full.uc; only parts of one recording fit; decode both",
        ),
        (["join", "full.uc", "other.uc", "--out", "new.uc"], 1, "unitcodec: other.uc is of another model ("),
        (["join", "full.uc", "new.uc"], 2, "unitcodec: new.uc: no such file; if it is the output, write --out new.uc"),
        (["cut", "a.uc", "new.uc", "--duration", "0"], 2, "'0' is nothing at all; give a time above 0"),
        (["cut", "a.uc", "new.uc", "--duration", "-1"], 2, "'-1' is no time"),
        (["cut", "a.uc", "new.uc", "--duration", "nan"], 2, "'nan' is no time"),
        (["cut", "a.uc", "new/", "--duration", "1"], 2, "new/: is no name of a file"),
        (["join", "full.uc", "bad.uc", "--out", "new.uc"], 1, "unitcodec: bad.uc: packet 0, at byte"),
        (["join", "full.uc", "text.uc", "--out", "new.uc"], 1, "unitcodec: text.uc: not a unitcodec stream"),
        (["join", "full.uc", "gone.uc", "--out", "new.uc"], 1, "unitcodec: gone.uc: No such file or directory"),
        (["join", "full.uc", "a.uc", "--out", "a.uc"], 2, "input and output are the same file|exists already"),
        (["join", "full.uc", ".", "--out", "new.uc"], 2, "is a directory"),
    ],
)
def test_refusals(run: Run, narrow: Codec, arguments: list[str], status: int, message: str) -> None:
    data = _stream(narrow, 2)
    Path("a.uc").write_bytes(data)
    Path("b.uc").write_bytes(_stream(narrow, 2, seed=1))
    Path("full.uc").write_bytes(bitstream.cut(data, 0, 2))
    Path("bad.uc").write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    Path("text.uc").write_text("Dear reader,\n")
    Path("other.uc").write_bytes((Path(__file__).parent.parent / "golden" / "v2" / "short_end.uc").read_bytes())
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    got, lines = run(*arguments)
    assert got == status
    assert any(word in lines[-1] for word in message.split("|")), lines
    assert len(lines) == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
