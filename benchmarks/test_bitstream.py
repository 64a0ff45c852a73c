"""Speed of the bitstream, with no PyTorch at work: pack, unpack, inspect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import bitstream

pytestmark = pytest.mark.benchmark(group="bitstream")
YARDSTICK = "loop"


@pytest.fixture(scope="module")
def entropy(load: Callable[[str], Any]) -> Any:
    return load("cpu").model.entropy


def test_pack(timed: Callable[..., Any], entropy: bitstream.EntropyModel, codes: bitstream.SpeechCodes) -> None:
    """Codes -> bytes."""
    assert bitstream.unpack(timed(lambda codes: bitstream.pack(codes, entropy), codes, 200), entropy) == codes


def test_unpack(timed: Callable[..., Any], entropy: bitstream.EntropyModel, codes: bitstream.SpeechCodes) -> None:
    """Bytes -> codes."""
    assert timed(lambda data: bitstream.unpack(data, entropy), bitstream.pack(codes, entropy), 200) == codes


def test_inspect(timed: Callable[..., Any], entropy: bitstream.EntropyModel, codes: bitstream.SpeechCodes) -> None:
    """Bytes -> facts, bits by stream among them."""
    assert timed(lambda data: bitstream.inspect(data, entropy), bitstream.pack(codes, entropy), 200).ok
