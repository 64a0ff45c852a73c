"""Fixed workloads to measure a machine by: what is timed is divided by one of them, timed in turn with it.

Seconds say as much of the machine and of what else runs on it as of the code. A ratio to work of the same kind, on the
same device and number of threads, moves far less; only ratios are compared between runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

SLICE = 0.01
"""Seconds that a process can expect to run undisturbed on a busy machine."""

DESCRIPTION = {
    "loop": "20000 turns of a pure Python loop over integers; for the bitstream",
    "network": "8 x (1-D convolution, 256 -> 256 channels, kernel 7, 500 frames, float32; tanh) in PyTorch; for the networks",
}
"""What each workload is, by the name in ``yardstick``."""


def loop() -> None:
    """A linear congruential generator (Numerical Recipes, section 7.1) and the histogram of its high bytes."""
    state, counts = 1, [0] * 256
    for _ in range(20000):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        counts[state >> 24] += 1


def network(device: str) -> Callable[[], None]:
    """The convolutions, ready to run on ``device`` on as many threads as PyTorch is set to; done when the call returns."""
    import torch

    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1, 256, 500, generator=generator).to(device)
    kernel = (torch.randn(256, 256, 7, generator=generator) / (256 * 7) ** 0.5).to(device)

    @torch.inference_mode()
    def run() -> None:
        frames = start
        for _ in range(8):
            frames = torch.tanh(torch.nn.functional.conv1d(frames, kernel, padding=3))
        frames[0, 0, 0].item()  # waits for the device

    return run


def ratio(taken: Sequence[float], measured: Sequence[float]) -> float:
    """Rounds over the yardstick's runs before each, both in seconds.

    The median over the pairs: long work always shares the machine, and so does its yardstick. Rounds shorter than a time
    slice run either alone or interrupted, and the shortest of each are compared.
    """
    if min(taken) < SLICE:
        return min(taken) / min(measured)
    return statistics.median(a / b for a, b in zip(taken, measured, strict=True))
