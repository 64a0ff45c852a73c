"""Hostile bytes for everything that reads bytes from elsewhere, with figures.

    python -m tests.fuzz --cases 1000000                    # from the repository's root; all readers
    python -m tests.fuzz --cases 1000 --reader "unit lists"
    python -m tests.fuzz --cases 1000000 --parts 20 --log FILE      # of a run that was ended, what FILE has is not tried again

Each reader runs in a process of its own. A case that takes more than 2 s of processor time counts as slow, an error that the
reader's documentation does not name, or the end of the process, as an escape; its input is kept under --keep. Exit status 1 if
there was either, or if a reader took more than 200 MB over what it took for its sound inputs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from readers import READERS
from trial import Figures, run, table, total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10000, help="of all readers, in the shares that readers.py has")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each reader, at most")
    parser.add_argument("--parts", type=int, default=1, help="in so many rounds over all readers, each with a seed of its own")
    parser.add_argument("--log", type=Path, help="a file for the figures of each part, which are taken from it again")
    parser.add_argument("--reader", action="append", choices=[*READERS], help="this one only; all --cases are its")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-found")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        figures = run(*arguments.reader, arguments.cases, arguments.seed, arguments.keep, arguments.seconds)  # type: ignore[call-arg]
        print(json.dumps(asdict(figures)))
        return 0
    log = Log(arguments.log)
    for seed, name in itertools.product(range(arguments.seed, arguments.seed + arguments.parts), arguments.reader or READERS):
        share = 10000 if arguments.reader else READERS[name][0]
        cases = max(1, arguments.cases * share // 10000 // arguments.parts)
        if not log.has(seed, name, cases):
            log.add(seed, name, cases, _figures(name, cases, seed, arguments))
    rows = log.rows()
    print(table([*rows, total(rows)]))
    return int(not all(row.sound for row in rows))


class Log:
    """Figures of parts, by seed, reader and how many cases were wanted; a file keeps them where there is one."""

    def __init__(self, path: Path | None):
        self._path, self._kept = path, dict[tuple[int, str, int], Figures]()
        for line in path.read_text().splitlines() if path and path.exists() else ():
            seed, name, cases, figures = json.loads(line)
            self._kept[seed, name, cases] = Figures(**figures)

    def has(self, seed: int, name: str, cases: int) -> bool:
        return (seed, name, cases) in self._kept

    def add(self, seed: int, name: str, cases: int, figures: Figures) -> None:
        self._kept[seed, name, cases] = figures
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps([seed, name, cases, asdict(figures)]) + "\n")

    def rows(self) -> list[Figures]:
        """One of each reader."""
        rows = dict[str, Figures]()
        for figures in self._kept.values():
            rows[figures.reader] = rows.get(figures.reader, Figures(figures.reader)) + figures
        return list(rows.values())


def _figures(name: str, cases: int, seed: int, arguments: argparse.Namespace) -> Figures:
    """By a process of its own."""
    command = [sys.executable, __file__, "--here", "--reader", name, "--cases", str(cases), "--seed", str(seed)]
    command += ["--seconds", str(arguments.seconds), "--keep", str(arguments.keep)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    figures = Figures(**json.loads(done.stdout)) if not done.returncode else Figures(name, escapes=1)
    print(table([figures]).splitlines()[-1], file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
