"""When, where and with what a figure was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import unitcodec

_PACKAGES = ("torch", "numpy", "moonshine-voice", "Resemblyzer", "speechmos", "swift-f0")


def provenance(data: str) -> dict[str, str | None]:
    """What a report says of itself: ``date`` (UTC), ``commit`` (None outside a checkout), versions, ``data``, ``machine``."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "unitcodec": unitcodec.__version__,
        "data": data,
        "machine": machine(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def commit() -> str | None:
    """The abbreviated commit of the checkout that this module runs from, with ``+`` where the code differs from it."""
    package = Path(__file__).parent
    git = ("git", "-C", str(package.parent))
    measured = ("benchmarks", "bitstream", "unitcodec", "cli.py")
    try:
        # Not the commit of whatever checkout an installed copy happens to lie in.
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True)
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "-uno", *measured], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed.strip() else "")


def machine() -> str:
    """The class of machine: cores, processor, system."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} cores, {processor}, {platform.system()}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
