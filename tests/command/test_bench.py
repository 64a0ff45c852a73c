"""``unitcodec bench``: where the benchmarks are looked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bitstream
import unitcodec

ROOT = Path(__file__).parents[2]


def test_it_runs_in_a_clone_and_says_so_elsewhere(tmp_path: Path, environment: dict[str, str]) -> None:
    # The packages alone, as an installation has them.
    site, empty = tmp_path / "site", tmp_path / "empty"
    for folder in (site, empty):
        folder.mkdir()
    for package in (unitcodec, bitstream):
        (site / package.__name__).symlink_to(Path(package.__file__).parent)
    # Without what an editable installation puts in the way, of this clone or another.
    call = "import sys; sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each)];"
    call += "from unitcodec.command import main; sys.exit(main(sys.argv[1:]))"

    def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-c", call, *arguments]
        return subprocess.run(command, cwd=folder, env={**environment, "PYTHONPATH": str(site)}, capture_output=True, text=True)

    for arguments in (["bench"], ["bench", "--help"], ["bench", "compare", "a", "b"]):
        done = run(*arguments, folder=empty)
        assert done.returncode == 2
        assert done.stderr == "unitcodec: bench: the benchmarks are not installed with the package; call it in a clone\n"
    assert "bench" in run("--help", folder=empty).stdout
    done = run("bench", "compare", "--help", folder=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: unitcodec bench compare" in done.stdout


@pytest.mark.parametrize(("module", "usage"), [("cli", "unitcodec"), ("benchmarks", "python -m benchmarks")])
def test_a_clone_need_not_be_installed(module: str, usage: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {usage} ")
