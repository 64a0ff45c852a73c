"""Who judges does not teach: nothing under unitcodec/ or bitstream/ can reach a judge, nor the benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitstream
import unitcodec

JUDGES = {
    "benchmarks", "distillmos", "jiwer", "moonshine", "moonshine_onnx", "moonshine_voice", "nisqa", "pesq", "pocketsphinx",
    "pystoi", "rapidfuzz", "resemblyzer", "speechmos", "torchmetrics", "utmos", "utmosv2", "whisper_normalizer",
}  # fmt: skip
SOURCES = sorted(path for package in (unitcodec, bitstream) for path in Path(package.__file__).parent.rglob("*.py"))
# "unitcodec bench" runs them.
BENCH = ("command", "bench.py")


def allowed(path: Path) -> set[str]:
    return {"benchmarks"} if path.parts[-2:] == BENCH else set()


def reached(source: str) -> Iterator[str]:
    """The top-level packages that a module imports, or names as a whole string, such as what importlib is given."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.partition(".")[0].partition(":")[0]


@pytest.mark.parametrize("line", ["import resemblyzer", "from speechmos import dnsmos", "import_module('moonshine_voice.utils')"])
def test_a_judge_would_be_found(line: str) -> None:
    assert JUDGES & set(reached(f"def train():\n    {line}"))


def test_no_judge_is_within_reach_of_the_codec_or_its_training() -> None:
    assert any("training" in path.parts for path in SOURCES)
    found = {
        str(path): sorted((JUDGES & {name.lower() for name in reached(path.read_text("utf-8"))}) - allowed(path))
        for path in SOURCES
    }
    assert {path: names for path, names in found.items() if names} == {}
