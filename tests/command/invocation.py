"""The command as its tests call it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from unitcodec.command import main

FULL = Path("/dev/full")
Start = Callable[..., "subprocess.Popen[bytes]"]
Command = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True)
class Batch:
    """One run of encode over good and bad inputs, and one of decode over what came out."""

    folder: Path
    lengths: dict[str, int]
    bad: dict[str, str]
    encode_status: int
    encode_lines: list[str]
    decode_status: int
    decode_lines: list[str]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    """The command in this process: status, standard output, lines on standard error."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
