"""Matrix products by NumPy on one thread.

A BLAS shares a product among as many threads as there are processors, and these spin while they wait for each other. The
products of a codec take microseconds: on idle processors threads gain next to nothing, beside other work they take ten times as
long.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from threadpoolctl import LibController

_lock = threading.Lock()

_held: tuple[int, _OneThread] | None = None
"""A thread, and what gives BLAS its threads back. Their number is a setting of the process, so one thread at a time takes it."""


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a @ b``. It changes nothing for products that the program makes elsewhere, but that these have one thread meanwhile."""
    global _held
    own, thread = None, threading.get_ident()
    with _lock:
        if _held is not None and _held[0] == thread:
            own = _held  # an interrupt came before it was given back
        elif any(each.get_num_threads() not in (None, 1) for each in _blas()):
            own = _held = thread, _OneThread()
    if own is None:  # there is but one, or another product took the others and may give them back meanwhile
        return np.matmul(a, b)
    try:
        made: NDArray[Any] = np.matmul(a, b)
    finally:
        own[1].restore()
    if _held is own:
        _held = None
    return made


class _OneThread:
    """What threadpoolctl's limits do, in a tenth of the time: they look at everything that they know of a library."""

    def __init__(self) -> None:
        self._before = [(each, count) for each in _blas() if (count := each.get_num_threads() or 1) > 1]
        for each, _ in self._before:
            each.set_num_threads(1)

    def restore(self) -> None:
        for each, count in self._before:
            each.set_num_threads(count)
            # From 3.8 on only the thread that did so first may do so again.
            getattr(each, "clear_controlling_thread", int)()


@cache
def _blas() -> list[LibController]:
    """What NumPy may call. It is there as soon as NumPy is."""
    from threadpoolctl import ThreadpoolController

    found: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def _forked() -> None:
    """In a child process there is only the thread that forked; another may have held the lock, or BLAS."""
    global _lock, _held
    held, _held, _lock = _held, None, threading.Lock()
    if held is not None:
        held[1].restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
