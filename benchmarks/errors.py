"""What a benchmark's user can mend."""

from __future__ import annotations

from unitcodec.errors import UnitcodecError


class BenchmarkError(UnitcodecError):
    """The input of a benchmark is not usable; the message is one line that says how to mend it."""


class Gap(Exception):
    """This system cannot be judged here; the message says why."""
