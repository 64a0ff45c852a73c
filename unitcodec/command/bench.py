"""``unitcodec bench``: the benchmarks, which lie beside the package in a clone and are not installed with it."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import click

import unitcodec
from unitcodec.command.jobs import JobError

# Here and not at the benchmarks: 'unitcodec --help' names them without importing them.
ABOUT = """Measure bit rate, quality and speed, and compare with other codecs; in a clone.

This needs more packages: pip install '.[eval]'. A judge or codec that is not installed is left out, and the
report says so. Progress goes to stderr, results go to stdout and to files.
"""


class _Benchmarks(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return _found().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return _found().get_command(context, name)


bench = _Benchmarks("bench", help=ABOUT)


@cache
def _found() -> click.Group:
    """The group of the benchmarks. Raises JobError where there is no clone."""
    for root in (Path(unitcodec.__file__).parents[1], Path.cwd()):
        if (root / "pyproject.toml").is_file() and (root / "benchmarks" / "command.py").is_file():
            sys.path.append(str(root))  # behind the installed packages, which are what is measured
            break
    try:
        group: click.Group = import_module("benchmarks.command").bench
    except (ImportError, AttributeError) as error:
        raise JobError("bench: the benchmarks are not installed with the package; call it in a clone") from error
    return group
