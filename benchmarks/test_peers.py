"""Speed of the other codecs, encoder and decoder together on one thread.

Networks run with random weights, on which speed does not depend, so that no weights need be here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from benchmarks.errors import Gap
from benchmarks.peers import PEERS
from benchmarks.waveform import SAMPLE_RATE, FloatArray

YARDSTICK = "network"
NETWORK_SECONDS = 2
"""Of speech for a network: some run slower than real time."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.benchmark(group="peers")
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("peer", [name for name in PEERS if name != "original"])
def test_code(timed: Callable[..., Any], speech: FloatArray, peer: str) -> None:
    """Waveform -> the codec's bits -> waveform."""
    untrained, gap = PEERS[peer].untrained, PEERS[peer].gap()
    if untrained:
        speech = speech[: NETWORK_SECONDS * SAMPLE_RATE]
        try:
            code, rounds = untrained(), 3
        except Gap as error:
            pytest.skip(str(error))
    elif gap:
        pytest.skip(gap)
    else:
        code, rounds = PEERS[peer].code, 12
    try:
        code(speech[:SAMPLE_RATE])
    except Exception as error:  # another's program or package, with errors of its own
        pytest.skip(f"{type(error).__name__}: {error}")
    assert timed(code, speech, rounds, len(speech) // SAMPLE_RATE).waveform.shape == speech.shape
