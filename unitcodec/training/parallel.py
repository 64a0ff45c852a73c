"""Several processes as one, started by ``torchrun``: each takes its share of a batch, and gradients are averaged.

Without ``torchrun`` every function here does nothing. gloo on the CPU, NCCL on CUDA.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta

import torch
from torch import distributed

WAIT = timedelta(days=30)
"""How long a process waits for another: one of them alone codes the corpus, which may take days."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt."""

_alone = False


def keep_memory() -> None:
    """Let the C library keep what is freed, so that a step's tensors lie where those of the one before lay.

    Else glibc hands large blocks back to the system and asks for them again, page by page. Other C libraries are left as they
    are.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(option, 2**30)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """What this process does alone, while the others wait: inside, there are no others."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False


def start(device: str = "cpu") -> None:
    """Join the other processes, if ``torchrun`` started any."""
    if "WORLD_SIZE" in os.environ and int(os.environ["WORLD_SIZE"]) > 1 and not distributed.is_initialized():
        # NCCL knows nothing of the CPU's memory, where the F0 codes are trained and means are taken.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=WAIT)
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


def rank() -> int:
    """This process's number; 0 is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() and not _alone else 0


def size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() and not _alone else 1


def share(count: int) -> range:
    """Of a step's crops those that this process draws, ``count`` a process."""
    return range(rank() * count, (rank() + 1) * count)


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """The mean over the processes: with losses that are means over crops, the gradient of one batch of them all."""
    if size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def mean(value: float) -> float:
    """Over the processes."""
    if size() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(total)
    return float(total) / size()


def any_of(flag: bool) -> bool:
    """Whether it is set in any process: all must leave a loop at the same step."""
    return mean(float(flag)) > 0


def wait() -> None:
    """Until all are here."""
    if size() > 1:
        distributed.barrier()
