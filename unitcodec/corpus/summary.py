"""The reports of all shards put together: an index of the corpus, and a list of what could not be coded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import UnitcodecError
from .encode import Summary
from .plan import Plan

INDEX = "index.jsonl"
"""Where each recording is, an object a line: ``id``, ``shard`` (its path in the corpus), ``row`` in it and, in a tar, the
``offset`` and ``size`` of its stream in bytes; ``num_samples``."""

FAILURES = "failures.jsonl"
"""What could not be coded, an object a line: ``id``, ``path``, ``error``. There is none if all could."""


def summarize(plan: Plan) -> Summary:
    """Write index and failures of a corpus whose shards are all there; the sums over all of them.

    Raises UnitcodecError if a shard is missing, OSError.
    """
    index, failures, sums = list[str](), list[str](), [0, 0.0, 0, 0]
    for report in _reports(plan):
        found = report["summary"]
        sums = [a + b for a, b in zip(sums, (found["recordings"], found["seconds"], found["size"], found["failed"]), strict=True)]
        index += [json.dumps(row) for row in report["rows"]]
        failures += [json.dumps(row) for row in report["failed"]]
    plan.store.write(INDEX, "".join(f"{line}\n" for line in index).encode("ascii"))
    if failures:
        plan.store.write(FAILURES, "".join(f"{line}\n" for line in failures).encode("ascii"))
    else:
        plan.store.remove(FAILURES)
    recordings, seconds, size, failed = sums
    return Summary(plan.shards, int(recordings), seconds, int(size), int(failed))


def _reports(plan: Plan) -> Iterator[dict[str, Any]]:
    missing = [number for number in range(plan.shards) if not plan.store.exists(plan.shard(number))]
    if missing:
        raise UnitcodecError(
            f"{plan.store.root}: {len(missing)} of {plan.shards} shards are missing, the first is {plan.shard(missing[0])}; "
            "the same command goes on from here (on a cluster the folder has to be shared by all nodes, or a URL)"
        )
    for number in range(plan.shards):
        yield json.loads(plan.store.read(plan.report(number)))
