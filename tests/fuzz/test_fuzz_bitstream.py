"""A short leg of the fuzzing, with inputs of its own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fuzz_bitstream


def test_hostile_bytes_are_refused_or_read() -> None:
    fuzz_bitstream.run(5000, seed=1)
