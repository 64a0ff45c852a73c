"""Two processes under torchrun train as one process with the doubled batch does."""

from __future__ import annotations

import csv
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unitcodec.training import parallel

ENCODER = {"channels": 16, "heads": 2, "reach": 4}
STEPS = 8
SETTINGS: dict[str, dict[str, Any]] = {
    "pitch": {"codes": 10, "steps": 2, "batch": 2, "seconds": 1.28},
    # Muon's products in bfloat16, and long steps, make more of the order in which gradients are summed.
    "content": {"levels": [4, 4, 3], "codes": 12, "steps": STEPS, "seconds": 1.28, "optimizer": "adamw", "rate": 0.0015},
    "hubert": {"encoder": {**ENCODER, "layers": 2}, "layer": 2, "targets": [8], "steps": STEPS, "seconds": 1.28},
    "cpc": {"encoder": {**ENCODER, "layers": 1}, "steps": STEPS, "seconds": 1.28},
    "vqvae": {"encoder": {"stride": 2, "channels": [8, 16], "embedding": 8}},
}


def _trained(
    family: str, manifest: Path, folder: Path, processes: int, environment: dict[str, str]
) -> dict[str, list[dict[str, float]]]:
    """The loss curves, step by step, of a run whose batch is 8 in all."""
    settings = {name: dict(values) for name, values in SETTINGS.items()}
    for stage in ("content", "hubert", "cpc"):
        settings[stage] |= {"batch": 8 // processes, "bfloat16": False}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(settings))
    program = (
        "import sys, torch; torch.set_num_threads(1); from unitcodec.training import loop, run\n"
        "loop.EVERY = 1\n"
        f"for stage in ('pitch', 'content'): run(stage, {str(manifest)!r}, {str(folder / 'run')!r}, "
        f"{str(folder / 'config.json')!r}, family={family!r})\n"
    )
    (folder / "train.py").write_text(program)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [*(launch if processes > 1 else [sys.executable]), str(folder / "train.py")],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    curves = {}
    for path in sorted((folder / "run" / "content").rglob("log.csv")):
        with open(path, newline="") as file:
            curves[str(path.relative_to(folder / "run"))] = [
                {name: float(value) for name, value in row.items() if value and name != "seconds_a_step"}
                for row in csv.DictReader(file)
            ]
    return curves


@pytest.mark.parametrize("family", ["fsq", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vqvae", "hubert", "cpc"))])
def test_two_processes_have_the_curve_of_one_with_the_doubled_batch(
    family: str, manifest: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    one, two = (_trained(family, manifest, tmp_path / str(processes), processes, environment) for processes in (1, 2))
    assert list(one) == list(two)
    for name, rows in one.items():
        assert len(rows) == len(two[name]) == STEPS
        for mine, theirs in zip(rows, two[name], strict=True):
            assert mine.keys() == theirs.keys()
            assert np.allclose(list(mine.values()), list(theirs.values()), rtol=2e-3, atol=1e-4), (name, mine, theirs)


def test_a_gpu_shares_what_lies_on_the_cpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """F0 codes are trained there, and means of the log are taken there, which NCCL cannot do."""
    asked = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(parallel.distributed, "init_process_group", lambda backend, **_: asked.append(backend))
    monkeypatch.setattr(parallel.torch.cuda, "set_device", asked.append)
    parallel.start("cuda")
    assert asked == ["cpu:gloo,cuda:nccl", 0]


def test_alone_nothing_is_shared() -> None:
    assert (parallel.rank(), parallel.size(), list(parallel.share(3))) == (0, 1, [0, 1, 2])
    assert parallel.mean(2.5) == 2.5
    assert parallel.any_of(True)
    assert not parallel.any_of(False)
    parallel.wait()


def test_what_one_process_does_while_the_others_wait_asks_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_initialized", True), ("get_rank", 1), ("get_world_size", 2)):
        monkeypatch.setattr(parallel.distributed, name, lambda value=value: value)
    assert (parallel.rank(), parallel.size()) == (1, 2)
    with parallel.alone():
        assert (parallel.rank(), parallel.size()) == (0, 1)
        assert parallel.mean(2.5) == 2.5
        parallel.average_gradients([])
        parallel.wait()
    assert (parallel.rank(), parallel.size()) == (1, 2)


def test_freed_memory_is_kept() -> None:
    """Where the C library is glibc, a tensor of 64 MB finds its pages again."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library is not glibc")
    code = (
        "import resource, torch; from unitcodec.training import parallel; parallel.keep_memory()\n"
        "for _ in range(20): torch.ones(2**24)\n"
        "before = resource.getrusage(0).ru_minflt\n"
        "for _ in range(5): torch.ones(2**24)\n"
        "print(resource.getrusage(0).ru_minflt - before)"
    )
    faults = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(faults.stdout) < 5 * 16384 / 2  # pages of 4 kB
