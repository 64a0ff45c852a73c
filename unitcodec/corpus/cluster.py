"""Slices coded on a cluster by Ray Data: a task a slice, which may be lost with its node and is then done on another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
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
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UnitcodecError("Ray is missing: pip install 'unitcodec[ray]'") from error
    try:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level="warning", configure_logging=True)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        with warnings.catch_warnings(action="ignore"):
            rows = ray.data.from_items([{"piece": piece} for piece in slices], override_num_blocks=len(slices))
            done = rows.map(
                partial(_task, plan),
                num_cpus=1,
                num_gpus=1 if plan.device.startswith("cuda") else None,
                concurrency=workers,
                # A task that is lost is no fault of it.
                max_retries=-1,
            )
            for row in done.iter_rows():
                yield Summary(**row)
    except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise _ours(error) from error


def _task(plan: Plan, row: dict[str, Any]) -> dict[str, Any]:
    return asdict(encode_slice(plan, row["piece"]))


def _ours(error: BaseException) -> UnitcodecError:
    """What a task raised, if that is one of ours; else Ray's own words, in a line."""
    cause: BaseException | None = error
    while cause is not None:
        inner = getattr(cause, "cause", None)
        for each in (cause, inner):
            if isinstance(each, (ModelError, UnitcodecError)):
                return ModelError(_line(each)) if isinstance(each, ModelError) else UnitcodecError(_line(each))
        cause = cause.__cause__
    return UnitcodecError(f"Ray: {_line(error)}")


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else type(error).__name__
