"""``unitcodec resynth``: what ``units`` gave is spoken as by ``decode``, what is missing is filled in, the rest refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

import bitstream
from unitcodec.command import main, resynth
from unitcodec.decoder.completion import complete
from unitcodec.decoder.conversion import typical_speaker
from unitcodec.formats.unit_files import UnitEntry, to_json, to_npz

if TYPE_CHECKING:
    from bitstream import SpeechCodes
    from unitcodec.codec import Codec

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory, speech: Path) -> list[Path]:
    """Two utterances, one of which takes more than one piece to speak."""
    folder = tmp_path_factory.mktemp("audio")
    said, _ = soundfile.read(speech)
    for name, samples in (("one/long.wav", np.tile(said, 2)[:177777]), ("two/short.wav", said[20000:25003])):
        (folder / name).parent.mkdir()
        soundfile.write(folder / name, samples, 16000)
    return [folder / "one" / "long.wav", folder / "two" / "short.wav"]


@pytest.fixture(scope="module")
def entries(narrow: Codec, audio: list[Path]) -> list[UnitEntry]:
    found: list[SpeechCodes] = [narrow.encode(soundfile.read(path, dtype="float32")[0], 16000) for path in audio]
    return [UnitEntry.of(codes, 25.0, str(path)) for codes, path in zip(found, audio, strict=True)]


@pytest.fixture
def run(narrow_folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object, command: str = "resynth") -> tuple[int, list[str]]:
        status = main([command, *map(str, arguments), "--model", str(narrow_folder), "--device", "cpu"])
        return status, capsys.readouterr().err.splitlines()

    return run


def spoken(codec: Codec, codes: SpeechCodes) -> np.ndarray:
    """What a WAV file keeps of codes."""
    return np.clip(np.rint(codec.decode(codes) * np.float32(32768)), -32768, 32767).astype(np.int16)


def heard(path: Path | io.BytesIO) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    return samples


def lines_of(*entries: UnitEntry) -> str:
    return "".join(to_json(entry) + "\n" for entry in entries)


@pytest.mark.parametrize("suffix", ["jsonl", "npz"])
@pytest.mark.parametrize("dedup", [[], ["--dedup"]])
def test_the_samples_of_encode_and_decode(run: Run, audio: list[Path], tmp_path: Path, suffix: str, dedup: list[str]) -> None:
    units = tmp_path / f"u.{suffix}"
    folders = [path.parent for path in audio]
    assert run(*folders, "-r", "-q", *dedup, "--out", units, command="units") == (0, [])
    assert run(units, "-q", "-o", tmp_path / "resynth") == (0, [])
    assert run(*audio, "-q", "-o", tmp_path / "uc", command="encode") == (0, [])
    assert run(tmp_path / "uc", "-r", "-q", "-o", tmp_path / "decode", command="decode") == (0, [])
    for path in audio:
        ours = tmp_path / "resynth" / path.parent.name / path.name
        assert ours.read_bytes() == (tmp_path / "decode" / path.name).read_bytes()
    assert len(heard(tmp_path / "resynth" / "one" / "long.wav")) == 177777


def test_one_entry(run: Run, narrow: Codec, entries: list[UnitEntry], tmp_path: Path) -> None:
    units, expected = tmp_path / "u.jsonl", spoken(narrow, complete(narrow.model, entries[1]))
    units.write_text(lines_of(entries[1]))
    status, lines = run(units)
    assert status == 0
    assert len(lines) == 1
    assert lines[0].startswith(f"{units}: line 1 -> {tmp_path / 'u.wav'}: 0.31 s, ")
    assert run(units, tmp_path / "named.wav", "-q") == (0, [])
    assert run(units, "-q", "-o", tmp_path / "out") == (0, [])
    for path in ("u.wav", "named.wav", "out/short.wav"):
        assert np.array_equal(heard(tmp_path / path), expected)


def test_how_to_go_on_after_an_interrupt(
    run: Run, entries: list[UnitEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = tmp_path / "u.jsonl"
    units.write_text(lines_of(*entries))

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(resynth, "conclude", interrupted)
    line = "unitcodec: interrupted; the same command with --skip-existing goes on from here"
    assert run(units, "-o", tmp_path / "out") == (130, [line])


def test_pipes(narrow: Codec, narrow_folder: Path, entries: list[UnitEntry], command: Callable[..., Any]) -> None:
    data = lines_of(entries[1]).encode()
    done = command("resynth", "-", "-q", "--model", str(narrow_folder), "--device", "cpu", input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert np.array_equal(heard(io.BytesIO(done.stdout)), spoken(narrow, complete(narrow.model, entries[1])))


def test_what_is_missing_is_filled_in(run: Run, narrow: Codec, entries: list[UnitEntry], tmp_path: Path) -> None:
    units = tmp_path / "u.jsonl"
    units.write_text(json.dumps({"units": entries[1].units.tolist()}))
    assert run(units, "-q") == (0, [])
    codes = complete(narrow.model, UnitEntry(entries[1].units))
    assert np.array_equal(codes.speaker, typical_speaker(narrow.model.entropy))
    assert np.array_equal(heard(tmp_path / "u.wav"), spoken(narrow, codes))


def test_the_suffix_decides(run: Run, entries: list[UnitEntry], tmp_path: Path) -> None:
    (tmp_path / "u.jsonl").write_text(lines_of(entries[1]))
    assert run(tmp_path / "u.jsonl", tmp_path / "u.flac", "-q") == (0, [])
    assert run(tmp_path / "u.jsonl", tmp_path / "u.wav", "-q") == (0, [])
    assert soundfile.info(tmp_path / "u.flac").format == "FLAC"
    assert np.array_equal(heard(tmp_path / "u.flac"), heard(tmp_path / "u.wav"))


def test_voices(run: Run, narrow: Codec, entries: list[UnitEntry], audio: list[Path], tmp_path: Path) -> None:
    """Of audio, of a stream, of units; for entries that have one of their own as well."""
    units = tmp_path / "u.jsonl"
    units.write_text(lines_of(entries[1], replace(entries[1], speaker=None, audio="none.wav")))
    other = complete(narrow.model, entries[0])
    (tmp_path / "voice.uc").write_bytes(bitstream.pack(other, narrow.model.entropy))
    (tmp_path / "voice.jsonl").write_text('{"units": [1]}\n' + lines_of(entries[0]))
    (tmp_path / "voice.npz").write_bytes(to_npz(entries[:1]))
    assert not np.array_equal(other.speaker, entries[1].speaker)
    plain = replace(entries[1], speaker=None)
    expected = {
        name: spoken(narrow, complete(narrow.model, entry, other.speaker))
        for name, entry in (("short.wav", entries[1]), ("none.wav", plain))
    }
    for number, voice in enumerate([audio[0], *(tmp_path / f"voice.{kind}" for kind in ("uc", "jsonl", "npz"))]):
        out = tmp_path / str(number)
        assert run(units, "-q", "-o", out, "--speaker", voice) == (0, [])
        for name, samples in expected.items():
            (path,) = out.rglob(name)
            assert np.array_equal(heard(path), samples)


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        ("gone.wav", "--speaker {}: No such file or directory"),
        ("text.wav", "--speaker {}: not audio that libsndfile can read"),
        ("none.jsonl", "--speaker {}: no entry has a speaker"),
        ("bad.jsonl", "--speaker {}: line 1: units must be a list of integers"),
        ("other.jsonl", "--speaker {}: the stream was made with model 00000000"),
        ("long.jsonl", "--speaker {}: 1 speaker fields given"),
        ("other.uc", "--speaker {}: the stream was made with model 00000000"),
    ],
)
def test_voices_that_are_none(
    run: Run, narrow: Codec, entries: list[UnitEntry], tmp_path: Path, voice: str, message: str
) -> None:
    (tmp_path / "text.wav").write_text("Dear reader,\n" * 100)
    (tmp_path / "none.jsonl").write_text('{"units": [1]}')
    (tmp_path / "bad.jsonl").write_text('{"units": 1, "speaker": [1]}')
    (tmp_path / "other.jsonl").write_text(to_json(replace(entries[0], model="00000000")))
    (tmp_path / "long.jsonl").write_text('{"units": [1], "speaker": [1]}')
    stream = bitstream.pack(complete(narrow.model, entries[1]), narrow.model.entropy)
    fingerprint = bytes.fromhex(narrow.model.entropy.fingerprint)
    assert stream.count(fingerprint) == 1
    (tmp_path / "other.uc").write_bytes(stream.replace(fingerprint, bytes(4)))
    units = tmp_path / "u.jsonl"
    units.write_text(lines_of(*entries))
    status, lines = run(units, "-o", tmp_path / "out", "--speaker", tmp_path / voice)
    assert status == 1
    assert len(lines) == 1
    if voice != "other.uc":
        assert message.format(tmp_path / voice) in lines[0]
    assert lines[0].startswith(f"unitcodec: --speaker {tmp_path / voice}: ")
    assert not (tmp_path / "out").exists()


# --- names of outputs


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["talk.wav"], ["talk.wav"]),
        (["/data/a/talk.flac"], ["talk.wav"]),
        (["/data/a/1.wav", "/data/b/1.wav"], ["a/1.wav", "b/1.wav"]),
        (["data/1.wav", "data/deep/er/2.mp3"], ["1.wav", "deep/er/2.wav"]),
        (["talk.1", "talk.2"], ["talk.1.wav", "talk.2.wav"]),
        (["../../etc/passwd", "/etc/shadow", "x/../../../y"], ["etc/passwd.wav", "etc/shadow.wav", "x/y.wav"]),
        ([None, "-", "..", "a\0b", "\ud800"], ["u-1.wav", "u-2.wav", "u-3.wav", "u-4.wav", "u-5.wav"]),
    ],
)
def test_outputs_stay_in_their_folder(
    run: Run, tmp_path: Path, names: list[str | None], expected: list[str], entries: list[UnitEntry]
) -> None:
    units, out = tmp_path / "u.jsonl", tmp_path / "deep" / "er" / "out"
    units.write_text(lines_of(*(replace(entries[1], audio=name) for name in names)))
    assert run(units, "-q", "-o", out) == (0, [])
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.wav")) == sorted(expected)
    assert len(list(tmp_path.rglob("*.wav"))) == len(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["two.jsonl"], "two.jsonl: holds 2 entries; name a folder for them with --output-dir DIR"),
        (["two.jsonl", "out.wav"], "holds 2 entries"),
        (["one.jsonl", "out.wav", "-o", "out"], "give either OUT or --output-dir DIR"),
        (["one.jsonl", "one.npz"], "looks like another input"),
        (["one.jsonl", "one.doc"], "one.doc: not a kind of sound file that is written"),
        (["one.jsonl", "old.wav"], "old.wav: exists already; --overwrite replaces it"),
        (["same.jsonl", "-o", "out"], "same.jsonl: line 1 and same.jsonl: line 2 would both become out/a.wav"),
    ],
)
def test_refusals(
    run: Run, entries: list[UnitEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.jsonl").write_text(lines_of(entries[1]))
    Path("two.jsonl").write_text(lines_of(*entries))
    Path("same.jsonl").write_text(lines_of(*(replace(entries[1], audio=f"a.{kind}") for kind in ("wav", "mp3"))))
    Path("old.wav").write_text("old")
    before = sorted(Path().rglob("*"))
    status, lines = run(*arguments)
    assert status == 2
    assert len(lines) == 1
    assert message in lines[0]
    assert sorted(Path().rglob("*")) == before
    assert Path("old.wav").read_text() == "old"


# --- hostile inputs


def test_bad_entries_are_named_and_the_others_spoken(run: Run, entries: list[UnitEntry], tmp_path: Path) -> None:
    entry = entries[1]
    assert entry.f0 is not None
    changes: list[tuple[UnitEntry | str, str]] = [
        (entry, ""),
        ('{"units": 5}', "units must be a list of integers, not 5"),
        ("{}}", "not a JSON object"),
        ("{'hubert': '1 2 x'}", "holds no units"),
        (replace(entry, model="00000000"), "codes of model '00000000'; "),
        (replace(entry, units=entry.units + 7), "its alphabet ends at"),
        (replace(entry, units=entry.units[:1]), "1 unit rows given; the model has 4"),
        (replace(entry, f0=entry.f0[1:]), "samples make"),
        (replace(entry, num_samples=2**48 - 1), "281474976710655 samples make"),
        (replace(entry, frame_rate=50.0), "units at 50 Hz"),
        ('{"units": [[1], [1], [1], [1]], "durations": [2000000000]}', "durations of 2000000000 frames together"),
        ('{"units": [[1], [1], [1], [1]], "speaker": [99999999999999999999]}', "speaker must hold integers"),
        (entry, ""),
    ]
    text = [each if isinstance(each, str) else to_json(replace(each, audio=f"{i}.wav")) for i, (each, _) in enumerate(changes)]
    units = tmp_path / "u.jsonl"
    units.write_text("\n".join(text))
    status, lines = run(units, "-q", "-o", tmp_path / "out")
    assert status == 1
    messages = [(number, message) for number, (_, message) in enumerate(changes, 1) if message]
    assert len(lines) == len(messages)
    for line, (number, message) in zip(lines, messages, strict=True):
        assert line.startswith(f"unitcodec: {units}: line {number}: ")
        assert message in line
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.wav", "12.wav"]


def test_a_bad_archive_names_its_entry(run: Run, entries: list[UnitEntry], tmp_path: Path) -> None:
    units = tmp_path / "u.npz"
    units.write_bytes(to_npz([entries[1], replace(entries[1], units=entries[1].units + 7, audio="b.wav")]))
    status, lines = run(units, "-q", "-o", tmp_path / "out")
    assert status == 1
    assert [line.split(": ")[:3] for line in lines] == [["unitcodec", str(units), "entry 2"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no entries"),
        (b"\n\n", "holds no entries"),
        (b"RIFF....WAVE\n" * 100, "line 1: no JSON object, no 'name|1 2 3', and no names of columns"),
        (b"name\tunit\n", "line 1: no JSON object, no 'name|1 2 3', and no names of columns, one of them units or cpc_km100 or"),
        (b"PK\x03\x04....", "not a unit file: not a NumPy archive"),
        (b"[" * 10**6, "line 1: no JSON object"),
        (b"{" * 10**6, "line 1: not a JSON object"),
    ],
)
def test_files_of_other_kinds(run: Run, tmp_path: Path, data: bytes, message: str) -> None:
    units = tmp_path / "u.jsonl"
    units.write_bytes(data)
    for arguments in ([units], [units, "-o", tmp_path / "out"]):
        status, lines = run(*arguments)
        assert status == 1
        assert len(lines) == 1
        assert lines[0].startswith(f"unitcodec: {units}: {message}")
    assert list(tmp_path.iterdir()) == [units]


def test_a_single_bad_entry(run: Run, tmp_path: Path) -> None:
    units = tmp_path / "u.jsonl"
    units.write_text('{"units": [true]}')
    message = f"unitcodec: {units}: line 1: units must be a list of integers; it holds True"
    assert run(units) == (1, [message])
    assert list(tmp_path.iterdir()) == [units]


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "gone.jsonl") == (1, [f"unitcodec: {tmp_path / 'gone.jsonl'}: No such file or directory"])


def test_several_processes_and_a_run_that_goes_on(run: Run, entries: list[UnitEntry], narrow: Codec, tmp_path: Path) -> None:
    units, out = tmp_path / "all.jsonl", tmp_path / "out"
    units.write_text("\n".join([*map(to_json, entries), "{}"]) + "\n")
    assert run(units, "-o", out, "-q", "-j", "2")[0] == 1
    paths = sorted(out.rglob("*.wav"))
    assert [path.name for path in paths] == ["long.wav", "short.wav"]
    for path, entry in zip(paths, entries, strict=True):
        said = spoken(narrow, complete(narrow.model, entry))
        assert np.abs(heard(path).astype(int) - said).max() <= 1  # threads differ
    paths[0].unlink()
    before = paths[1].stat()
    _, lines = run(units, "-o", out, "--skip-existing")
    assert lines[0] == "unitcodec: 1 of 2 skipped: their outputs exist"
    assert paths[0].exists()
    assert paths[1].stat() == before
    units.write_bytes(b"\xf5U")
    assert run(units) == (1, [f"unitcodec: {units}: a unitcodec stream; 'unitcodec decode' speaks it"])
