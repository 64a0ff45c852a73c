"""``python -m benchmarks``: the same as ``unitcodec bench``, from a checkout that is not installed."""

import sys

from cli import main

sys.exit(main(["bench", *sys.argv[1:]]))
