"""What every training stage needs: a run folder with checkpoints, a CSV log and a place to resume from."""

from __future__ import annotations

import csv
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import UnitcodecError
from . import parallel
from .optimizer import Optimizer

STATE, WARM_START = "state.pt", "warm_start.pt"
"""In a stage's folder: all of a run's parts; the weights that a new run begins with, some of the parts."""

EVERY, WARM_UP = 50, 200
"""Steps between rows of the log, and until the learning rate is at its highest, unless a stage says otherwise."""

FORMER = {"judges": "discriminators", "judge_optimizer": "discriminator_optimizer"}
"""Names of parts in older states."""


def read_state(folder: Path) -> tuple[dict[str, Any] | None, Path]:
    """The state that a stage left in its folder or else the one that it begins with, None if there is neither; and the file."""
    for name in (STATE, WARM_START, "initial.pt"):  # the last is what older runs call the second
        if (folder / name).exists():
            state = torch.load(folder / name, map_location="cpu", weights_only=True)
            return {FORMER.get(part, part): value for part, value in state.items()}, folder / name
    return None, folder / STATE


class Run:
    """A resumable run in ``folder``: ``state.pt`` holds everything that ``parts`` hold, ``log.csv`` one row an interval.

    Of several processes (:mod:`.parallel`) all read the state, the first one writes.

    Args:
        parts: name -> anything with ``state_dict`` and ``load_state_dict``.
        steps: where the run ends; a run that has reached it does nothing.
        every: steps between log rows, :data:`EVERY` by default.
        save_seconds: seconds between checkpoints.
    """

    def __init__(self, folder: Path, parts: dict[str, Any], steps: int, every: int | None = None, save_seconds: float = 120.0):
        self.folder, self.parts, self.total = Path(folder), parts, steps
        self.every, self.save_seconds = every or EVERY, save_seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step = 0
        self._sums: dict[str, float] = {}
        self._count = 0
        self._stop = False
        self._saved_step = -1
        state, path = read_state(self.folder)
        if state is not None:
            begun = path.name == STATE
            try:
                for name in parts if begun else state:
                    parts[name].load_state_dict(state[name])
            except (RuntimeError, ValueError, KeyError) as error:
                raise UnitcodecError(f"{path} is of a run with other settings: take another --out, or --restart") from error
            if begun:
                self.step = self._saved_step = state["step"]
                self._forget_rows()

    def _forget_rows(self) -> None:
        """Those of the log that are of steps after the checkpoint: they come again."""
        path = self.folder / "log.csv"
        if parallel.rank() > 0 or not path.exists():
            return
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), reader.fieldnames or []
        known = [row for row in rows if set(row) == set(names) and None not in row.values() and _number(row["step"]) <= self.step]
        if len(known) < len(rows):
            _write_log(path, names, known)

    def save(self) -> None:
        self._saved_step = self.step
        if parallel.rank() > 0:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        temporary = self.folder / f"{STATE}.part"
        torch.save({**state, "step": self.step}, temporary)
        os.replace(temporary, self.folder / STATE)

    def log(self, **values: float | Tensor) -> None:
        """Add this step's values to the interval's means."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(torch.as_tensor(value).detach())
        self._count += 1

    def _write_row(self, seconds: float, extra: dict[str, float]) -> dict[str, float]:
        row = {"step": float(self.step), "seconds_a_step": seconds / max(1, self._count)}
        row.update({name: parallel.mean(value / max(1, self._count)) for name, value in self._sums.items()})
        row.update(extra)
        self._sums, self._count = {}, 0
        if parallel.rank() > 0:
            return row
        path = self.folder / "log.csv"
        known: list[str] = []
        if path.exists():
            with open(path, newline="") as file:
                known = next(csv.reader(file), [])
        if not set(row) <= set(known):
            # New columns appear (a loss that starts later): the file keeps its rows under a wider header.
            names = known + [name for name in row if name not in known]
            rows = []
            if path.exists():
                with open(path, newline="") as file:
                    rows = list(csv.DictReader(file))
            _write_log(path, names, rows)
            known = names
        with open(path, "a", newline="") as file:
            csv.DictWriter(file, known).writerow({name: f"{value:.6g}" for name, value in row.items()})
        return row

    def steps(self, validate: Callable[[], dict[str, float]] | None = None, validate_every: int = 500) -> Iterator[int]:
        """Yield step numbers up to the end; log, validate, checkpoint on the way, and once more at the end.

        SIGTERM ends the process (status 143) after the step at hand and a checkpoint.
        """
        previous = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_stop", True))
        saved = mark = time.monotonic()
        bar = tqdm(
            total=self.total,
            initial=self.step,
            unit="step",
            desc=self.folder.name,
            mininterval=5.0,
            disable=parallel.rank() > 0,
        )
        try:
            while self.step < self.total and not parallel.any_of(self._stop):
                yield self.step
                self.step += 1
                bar.update()
                last = self.step == self.total
                if self.step % self.every == 0 or last:
                    now = time.monotonic()
                    due = validate is not None and parallel.rank() == 0 and (self.step % validate_every == 0 or last)
                    extra = validate() if validate is not None and due else {}
                    row = self._write_row(now - mark, extra)
                    bar.set_postfix(
                        {name: f"{value:.3f}" for name, value in row.items() if name not in ("step", "seconds_a_step")}
                    )
                    mark = time.monotonic()
                if time.monotonic() - saved > self.save_seconds:
                    self.save()
                    saved = time.monotonic()
            if self.step != self._saved_step:
                self.save()
            parallel.wait()
            if self._stop or self.step < self.total:
                # Not a normal return: the stages that follow must not start from half a run.
                raise SystemExit(128 + signal.SIGTERM)
        finally:
            bar.close()
            signal.signal(signal.SIGTERM, previous)


def _number(text: str) -> float:
    """Infinite for what is none: a row that a kill has torn is left out, too."""
    try:
        return float(text)
    except ValueError:
        return math.inf


def _write_log(path: Path, names: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def minimise(
    run: Run,
    loss: Callable[[int], tuple[Tensor, dict[str, float | Tensor]]],
    parameters: Sequence[nn.Parameter],
    optimizer: torch.optim.Optimizer | Optimizer,
    rate: float,
    validate: Callable[[], dict[str, float]],
    clip: float = 1.0,
) -> None:
    """The steps of a run that is left: loss, gradients (clipped at a norm of ``clip``), update, log.

    Args:
        loss: number of the step -> what is minimised, a scalar, and what the log is told.
        rate: the highest of the learning rates; see :func:`cosine`.
        validate: see :meth:`Run.steps`.
    """
    for step in run.steps(validate):
        set_rate(optimizer, cosine(step, run.total, rate))
        value, told = loss(step)
        optimizer.zero_grad()
        value.backward()
        parallel.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        run.log(**told)


def cosine(step: int, total: int, peak: float, warmup: int | None = None, floor: float = 0.02) -> float:
    """Learning rate: linear warm-up to ``peak`` in :data:`WARM_UP` or other steps, then half a cosine to ``floor * peak``."""
    warmup = WARM_UP if warmup is None else warmup
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def set_rate(optimizer: torch.optim.Optimizer | Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
