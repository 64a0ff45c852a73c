"""``unitcodec simulate``: what is heard at the other end of a bad link."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import bitstream
from unitcodec.command import main

if TYPE_CHECKING:
    from unitcodec.codec import Codec

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(
    narrow: Codec,
    narrow_folder: Path,
    speech: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    """In a folder of its own with ``talk.uc``, with the narrow model installed."""
    monkeypatch.setenv("UNITCODEC_MODELS", str(narrow_folder.parent))
    monkeypatch.chdir(tmp_path)
    Path("talk.uc").write_bytes(narrow.compress(speech))

    def run(*arguments: object) -> tuple[int, list[str]]:
        return main(["simulate", *map(str, arguments)]), capsys.readouterr().err.splitlines()

    return run


def test_over_a_good_link_it_is_decode(run: Run, narrow: Codec) -> None:
    codes = bitstream.unpack(Path("talk.uc").read_bytes(), narrow.model.entropy)
    seconds = f"{codes.num_samples / 16000:.2f}"
    status, lines = run("talk.uc", "out.wav", "--loss", 0, "--mtu", 51)
    assert status == 0
    assert len(lines) == 1
    assert lines[0].startswith("talk.uc -> out.wav: 0 of ")
    assert lines[0].endswith(f" datagrams lost, 0 damaged; 0.00 of {seconds} s concealed")
    heard, rate = soundfile.read("out.wav", dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(heard, narrow.decode(codes).clip(-1, 1), atol=1e-4)
    assert run("talk.uc", "out.uc", "--loss", 0, "-q") == (0, [])
    assert Path("out.uc").read_bytes() == Path("talk.uc").read_bytes()


def test_over_a_bad_one_it_is_as_long(run: Run, narrow: Codec) -> None:
    codes = bitstream.unpack(Path("talk.uc").read_bytes(), narrow.model.entropy)
    sounds = []
    for seed in (1, 1, 2):
        status, lines = run(
            "talk.uc", "out.wav", "--loss", 0.2, "--burst", 2, "--bit-errors", 0.01, "--seed", seed, "--overwrite"
        )
        assert status == 0
        assert len(lines) == 1
        lost, damaged = (int(lines[0].split(word)[0].split()[place]) for word, place in ((" of ", -1), (" damaged", -1)))
        assert lost > 0
        assert damaged > 0
        assert "; 0.00 of" not in lines[0]
        sounds.append(soundfile.read("out.wav", dtype="float32")[0])
        assert len(sounds[-1]) == codes.num_samples
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])
    assert run("talk.uc", "out.uc", "--loss", 0.3, "-q") == (0, [])
    heard = bitstream.unpack(Path("out.uc").read_bytes(), narrow.model.entropy)
    assert heard.num_samples == codes.num_samples
    assert 0 < (heard.units != codes.units).any(0).sum() < codes.units.shape[1] / 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["talk.uc", "new.wav", "--loss", 1], 2, "unitcodec: a loss of 1; it is a share, 0 or more and less than 1"),
        (["talk.uc", "new.wav", "--loss", "nan"], 2, "unitcodec: a loss of nan; it is a share"),
        (["talk.uc", "new.wav", "--burst", 0.5], 2, "unitcodec: bursts of 0.5; a burst has at least one datagram"),
        (["talk.uc", "new.wav", "--loss", 0.8, "--burst", 3], 2, "unitcodec: a loss of 0.8 in bursts of 3; at most 0.75 can"),
        (["talk.uc", "new.wav", "--bit-errors", 1], 2, "unitcodec: a rate of bit errors of 1; it lies in 0 .. 0.5"),
        (["talk.uc", "new.wav", "--mtu", 5], 1, "unitcodec: talk.uc: datagrams of 5 bytes are too short"),
        (["talk.uc", "new.txt"], 2, "unitcodec: new.txt: not a kind of sound file that is written"),
        (["gone.uc", "new.wav"], 1, "unitcodec: gone.uc: No such file or directory"),
        (["text.uc", "new.wav"], 1, "unitcodec: text.uc: not a unitcodec stream"),
        (["bad.uc", "new.wav"], 1, "unitcodec: bad.uc: packet 0, at byte"),
    ],
)
def test_refusals(run: Run, arguments: list[object], status: int, message: str) -> None:
    data = Path("talk.uc").read_bytes()
    Path("bad.uc").write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    Path("text.uc").write_text("Dear reader,\n")
    got, lines = run(*arguments)
    assert got == status
    assert len(lines) == 1
    assert lines[0].startswith(message)
    assert sorted(path.name for path in Path().iterdir()) == ["bad.uc", "talk.uc", "text.uc"]


def test_a_live_stream_loses_its_own_packets(run: Run, narrow: Codec, speech: Path) -> None:
    wave = soundfile.read(speech, dtype="float32")[0]
    encoder = narrow.encoder(live=True)
    packets = encoder.push(wave) + encoder.flush()
    with open("live.uc", "wb") as file:
        writer = bitstream.LiveWriter(file, encoder.coder)
        for packet in packets:
            writer.write(packet)
    status, lines = run("live.uc", "heard.wav", "--loss", 0.2, "--burst", 2)
    assert status == 0
    assert len(lines) == 1
    lost = int(lines[0].partition("heard.wav: ")[2].split(" of ")[0])
    assert 0 < lost < 12
    assert lines[0].endswith(f"{lost} of {len(packets)} live packets lost, 0 damaged")
    assert soundfile.info("heard.wav").frames == len(wave)
    assert run("live.uc", "left.uc", "--loss", 0.2, "--burst", 2, "-q") == (0, [])
    facts = bitstream.inspect(Path("left.uc").read_bytes(), narrow.model.entropy)
    assert (sum(not packet.ok for packet in facts.packets), facts.num_samples) == (lost, len(wave))
    status, lines = run("live.uc", "wrong.wav", "--loss", 0, "--bit-errors", 0.002)
    assert status == 0
    assert " 0 damaged" not in lines[0]
    assert soundfile.info("wrong.wav").frames == len(wave)


def test_a_live_stream_is_as_long_as_it_was_whatever_is_lost(run: Run, narrow: Codec, speech: Path) -> None:
    """A receiver has a clock: it counts the first packets, too, and more in a row than numbers tell, and reminders of a pause."""
    wave = np.concatenate([soundfile.read(speech, dtype="float32")[0][:30000], np.zeros(16000 * 50, np.float32)])
    for dtx in (False, True):
        encoder = narrow.encoder(live=True, packet=0.64, dtx=dtx)
        with open("live.uc", "wb") as file:
            writer = bitstream.LiveWriter(file, encoder.coder)
            for packet in encoder.push(wave) + encoder.flush():
                writer.write(packet)
        for loss, burst in ((0.98, 50), (0.5, 1.5)):
            assert run("live.uc", "heard.wav", "--loss", loss, "--burst", burst, "--overwrite", "-q") == (0, [])
            assert soundfile.info("heard.wav").frames == len(wave)
