"""A short leg of the fuzzing of every reader, packaged model and small ones."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

for _module in ("soundfile", "torch"):
    pytest.importorskip(_module)

sys.path.insert(0, str(Path(__file__).parent))

from readers import READERS  # noqa: E402
from trial import Figures, run, table, total  # noqa: E402


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="needs a timer of processor time")
@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_or_refuses(name: str, tmp_path: Path, default_model: Path) -> None:
    figures = run(name, min(150, max(10, READERS[name][0] // 10)), 1, tmp_path)
    assert figures.cases == figures.refused + figures.accepted
    assert figures.refused
    assert not figures.escapes, list(tmp_path.iterdir())
    assert not figures.slow, figures


def test_a_table_of_figures() -> None:
    row = Figures("unit lists", cases=1200, refused=1000, accepted=200, slowest=12.3, memory=4.4)
    assert table([row]).splitlines()[-1] == "| unit lists | 1,200 | 1,000 | 200 | 0 | 0 | 12 | 4 |"
    assert row.sound
    assert total([row, replace(row, slowest=3.0, memory=9.0)]) == Figures("all", 2400, 2000, 400, 0, 0, 12.3, 9.0)
    assert not Figures("unit lists", slow=1).sound
