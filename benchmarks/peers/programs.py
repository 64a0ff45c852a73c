"""Codecs that are programs."""

from __future__ import annotations

import shutil
import subprocess


def missing(*programs: str) -> str | None:
    """A gap that names those of the programs that are not installed, or None."""
    absent = [program for program in programs if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def run(*command: object) -> None:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed; the message carries what it wrote to its error output.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} exits {done.returncode}: {done.stderr.decode(errors='replace').strip()[-400:]}")
