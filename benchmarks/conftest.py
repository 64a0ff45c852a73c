"""What the benchmarks share: the options, the speech, its codes, and a timer that measures the machine in turn."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

# For a bare source tree; behind the installed packages.
sys.path.append(str(Path(__file__).parent.parent))

# As the command sets it: threads that spin while they wait slow everything else on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import unitcodec
from benchmarks import yardstick
from benchmarks.synthetic import SECONDS, syllables
from benchmarks.waveform import FloatArray, read


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("unitcodec")
    group.addoption("--model", default="default", help="packaged model or model folder to time (default: default)")
    group.addoption("--speech", type=Path, help="10 s of speech to time with (default: synthetic)")
    group.addoption("--quick", action="store_true", help="few rounds, small batches")


@pytest.fixture(scope="session")
def load(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """``load(device)``: the codec there, loaded once."""
    model = request.config.getoption("--model")
    return lru_cache(lambda device: unitcodec.load(model, device=device))


@pytest.fixture(scope="session")
def speech(request: pytest.FixtureRequest) -> FloatArray:
    """10 s to time with."""
    file = request.config.getoption("--speech")
    return syllables(SECONDS) if file is None else read(file)


@pytest.fixture(scope="session")
def codes(load: Callable[[str], Any], speech: FloatArray) -> Any:
    """The speech's codes."""
    return load("cpu").encode(speech, 16000)


@pytest.fixture
def timed(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``timed(call, argument, rounds, seconds=10)``: time ``call(argument)`` and return what it returns.

    Before each round, and outside its time, the yardstick of the test's module runs: its global YARDSTICK. ``--quick``
    takes a quarter of the rounds; before several, one warms up. Notes in ``extra_info``: the test's parameters,
    ``times_real_time`` (seconds of speech over the median round) and ``per_yardstick`` (:func:`yardstick.ratio`).
    """

    def run(call: Callable[..., Any], argument: Any, rounds: int, seconds: int = SECONDS) -> Any:
        parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
        facts = {"device": "cpu", "threads": 1, "batch": 1, **parameters}
        measure = yardstick.loop if request.module.YARDSTICK == "loop" else yardstick.network(facts["device"])
        measure()
        measured = []

        def setup() -> None:
            begin = time.perf_counter()
            measure()
            measured.append(time.perf_counter() - begin)

        rounds = max(1, rounds // 4) if request.config.getoption("--quick") else rounds
        result = benchmark.pedantic(call, (argument,), setup=setup, rounds=rounds, warmup_rounds=int(rounds > 1))
        if benchmark.stats is not None:  # absent under --benchmark-disable
            taken = benchmark.stats.stats.data
            speed = facts["batch"] * seconds / statistics.median(taken)
            ratio = yardstick.ratio(taken, measured[-rounds:])
            benchmark.extra_info.update(facts, yardstick=request.module.YARDSTICK, times_real_time=speed, per_yardstick=ratio)
            print(f"\n{benchmark.name.removeprefix('test_')}: {speed:.1f} x real time", flush=True)
        return result

    return run
