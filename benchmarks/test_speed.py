"""Speed of the bitstream and of the whole codec, as multiples of real time.

    pytest benchmarks/test_speed.py

``times_real_time`` in the ``extra_info`` column of ``--benchmark-json`` is seconds of speech over the median run. The
packaged model is timed, or the model folder that the environment variable UNITCODEC_BENCHMARK_MODEL names; torch runs
on as many threads as OMP_NUM_THREADS allows. The speech is synthetic: nothing here stops early on easy input.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bitstream
import unitcodec

SECONDS = 10
RATE = 16000


@pytest.fixture(scope="module")
def codec() -> Any:
    """The codec on the CPU."""
    folder = os.environ.get("UNITCODEC_BENCHMARK_MODEL")
    if folder:
        return unitcodec.load(folder, device="cpu")
    try:
        return unitcodec.load(device="cpu")
    except unitcodec.ModelError as error:
        pytest.skip(f"no packaged model to time: {error}")


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    """Ten seconds of syllables at 4 Hz: harmonics of a gliding pitch, and noise between them."""
    t = np.arange(SECONDS * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.5 * t)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllable = np.maximum(0, np.sin(2 * np.pi * 4 * t))
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(t))
    return (0.1 * (voice * syllable + noise)).astype(np.float32)


@pytest.fixture(scope="module")
def codes(codec: Any, waveform: np.ndarray) -> bitstream.SpeechCodes:
    """The waveform's codes."""
    return codec.encode(waveform, RATE)


def timed(benchmark: Any, rounds: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """Time a call after one that warms the caches, and note its speed; returns what the call returned."""
    result = benchmark.pedantic(call, arguments, rounds=rounds, warmup_rounds=1)
    if benchmark.stats is not None:  # absent under --benchmark-disable
        benchmark.extra_info["times_real_time"] = SECONDS / benchmark.stats.stats.median
        print(f"\n{benchmark.name}: {SECONDS / benchmark.stats.stats.median:.1f} x real time")
    return result


@pytest.mark.benchmark(group="bitstream")
def test_pack(benchmark: Any, codec: Any, codes: bitstream.SpeechCodes) -> None:
    """Codes -> bytes."""
    data = timed(benchmark, 200, bitstream.pack, codes, codec.model.entropy)
    benchmark.extra_info["bits_per_second"] = 8 * len(data) / SECONDS


@pytest.mark.benchmark(group="bitstream")
def test_unpack(benchmark: Any, codec: Any, codes: bitstream.SpeechCodes) -> None:
    """Bytes -> codes."""
    entropy = codec.model.entropy
    assert timed(benchmark, 200, bitstream.unpack, bitstream.pack(codes, entropy), entropy) == codes


@pytest.mark.benchmark(group="codec")
def test_encode(benchmark: Any, codec: Any, waveform: np.ndarray, codes: bitstream.SpeechCodes) -> None:
    """Waveform -> codes."""
    assert timed(benchmark, 5, codec.encode, waveform, RATE) == codes


@pytest.mark.benchmark(group="codec")
def test_decode(benchmark: Any, codec: Any, codes: bitstream.SpeechCodes) -> None:
    """Codes -> waveform."""
    assert timed(benchmark, 5, codec.decode, codes).shape == (SECONDS * RATE,)
