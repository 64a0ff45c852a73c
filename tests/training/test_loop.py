"""Runs: checkpoints, resuming, the log, stopping."""

from __future__ import annotations

import csv
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from unitcodec.errors import UnitcodecError
from unitcodec.training.loop import Run, cosine, set_rate


def _run(folder: Path, steps: int, **options: float) -> tuple[Run, torch.nn.Linear]:
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    return Run(folder, {"model": model}, steps, **options), model  # type: ignore[arg-type]


def _train(run: Run, model: torch.nn.Linear) -> list[int]:
    done = []
    for step in run.steps():
        with torch.no_grad():
            model.weight += 1
        run.log(loss=torch.tensor(float(step), requires_grad=True), constant=2.0)
        done.append(step)
    return done


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    run, model = _run(tmp_path, 2)
    first = model.weight.item()
    assert _train(run, model) == [0, 1]
    run, model = _run(tmp_path, 5)
    assert model.weight.item() == pytest.approx(first + 2)
    assert _train(run, model) == [2, 3, 4]
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 5
    assert not (tmp_path / "state.pt.part").exists()


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    model, judges = torch.nn.Linear(1, 1), torch.nn.Linear(2, 2)
    torch.save({"model": model.state_dict(), "judges": judges.state_dict(), "step": 3}, tmp_path / "state.pt")
    parts = {"model": torch.nn.Linear(1, 1), "discriminators": torch.nn.Linear(2, 2)}
    run = Run(tmp_path, parts, 5)
    assert run.step == 3
    assert torch.equal(parts["discriminators"].weight, judges.weight)
    (tmp_path / "state.pt").rename(tmp_path / "initial.pt")
    parts = {"model": torch.nn.Linear(1, 1), "discriminators": torch.nn.Linear(2, 2)}
    torch.save({"model": model.state_dict()}, tmp_path / "initial.pt")
    run = Run(tmp_path, parts, 5)
    assert run.step == 0
    assert torch.equal(parts["model"].weight, model.weight)


def test_a_finished_run_does_nothing(tmp_path: Path) -> None:
    _train(*_run(tmp_path, 2))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert _train(*_run(tmp_path, 2)) == []
    assert _train(*_run(tmp_path, 1)) == []
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}


def test_a_run_of_other_settings_is_named(tmp_path: Path) -> None:
    _train(*_run(tmp_path, 1))
    with pytest.raises(UnitcodecError, match=r"state\.pt is of a run with other settings"):
        Run(tmp_path, {"model": torch.nn.Linear(2, 1)}, 5)
    with pytest.raises(UnitcodecError, match=r"state\.pt is of a run with other settings"):
        Run(tmp_path, {"other": torch.nn.Linear(1, 1)}, 5)


def test_the_log_holds_means_and_widens(tmp_path: Path) -> None:
    run, model = _run(tmp_path, 4, every=2)
    for step in run.steps(lambda: {"test": 7.0}, validate_every=4):
        run.log(loss=float(step))
        if step >= 2:
            run.log(late=1.0)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["step"]) for row in rows] == [2, 4]
    assert float(rows[0]["loss"]) == 0.5
    assert (rows[0]["test"], rows[0]["late"]) == ("", "")
    assert float(rows[1]["test"]) == 7
    del model


def test_rows_after_the_checkpoint_are_not_written_twice(tmp_path: Path) -> None:
    run, _ = _run(tmp_path, 6, every=1, save_seconds=1e9)
    steps = run.steps()
    for _ in range(4):
        run.log(loss=float(next(steps)))
    run.step = 2
    run.save()
    steps.close()  # as if it were killed: one of the three rows is of a step after the checkpoint
    run, model = _run(tmp_path, 5, every=1)
    _train(run, model)
    with open(tmp_path / "log.csv", newline="") as file:
        assert [float(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5]


def test_checkpoints_on_the_way(tmp_path: Path) -> None:
    run, _ = _run(tmp_path, 10, save_seconds=0.0)
    steps = run.steps()
    for _ in range(4):
        next(steps)
    steps.close()
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 3


def test_sigterm_ends_the_process_after_a_checkpoint(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run, _ = _run(tmp_path, 10)
    with pytest.raises(SystemExit) as caught:
        for step in run.steps():
            if step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 3
    assert signal.getsignal(signal.SIGTERM) is before
    assert _train(*_run(tmp_path, 4)) == [3]


def test_learning_rate() -> None:
    rates = [cosine(step, 1000, 2.0) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[200] == pytest.approx(2.0)
    assert rates[1000] == pytest.approx(0.04)
    assert all(a <= b for a, b in pairwise(rates[:201]))
    assert all(a >= b for a, b in pairwise(rates[200:]))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    set_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
