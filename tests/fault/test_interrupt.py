"""A small leg of the fault injection."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import interrupt


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_what_is_killed_can_be_gone_on_with_and_nothing_is_half_written() -> None:
    interrupt.check(files=20, kills=4, fresh=0.5)
