"""Slices coded on a cluster by Ray Data: a task a slice, which may be lost with its node and is then done on another."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from typing import Any

from ..errors import ModelError, UnitcodecError
from .encode import Summary, encode_slice
from .plan import Plan, Slice


def encode_on_ray(
    plan: Plan, slices: Sequence[Slice], workers: int | None = None, address: str | None = None
) -> Iterator[Summary]:
    """Code slices on a Ray cluster; gives what became of each, in any order.

    Tasks keep no state but the shards that they write, each as a whole and under its own name. So a task that is done anew, after
    its node or its process was lost, finds its shard or makes it: none is missing, none is there twice.

    Args:
        plan: its store must be seen by every node: a shared folder or a URL.
        slices: to be done.
        workers: how many at a time; as many as there are processors by default.
        address: of a cluster. By default the one that this program is connected to, or that RAY_ADDRESS names, or a new one on
            this machine.

    Raises:
        UnitcodecError: Ray is missing, or a task failed other than by a loss.
        ModelError: of the plan's model.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone, unless the user wants to
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UnitcodecError("Ray is missing: pip install 'unitcodec[ray]'") from error
    try:
        if not ray.is_initialized():
            dashboard = None if address else False
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=dashboard)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        with warnings.catch_warnings(action="ignore"):
            rows = ray.data.from_items([{"piece": piece.to_json()} for piece in slices], override_num_blocks=len(slices))
            done = rows.map(
                partial(_task, plan),
                num_cpus=1,
                num_gpus=1 if plan.device.startswith("cuda") else None,
                concurrency=workers,
                max_retries=-1,  # a task that is lost is no fault of its own
            )
            for row in done.iter_rows():
                if row["error"]:
                    raise (ModelError if row["of_model"] else UnitcodecError)(row["error"])
                yield Summary(**{field.name: row[field.name] for field in fields(Summary)})
    except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnitcodecError(f"Ray: {lines[-1][:500] if lines else type(error).__name__}") from error


def _task(plan: Plan, row: dict[str, Any]) -> dict[str, Any]:
    """Errors of ours come back as rows: Ray would tell of them in many lines, and of what kind they are in none."""
    piece = Slice.from_json(row["piece"])
    try:
        return {**asdict(encode_slice(plan, piece)), "error": "", "of_model": False}
    except (UnitcodecError, OSError) as error:
        nothing = asdict(Summary(piece.number, 0, 0.0, 0, 0))
        return {**nothing, "error": f"{plan.store.root}: {error}", "of_model": isinstance(error, ModelError)}
