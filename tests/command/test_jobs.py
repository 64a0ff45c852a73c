"""Inputs and outputs are paired before any work begins, and what cannot be meant is refused then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unitcodec.audio.suffixes import AUDIO_SUFFIXES
from unitcodec.command.jobs import STREAM_SUFFIXES, Direction, Job, JobError, plan
from unitcodec.errors import UnitcodecWarning

ENCODE = Direction(AUDIO_SUFFIXES, ".uc")
DECODE = Direction(STREAM_SUFFIXES, ".wav")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with audio at several depths, and other files between; the current directory."""
    for name in ["in/b.wav", "in/a.FLAC", "in/notes.txt", "in/deep/er/c.opus", "x.wav", "other/x.wav", "x.uc"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_output_name_follows_from_the_input(tree: Path) -> None:
    assert plan(["in/b.wav"], ENCODE) == [Job("in/b.wav", "in/b.uc")]
    assert plan(["x.uc"], DECODE, overwrite=True) == [Job("x.uc", "x.wav")]
    assert plan(["in.wav/dots.in.name"], ENCODE) == [Job("in.wav/dots.in.name", "in.wav/dots.in.uc")]


def test_standard_streams(tree: Path) -> None:
    assert plan(["-"], ENCODE) == [Job("-", "-")]
    assert plan(["-", "new.uc"], ENCODE) == [Job("-", "new.uc")]
    assert plan(["x.wav", "-"], ENCODE) == [Job("x.wav", "-")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_named_pipes_in_folders_are_not_waited_for(tree: Path) -> None:
    os.mkfifo("in/pipe.wav")
    os.symlink("nowhere", "in/link.wav")
    assert [job.source for job in plan(["in"], ENCODE, "out")] == [
        "in/a.FLAC",
        "in/b.wav",
        "in/link.wav",
        "in/deep/er/c.opus",
    ]


def test_links_are_followed_but_not_in_circles(tree: Path) -> None:
    os.symlink(tree / "other", "in/link")
    for target, name in ((tree / "in", "in/deep/up"), ("nowhere", "in/gone")):
        os.symlink(target, name)
    with pytest.warns(UnitcodecWarning) as told:
        jobs = plan(["in"], ENCODE, "out")
    assert [job.source for job in jobs] == ["in/a.FLAC", "in/b.wav", "in/deep/er/c.opus", "in/link/x.wav"]
    assert [str(warning.message) for warning in told] == [
        "in/gone: a link to nothing; left out",
        "in/deep/up: a link to a folder that it is in; left out",
    ]


def test_what_macos_writes_beside_files_is_left_out(tree: Path) -> None:
    Path("in/._b.wav").write_bytes(b"\0\5\x16\7" + bytes(100))
    Path("in/._c.wav").write_bytes(b"RIFF")  # a name may begin so
    assert [job.source for job in plan(["in"], ENCODE, "out")][:3] == ["in/._c.wav", "in/a.FLAC", "in/b.wav"]


def test_folders_are_mirrored_in_a_fixed_order(tree: Path) -> None:
    jobs = plan(["in", "x.wav"], ENCODE, output_dir="out")
    assert jobs == [
        Job("in/a.FLAC", "out/a.uc", parents=True),
        Job("in/b.wav", "out/b.uc", parents=True),
        Job("in/deep/er/c.opus", "out/deep/er/c.uc", parents=True),
        Job("x.wav", "out/x.uc", parents=True),
    ]


def test_alike_but_for_their_suffixes(tree: Path) -> None:
    (tree / "in" / "deep" / "er" / "c.wav").write_bytes(b"content")
    targets = {job.source: job.target for job in plan(["in"], ENCODE, "out")}
    assert targets == {
        "in/a.FLAC": "out/a.uc",
        "in/b.wav": "out/b.uc",
        "in/deep/er/c.opus": "out/deep/er/c.opus.uc",
        "in/deep/er/c.wav": "out/deep/er/c.wav.uc",
    }
    targets = {job.source: job.target for job in plan(["in", "x.wav"], ENCODE, "out", keep_suffix=True)}
    assert list(targets.values()) == [
        "out/a.FLAC.uc", "out/b.wav.uc", "out/deep/er/c.opus.uc", "out/deep/er/c.wav.uc", "out/x.wav.uc",
    ]  # fmt: skip
    assert plan(["x.wav"], ENCODE, keep_suffix=True) == [Job("x.wav", "x.wav.uc")]


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        (["a.wav", "b.wav", "c.wav"], {}, "several inputs need --output-dir"),
        (["x.wav", "other/x.wav"], {}, "looks like another input"),
        (["x.wav", "other/x.wav"], {"overwrite": True}, "looks like another input"),
        (["in"], {}, "in: is a directory; code its files with --output-dir"),
        (["other"], {"output_dir": "out", "direction": DECODE}, "other: holds no files of the kinds .uc"),
        (["x.wav", "other/x.wav"], {"output_dir": "out"}, "x.wav and other/x.wav would both become out/x.wav.uc"),
        (["x.wav", "x.wav"], {"output_dir": "out"}, r"^x\.wav: is given twice; leave one away$"),
        (["-"], {"output_dir": "out"}, "standard input has no name"),
        (["x.wav"], {"output_dir": "talk.uc"}, "talk.uc: --output-dir names a folder"),
        (["x.wav", "out/"], {}, "out/: is no name of a file; to write into a folder use --output-dir out/"),
        (["x.wav"], {}, "x.uc: exists already; --overwrite replaces it"),
        (["x.wav", "in"], {}, "in: is a directory; to write into it use --output-dir in"),
        (["x.uc"], {}, "x.uc: has the suffix of an output already"),
        (["x.uc", "./x.uc"], {"overwrite": True}, "input and output are the same file .*; name another output"),
        (["x.wav", "x.wav"], {}, r"^x\.wav: input and output are the same file \(IN OUT\); leave the second away for x\.uc"),
    ],
)
def test_refusals(tree: Path, paths: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(JobError, match=message):
        plan(paths, **{"direction": ENCODE, **options})  # type: ignore[arg-type]


def test_a_link_to_the_input_is_not_written_over(tree: Path) -> None:
    os.symlink("x.wav", "link.uc")
    with pytest.raises(JobError, match="same file"):
        plan(["x.wav", "link.uc"], ENCODE, overwrite=True)
