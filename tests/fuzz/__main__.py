"""Hostile bytes for everything that reads bytes from elsewhere, with figures.

    python -m tests.fuzz --cases 1000000                    # from the repository's root; all readers
    python -m tests.fuzz --cases 1000 --reader "unit lists"

Each reader runs in a process of its own. A case that takes more than 2 s of processor time counts as slow, an error that the
reader's documentation does not name, or the end of the process, as an escape; its input is kept under --keep. Exit status 1 if
there was either, or if a reader took more than 200 MB over what it took for its sound inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parent))

from readers import READERS, Reader

SLOW, HANG, MEMORY = 2.0, 20.0, 200
"""Seconds of processor time that a case may take, and after which it is stopped; MB that a reader may take."""


@dataclass
class Figures:
    """Of one reader; ``slowest`` in ms of processor time, ``memory`` in MB beyond what the sound inputs took."""

    reader: str
    cases: int = 0
    refused: int = 0
    accepted: int = 0
    escapes: int = 0
    slow: int = 0
    slowest: float = 0.0
    memory: float = 0.0

    @property
    def sound(self) -> bool:
        return not self.escapes and not self.slow and self.memory <= MEMORY


def run(name: str, cases: int, seed: int, keep: Path, limit: float = float("inf")) -> Figures:
    """Try so many cases, or as many as can be in ``limit`` seconds."""
    figures, deadline = Figures(name), time.monotonic() + limit
    signal.signal(signal.SIGPROF, _too_long)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        reader = READERS[name][1](Path(scratch))
        for data in reader.inputs:
            with contextlib.suppress(*reader.refusals):  # one or the other sound input is one that is refused
                reader.read(data)
        before = _peak(reset=True)
        for number in range(cases):
            if time.monotonic() > deadline:
                break
            data = reader.spoil(random.Random(f"{seed} {name} {number}"), reader.inputs)
            _try(reader, data, figures, keep / f"{re.sub('[^a-z0-9]+', '-', name)}-{seed}-{number}")
        figures.memory = max(0.0, round(_peak() - before, 1))
    return figures


def _try(reader: Reader, data: bytes, figures: Figures, kept: Path) -> None:
    begin, escaped = time.process_time(), False
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        read = reader.read(data)
    except reader.refusals:
        read = False
    except Exception:
        escaped = True
        _keep(kept, data)
        print(f"{kept}:\n{traceback.format_exc(limit=-4)}", file=sys.stderr, flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)
    taken = time.process_time() - begin
    figures.cases += 1
    if escaped:
        figures.escapes += 1
    elif read is False:
        figures.refused += 1
    else:
        figures.accepted += 1
    figures.slowest = max(figures.slowest, round(1000 * taken, 1))
    if taken > SLOW:
        figures.slow += 1
        _keep(kept, data)
        print(f"{kept}: {taken:.1f} s", file=sys.stderr, flush=True)


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _peak(reset: bool = False) -> float:
    """The most memory that this process had, MB; ``reset``: the most begins anew with what it has now, which is returned."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _too_long(number: int, frame: object) -> NoReturn:
    raise TimeoutError(f"more than {HANG:g} s of processor time")


def table(rows: list[Figures]) -> str:
    """For docs/reliability.md."""
    lines = ["| reader | cases | refused | accepted | escapes | over 2 s | slowest, ms | memory, MB |", "|---" * 8 + "|"]
    for row in rows:
        facts = (row.cases, row.refused, row.accepted, row.escapes, row.slow)
        lines.append(
            f"| {row.reader} | " + " | ".join(f"{each:,}" for each in facts) + f" | {row.slowest:.0f} | {row.memory:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10000, help="of all readers, in the shares that readers.py has")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each reader, at most")
    parser.add_argument("--reader", action="append", choices=[*READERS], help="this one only; all --cases are its")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-found")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(asdict(run(*arguments.reader, arguments.cases, arguments.seed, arguments.keep, arguments.seconds))))
        return 0
    rows = []
    for name in arguments.reader or READERS:
        share = 1000 if arguments.reader else READERS[name][0]
        cases = max(1, arguments.cases * share // 1000)
        command = [sys.executable, __file__, "--here", "--reader", name, "--cases", str(cases), "--seed", str(arguments.seed)]
        command += ["--seconds", str(arguments.seconds), "--keep", str(arguments.keep)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        rows.append(Figures(**json.loads(done.stdout)) if not done.returncode else Figures(name, escapes=1))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    return int(not all(row.sound for row in rows))


if __name__ == "__main__":
    sys.exit(main())
