"""Every Python and shell block of the documents runs as it stands, top to bottom, in a folder that looks like a clone.

A comment above a block may say what programs or modules it needs (``<!-- needs: ffmpeg, matplotlib -->``), or why it is not run
at all (``<!-- not run: takes hours -->``).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?:^<!-- (needs|not run): ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    condition: str
    """"needs", "not run" or nothing."""
    reason: str
    language: str
    text: str


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        condition, reason, language, body = match.groups(default="")
        found.append(Block(document, text.count("\n", 0, match.start(4)), condition, reason, language, body))
    return found


ALL = [block for document in DOCUMENTS for block in blocks(document)]
RUNNABLE = [block for block in ALL if block.language in ("python", "sh")]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """For each document a folder like a clone, and the names that its Python blocks have made so far."""
    made = {}
    for document in DOCUMENTS:
        folder = tmp_path_factory.mktemp(Path(document).stem)
        for path in ROOT.iterdir():
            if not path.name.startswith("."):
                (folder / path.name).symlink_to(path)
        made[document] = folder, {"__name__": "__main__"}
    return made


@pytest.fixture(scope="module")
def shell(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Surroundings in which ``unitcodec`` and ``python`` are those that the tests use."""
    programs = tmp_path_factory.mktemp("bin")
    for name, arguments in (("unitcodec", "-m unitcodec "), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        (programs / name).chmod(0o755)
    return {**environment, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: f"{block.document}:{block.line}")
def test_block(
    default_model: Path,
    block: Block,
    places: dict[str, tuple[Path, dict[str, Any]]],
    shell: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if block.condition == "not run":
        pytest.skip(block.reason)
    for need in block.reason.split(", ") if block.condition else []:
        if shutil.which(need) is None and importlib.util.find_spec(need) is None:
            pytest.skip(f"{need} is not installed")
    folder, names = places[block.document]
    monkeypatch.chdir(folder)
    if block.language == "python":
        # Padded, so that an error tells the line of the document.
        exec(compile("\n" * block.line + block.text, ROOT / block.document, "exec"), names)
        return
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], env=shell, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def _anchors(text: str) -> set[str]:
    """Those of the headings, as GitHub and MkDocs make them."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Files of the clone, and sections of its documents."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path.read_text(encoding="utf-8")), target


def test_no_command_hides_in_a_block_without_a_language() -> None:
    assert len(RUNNABLE) > 10
    for block in ALL:
        if not block.language:
            assert not re.search(r"^(unitcodec|python3?|pip|pytest|import) ", block.text, re.MULTILINE), (
                f"{block.document}:{block.line}"
            )
