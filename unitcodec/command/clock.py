"""Times as people write them: 750, 12:30, 1:02:03.5."""

from __future__ import annotations

import re

import click

_PARTS = re.compile(
    r"((?P<hours>\d{1,6}):(?=[0-5]\d:))?((?P<minutes>\d{1,8}):(?=[0-5]\d(\.|$)))?(?P<seconds>\d{1,10}(\.\d*)?)", re.ASCII
)


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """An option's value in seconds; written as seconds, minutes:seconds or hours:minutes:seconds."""
    if value is None:
        return None
    found = _PARTS.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"'{value}' is no time; write seconds, minutes:seconds or hours:minutes:seconds")
    hours, minutes, rest = (float(found[name] or 0) for name in ("hours", "minutes", "seconds"))
    return 3600 * hours + 60 * minutes + rest


def length(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """The same of an option that says how much: at least a sample at 16 kHz."""
    time = seconds(context, parameter, value)
    if time is not None and time < 1 / 16000:
        raise click.BadParameter(f"'{value}' is nothing at all; give a time above 0")
    return time


def clock(time: float) -> str:
    """Seconds as hours:minutes:seconds.

    >>> clock(3723.456)
    '01:02:03.46'
    """
    minutes, rest = divmod(round(time, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:05.2f}"
