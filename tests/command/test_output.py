"""An output is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unitcodec.command.output import Output, OutputError

FULL = Path("/dev/full")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out.uc"
    with Output(str(target)) as output:
        output.write(b"first ")
        assert not target.exists()
        output.write(b"second")
    assert target.read_bytes() == b"first second"
    assert names(tmp_path) == ["out.uc"]


@pytest.mark.parametrize("links", [True, False])
def test_what_came_in_the_meantime_is_kept(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.uc"

    def no_links(*paths: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(OutputError, match="exists already; --overwrite replaces it"), Output(str(target)) as output:
        output.write(b"ours")
        target.write_bytes(b"another's")
    assert target.read_bytes() == b"another's"
    with Output(str(target), overwrite=True) as output:
        output.write(b"ours")
    assert target.read_bytes() == b"ours"
    target.unlink()
    with Output(str(target)) as output:
        output.write(b"ours")
    assert names(tmp_path) == ["out.uc"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.uc"
    target.write_bytes(b"old")
    with pytest.raises(error), Output(str(target)) as output:
        output.write(b"new")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.uc"]


def test_an_interrupt_before_the_block_leaves_nothing(tmp_path: Path) -> None:
    """Whatever comes between opening and ``with``."""
    output = Output(str(tmp_path / "out.uc"))
    assert len(names(tmp_path)) == 1
    del output
    assert names(tmp_path) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "out.uc"
    before = os.umask(0o027)
    try:
        with Output(str(target)) as output:
            output.write(b"x")
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.uc").symlink_to(tmp_path / "real.uc")
    with Output(str(tmp_path / "link.uc")) as output:
        output.write(b"x")
    assert (tmp_path / "link.uc").is_symlink()
    assert (tmp_path / "real.uc").read_bytes() == b"x"


def test_long_names(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 252 + ".uc")
    with Output(str(target)) as output:
        output.write(b"x")
    assert target.read_bytes() == b"x"


def test_parents_are_made_on_demand_only(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "out.uc"
    with pytest.raises(OutputError, match=r"out\.uc: there is no folder .*; make it first$"):
        Output(str(target))
    with Output(str(target), parents=True) as output:
        output.write(b"x")
    assert target.read_bytes() == b"x"


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_devices_are_written_to_and_stay_devices() -> None:
    with Output(os.devnull) as output:
        output.write(b"x")
    with pytest.raises(OutputError, match="/dev/full: No space left on device"), Output(str(FULL)) as output:
        output.write(b"x" * 100)
    assert FULL.is_char_device()
    assert Path(os.devnull).is_char_device()
