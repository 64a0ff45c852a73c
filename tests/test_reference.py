"""The references in docs/ say what the docstrings say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference.py"))


@pytest.mark.parametrize("name", REFERENCE["PAGES"])
def test_a_reference_is_as_it_is_generated(name: str) -> None:
    assert REFERENCE["page"](name) == (DOCS / name).read_text(encoding="utf-8"), "python docs/reference.py"
