"""The timer, and the report that is read from its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import speed
from benchmarks.errors import BenchmarkError
from unitcodec.errors import ModelError

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
ROOT = Path(__file__).parent.parent.parent

WORK = """
from benchmarks import yardstick

YARDSTICK = "loop"


def test_as_much(timed):
    timed(lambda times: [yardstick.loop() for _ in range(times)], 1, 40)


def test_three_times_as_much(timed):
    timed(lambda times: [yardstick.loop() for _ in range(times)], 3, 40)
"""


def test_the_ratio_is_of_work(tmp_path: Path) -> None:
    (tmp_path / "test_work.py").write_text(WORK)
    out = tmp_path / "out.json"
    # One worker of pytest-xdist would tell pytest-benchmark to time nothing.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.conftest", f"--benchmark-json={out}", tmp_path / "test_work.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=900)
    first, second = (each["extra_info"] for each in json.loads(out.read_text())["benchmarks"])
    # Wide enough for a machine that is busy with other things.
    assert 0.5 < first["per_yardstick"] < 2
    assert 1.5 < second["per_yardstick"] / first["per_yardstick"] < 6
    assert (first["device"], first["threads"], first["batch"]) == ("cpu", 1, 1)


def test_cases_tell_what_they_are(narrow_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = speed.run(str(narrow_folder), quick=True, select="test_pack or test_unpack or (test_decode and cpu-t1)")
    assert json.loads(json.dumps(rows)) == rows
    cases = {row["name"]: row for row in rows}
    assert {"pack", "unpack", "decode[cpu-t1-b1]", "decode[cpu-t1-b4]"} == set(cases)
    assert (cases["pack"]["group"], cases["pack"]["yardstick"]) == ("bitstream", "loop")
    four = cases["decode[cpu-t1-b4]"]
    assert (four["group"], four["device"], four["threads"], four["batch"]) == ("codec", "cpu", 1, 4)
    # Four utterances are four times the speech. How much longer they take is for the benchmark to say: it is left out of this.
    more = {name: four[name] / cases["decode[cpu-t1-b1]"][name] for name in ("per_yardstick", "times_real_time")}
    assert pytest.approx(more["per_yardstick"] * more["times_real_time"], rel=0.6) == 4
    assert capfd.readouterr().err.count("x real time") == 4


def test_what_does_not_run_is_an_error_that_says_so(narrow_folder: Path) -> None:
    with pytest.raises(BenchmarkError, match="pytest exits 5"):
        speed.run(str(narrow_folder), select="no_such_case")
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        speed.measure("nowhere")
