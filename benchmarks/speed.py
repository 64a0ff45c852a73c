"""How fast: pytest-benchmark's runs of ``benchmarks/test_*.py``, as multiples of real time and of a yardstick.

``times_real_time`` is seconds of speech over the median round, for people and for this machine. ``per_yardstick`` is the
case in units of a fixed workload (:mod:`benchmarks.yardstick`) that runs before every round, on as many threads of the same
device: what can be compared between runs. On one thread it repeats within some 10 percent, also where other work takes
most of the machine; on several it does not there, since all threads wait for the one that is held up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.progress import Stage, say
from benchmarks.synthetic import SECONDS
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read, write
from benchmarks.yardstick import DESCRIPTION

_FACTS = ("device", "threads", "batch", "yardstick", "times_real_time", "per_yardstick")


def measure(
    model: str = "default", quick: bool = False, peers: bool = True, speech: Sequence[Path] | None = None
) -> dict[str, Any]:
    """Time the codec and, with ``peers``, the other codecs, on the first 10 s of the recordings ``speech``, else on synthetic.

    Returns:
        ``yardstick``: what each is, by name. ``cases``: objects with ``name`` (as "decode[cpu-t1-b4]": device, threads,
        batch), ``group`` ("bitstream" or "codec"), ``device``, ``threads``, ``batch`` (utterances of 10 s in a call),
        ``yardstick``, ``times_real_time`` and ``per_yardstick``. ``peers``: objects with ``name``, ``title``, the two
        figures for encoder and decoder together on one thread (to be compared with "end_to_end[cpu-t1-b1]") and ``note``,
        or ``name``, ``title`` and ``gap``.

    Raises:
        ModelError: there is no such model.
        BenchmarkError: pytest-benchmark is not installed, or a benchmark fails.
    """
    from unitcodec.model import find

    find(model)
    rows = run(model, quick, "" if peers else "not test_peers", speech)
    cases = [row for row in rows if row["group"] != "peers"]
    timed = {row.pop("peer"): row for row in rows if row["group"] == "peers"}
    return {"yardstick": DESCRIPTION, "cases": cases, "peers": _peers(timed) if peers else []}


def run(model: str, quick: bool = False, select: str = "", speech: Sequence[Path] | None = None) -> list[dict[str, Any]]:
    """The cases that pytest's ``-k`` selects, as :func:`measure` returns them; a peer's also names its ``peer``.

    Raises BenchmarkError as :func:`measure` does.
    """
    for module in ("pytest", "pytest_benchmark"):
        if find_spec(module) is None:
            raise BenchmarkError(f"{module.replace('_', '-')} is not installed: pip install 'unitcodec[eval]'")
    folder = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "speed.json")
        # The caller's own pytest settings are none of ours.
        command = [sys.executable, "-P", "-m", "pytest", str(folder), "-s", "-p", "no:cacheprovider", "-o", "addopts="]
        command += ["--import-mode=importlib", f"--benchmark-json={out}", f"--model={model}", "-k", select]
        if speech:
            write(Path(scratch, "speech.wav"), _opening(speech))
            command.append(f"--speech={Path(scratch, 'speech.wav')}")
        # Run from a test that shares the machine with others, pytest-benchmark would time nothing.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
        environment["PYTEST_ADDOPTS"] = ""
        with (
            Stage("speed", None, "cases") as stage,
            subprocess.Popen(
                command + ["--quick"] * quick, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process,
        ):
            assert process.stdout is not None
            tail = deque[str](maxlen=30)
            for line in process.stdout:
                tail.append(line)
                if line.endswith("x real time\n"):
                    stage.advance()
                    stage.say(f"speed: {line.rstrip()}")
        say(f"speed: {stage.done} cases in {stage.elapsed}")
        if process.returncode:
            raise BenchmarkError(f"the timing failed, pytest exits {process.returncode}: {' '.join(''.join(tail).split())}")
        return [_case(each) for each in json.loads(out.read_text())["benchmarks"]]


def _opening(recordings: Sequence[Path]) -> FloatArray:
    """The first 10 s of the recordings joined, repeated where they are shorter."""
    wanted, found = SECONDS * SAMPLE_RATE, np.zeros(0, np.float32)
    for path in recordings:
        found = np.concatenate([found, read(path)])
        if len(found) >= wanted:
            break
    return np.resize(found, wanted)


def _case(benchmark: dict[str, Any]) -> dict[str, Any]:
    extra = benchmark["extra_info"]
    facts = {name: extra[name] for name in (*_FACTS, "peer") if name in extra}
    return {"name": benchmark["name"].removeprefix("test_"), "group": benchmark["group"], **facts}


def _peers(timed: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    from benchmarks.peers import PEERS

    rows = []
    for name, peer in PEERS.items():
        row: dict[str, Any] = {"name": name, "title": peer.title}
        if name in timed:
            row |= {key: timed[name][key] for key in ("times_real_time", "per_yardstick")}
            row["note"] = "random weights" if peer.untrained else ""
        else:
            row["gap"] = peer.gap() or "its package cannot be used here"
        if name != "original":
            rows.append(row)
    return rows
