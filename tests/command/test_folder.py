"""An output folder is whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unitcodec import model as models
from unitcodec.command import temporary
from unitcodec.command.folder import OutputFolder
from unitcodec.command.jobs import JobError
from unitcodec.command.output import OutputError
from unitcodec.onnx.folder import GRAPHS

HELD = ("config.json", "entropy.safetensors")


def model_folder(path: Path) -> Path:
    path.mkdir()
    for name in HELD:
        (path / name).touch()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with OutputFolder(str(target)) as folder:
        Path(folder, "config.json").write_text("{}")
        assert not target.exists()
    assert (target / "config.json").read_text() == "{}"
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = model_folder(tmp_path / "model")
    with pytest.raises(error), OutputFolder(str(target), overwrite=True) as folder:
        Path(folder, "new").touch()
        raise error
    assert names(target) == [*HELD]
    assert names(tmp_path) == ["model"]


def test_an_existing_folder_is_replaced_when_asked(tmp_path: Path) -> None:
    target = model_folder(tmp_path / "model")
    with pytest.raises(JobError, match="--overwrite replaces it"):
        OutputFolder(str(target))
    with OutputFolder(str(target), overwrite=True) as folder:
        Path(folder, "new").touch()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("renames", [1, 2])
def test_killed_while_it_takes_anothers_place(tmp_path: Path, renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run beside it finishes: the new folder is there, and nothing else."""
    target = model_folder(tmp_path / "model")
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom unitcodec.command.folder import OutputFolder\n"
        "rename, done = os.rename, []\n"
        "def renamed(*names):\n"
        "    rename(*names)\n"
        "    done.append(names)\n"
        f"    if len(done) == {renames}: os._exit(9)\n"
        "os.rename = renamed\n"
        "with OutputFolder(sys.argv[1], overwrite=True) as folder: Path(folder, 'new').touch()\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == 9
    assert names(tmp_path) != ["model"]
    monkeypatch.setattr(temporary, "_cleaned", set())
    temporary.clean(str(tmp_path))
    assert names(tmp_path) == ["model"]
    assert names(target) == ["new"]


@pytest.mark.parametrize("said", [b"", b".", b"..", b"a/b", b"a\0b", b"\xff"])
def test_marks_that_say_nothing_remove_nothing(tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".unitcodec-1-ab.part").write_bytes(said)
    for name in (".unitcodec-1-ab", ".unitcodec-1-ab.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    monkeypatch.setattr(temporary, "_cleaned", set())
    temporary.clean(str(tmp_path))
    if said == b"\xff":  # a name like any other: the new folder goes there
        assert names(tmp_path) == [os.fsdecode(said)]
    else:
        assert len(names(tmp_path)) == 3


def test_what_stands_there_by_then_costs_neither_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".unitcodec-1-ab.part").write_bytes(b"model")
    for name in (".unitcodec-1-ab", ".unitcodec-1-ab.old", "model"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(temporary, "_cleaned", set())
    temporary.clean(str(tmp_path))
    assert len(names(tmp_path)) == 4


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename, calls = model_folder(tmp_path / "model"), os.rename, []

    def failing(*paths: str) -> None:
        calls.append(paths)
        if 1 < len(calls) < 6:
            raise OSError(5, "Input/output error")
        rename(*paths)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OutputError, match=r"Input/output error; .* is in .*\.old now, the new folder in "):
        with OutputFolder(str(target), overwrite=True):
            pass
    assert len([name for name in names(tmp_path) if name.startswith(".unitcodec-")]) == 3  # nothing is lost
    monkeypatch.setattr(temporary, "_cleaned", set())
    temporary.clean(str(tmp_path))
    assert names(tmp_path) == ["model"]


def test_what_came_in_the_meantime_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(OutputError, match="exists already; --overwrite replaces it"), OutputFolder(str(target)) as folder:
        Path(folder, "ours").touch()
        target.mkdir()
        (target / "another's").touch()
    assert names(target) == ["another's"]
    assert names(tmp_path) == ["model"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(JobError, match="not a directory"), OutputFolder(str(target), overwrite=True):
        target.touch()
    with pytest.raises(JobError, match="not a directory"):
        OutputFolder(str(target), overwrite=True)
    assert names(tmp_path) == ["model"]


def test_a_folder_without_a_model_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "home"
    with pytest.raises(JobError, match="holds photos, which is no part of a model"), OutputFolder(str(target), overwrite=True):
        target.mkdir()
        (target / "photos").mkdir()
    with pytest.raises(JobError, match="holds photos, which is no part of a model"):
        OutputFolder(str(target), overwrite=True)
    assert names(target) == ["photos"]
    assert names(tmp_path) == ["home"]


def test_a_killed_run_is_finished_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the folder would seem not to be there until all is done."""
    (tmp_path / ".unitcodec-1-ab.part").write_bytes(b"model")
    for name in (".unitcodec-1-ab", ".unitcodec-1-ab.old"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(temporary, "_cleaned", set())
    with pytest.raises(JobError, match="exists already"):
        OutputFolder(str(tmp_path / "model"))
    assert names(tmp_path) == ["model"]


def test_a_model_among_other_things_is_not_replaced(tmp_path: Path) -> None:
    target = model_folder(tmp_path / "model")
    (target / ".git").mkdir()
    with pytest.raises(JobError, match=r"holds \.git, which is no part of a model"):
        OutputFolder(str(target), overwrite=True)
    assert names(target) == [".git", *HELD]
    (target / ".git").rmdir()
    for name in ("notes.txt", "my_work.onnx", "LICENSE-thesis.docx"):
        (target / name).touch()
        with pytest.raises(JobError, match=f"holds {name}, which is no part of a model"):
            OutputFolder(str(target), overwrite=True)
        (target / name).unlink()
    os.mkfifo(target / "mel.onnx")
    with pytest.raises(JobError, match=r"holds mel\.onnx, which is no part of a model"):
        OutputFolder(str(target), overwrite=True)


def test_a_folder_with_another_program_s_settings_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "config.json").touch()
    with pytest.raises(JobError, match="holds no model"):
        OutputFolder(str(tmp_path / "app"), overwrite=True)


def test_every_file_that_a_model_folder_has_may_be_replaced(tmp_path: Path) -> None:
    target = tmp_path / "model"
    shutil.copytree(models.find("default"), target)
    for name in (*(f"{graph}.onnx" for graph in GRAPHS), "tracker.onnx", "onnx.json"):
        (target / name).touch()
    with OutputFolder(str(target), overwrite=True) as folder:
        Path(folder, "new").touch()
    assert names(target) == ["new"]


def test_a_tree_too_deep_to_remove_is_no_failure(tmp_path: Path) -> None:
    here = os.getcwd()
    (tmp_path / "deep").mkdir()
    try:
        os.chdir(tmp_path / "deep")
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    temporary.remove_tree(str(tmp_path / "deep"))
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)  # which pytest cannot do either


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with OutputFolder(str(tmp_path / "link"), overwrite=True) as folder:
        Path(folder, "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["new"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        OutputFolder(os.path.join(tmp_path, "absent", "model")).__enter__()
