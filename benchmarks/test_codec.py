"""Speed of the codec by device, threads and batch: encode, decode, and end to end through the bytes of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import bitstream
from benchmarks.waveform import FloatArray

YARDSTICK = "network"
CORES = os.cpu_count() or 1
ROUNDS = {1: 12, 4: 8, 16: 4}


def setting(device: str, threads: int, batch: int) -> Any:
    """Parameters of a test; CUDA is skipped where there is none."""
    absent = pytest.mark.skipif(device == "cuda" and not torch.cuda.is_available(), reason="no CUDA device")
    return pytest.param(device, threads, batch, marks=absent, id=f"{device}-t{threads}-b{batch}")


SINGLE = [*(setting("cpu", threads, 1) for threads in sorted({1, min(2, CORES), CORES})), setting("cuda", CORES, 1)]
BATCHES = [setting(device, threads, batch) for device, threads in (("cpu", 1), ("cuda", CORES)) for batch in (4, 16)]
each = pytest.mark.parametrize(("device", "threads", "batch"), SINGLE)
each_batch = pytest.mark.parametrize(("device", "threads", "batch"), SINGLE + BATCHES)

pytestmark = pytest.mark.benchmark(group="codec")


@pytest.fixture
def codec(request: pytest.FixtureRequest, load: Callable[[str], Any], device: str, threads: int, batch: int) -> Iterator[Any]:
    """The codec on the test's device, PyTorch on the test's threads."""
    if batch > 4 and request.config.getoption("--quick"):
        pytest.skip("large batches are left out of a quick run")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield load(device)
    torch.set_num_threads(before)


@each_batch
def test_encode(timed: Callable[..., Any], codec: Any, speech: FloatArray, batch: int) -> None:
    """Waveforms -> codes, the same for all of a batch."""
    assert len(set(timed(codec.encode, [speech] * batch, ROUNDS[batch]))) == 1


@each_batch
def test_decode(timed: Callable[..., Any], codec: Any, speech: FloatArray, codes: bitstream.SpeechCodes, batch: int) -> None:
    """Codes -> waveforms."""
    assert {wave.shape for wave in timed(codec.decode, [codes] * batch, ROUNDS[batch])} == {speech.shape}


@each
def test_end_to_end(timed: Callable[..., Any], codec: Any, speech: FloatArray) -> None:
    """Waveform -> bytes -> waveform."""
    assert timed(lambda speech: codec.decompress(codec.compress(speech, 16000))[0], speech, ROUNDS[1]).shape == speech.shape
