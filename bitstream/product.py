"""Matrix products by NumPy on one thread.

A BLAS shares a product among as many threads as there are processors, and these spin while they wait for each other. The
products of a codec take microseconds: on two idle processors threads make them three times as slow, on busy ones twenty times.
"""

from __future__ import annotations

import threading
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from threadpoolctl import LibController


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a @ b``. It changes nothing for products that the program has made elsewhere."""
    with _one_thread:
        return np.matmul(a, b)


class _OneThread:
    """Within it BLAS has one thread. How many there are is a setting of the process: the last one out puts it back."""

    def __init__(self) -> None:
        self._lock, self._within = threading.Lock(), 0
        self._before: list[tuple[LibController, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._before = [(library, count) for library in _libraries() if (count := library.get_num_threads() or 1) > 1]
                for library, _ in self._before:
                    library.set_num_threads(1)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                for library, count in self._before:
                    library.set_num_threads(count)


@cache
def _libraries() -> list[LibController]:
    """Those that NumPy may call. They are there as soon as it is."""
    from threadpoolctl import ThreadpoolController

    found: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


_one_thread = _OneThread()
