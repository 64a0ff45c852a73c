"""What is said in several places is the same in all."""

from __future__ import annotations

import pydoc
import re
from pathlib import Path

import pytest

import unitcodec
from unitcodec.command import main
from unitcodec.encoder.rate import CAP

ROOT = Path(__file__).parent.parent
README, CHANGELOG, CITATION = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CHANGELOG.md", "CITATION.cff")
)


def _printed(capsys: pytest.CaptureFixture[str], option: str) -> str:
    assert main([option]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_one_typical_rate_and_one_cap(default_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = (default_model / "MODEL_CARD.md").read_text(encoding="utf-8")
    typical = []
    for text in (README, card, pydoc.render_doc(unitcodec), _printed(capsys, "--help")):
        typical += re.findall(r"typical (\d+) bit/s", text)
        assert re.findall(r"capped at (\d+) for files from 5 s on", text) == [str(CAP)]
    assert len(typical) == 4
    assert len(set(typical)) == 1
    # And it is what was measured.
    measured = [re.findall(r"\| (?:\*\*)?unitcodec(?:\*\*)? \| (\d+) ", text)[0] for text in (README, card)]
    assert len(set(measured)) == 1
    assert abs(int(measured[0]) - int(typical[0])) <= 5


def test_one_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The last release's, or that of the one to come where the changelog has something for it."""
    assert _printed(capsys, "--version") == f"unitcodec {unitcodec.__version__}"
    newest, *_ = re.findall(r"^## (\S+)", CHANGELOG, re.M)
    released, *_ = re.findall(r"^## (\d\S+)", CHANGELOG, re.M)
    assert f"\nversion: {released}\n" in CITATION
    if newest == "Unreleased":
        assert re.fullmatch(r"\d+\.\d+\.\d+\.dev0", unitcodec.__version__)
        assert unitcodec.__version__.removesuffix(".dev0") != released
    else:
        assert unitcodec.__version__ == released == newest
