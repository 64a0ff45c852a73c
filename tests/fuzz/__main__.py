"""Hostile bytes for everything that reads bytes from elsewhere, with figures.

    python -m tests.fuzz --cases 1000000                    # from the repository's root; all readers
    python -m tests.fuzz --cases 1000 --reader "unit lists"

Each reader runs in a process of its own. A case that takes more than 2 s of processor time counts as slow, an error that the
reader's documentation does not name, or the end of the process, as an escape; its input is kept under --keep. Exit status 1 if
there was either, or if a reader took more than 200 MB over what it took for its sound inputs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from readers import READERS
from trial import Figures, run, table


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
