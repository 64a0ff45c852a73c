"""bfloat16 where it pays: half the time of float32 on processors that multiply it, many times as much on those that do not."""

from __future__ import annotations

import time
from functools import cache

import torch

ROUNDS = 3


def bfloat16(device: str, wanted: bool = True) -> torch.autocast:
    """The context in which products are in bfloat16, if that is ``wanted`` and pays on this device."""
    return torch.autocast(device, torch.bfloat16, enabled=wanted and pays(device))


@cache
def pays(device: str) -> bool:
    """Whether a product in bfloat16 takes less time than in float32. On a CPU that is measured, in .4 s."""
    if device != "cpu":
        return True
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # else it is measured how long they wait for each other
    try:
        a, b = torch.ones(128, 512), torch.ones(512, 512)
        return _seconds(a.bfloat16(), b.bfloat16()) < _seconds(a, b)
    finally:
        torch.set_num_threads(threads)


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    """The least of some, the first of which may prepare something."""
    taken = []
    for _ in range(1 + ROUNDS):
        begin = time.thread_time()
        _ = a @ b
        taken.append(time.thread_time() - begin)
    return min(taken[1:])
