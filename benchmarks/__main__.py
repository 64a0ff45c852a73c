"""``python -m benchmarks``: the same as ``unitcodec bench``."""

from benchmarks.command import bench
from unitcodec.command.program import run

if __name__ == "__main__":
    raise SystemExit(run(bench, None, "python -m benchmarks"))
