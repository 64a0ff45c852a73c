"""The example in docs/bitstream.md is what the code gives, byte by byte and step by step."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

import bitstream
from bitstream import EntropyModel, SpeechCodes
from bitstream.entropy.batch import Batch
from bitstream.entropy.spec import stream_title

DOC = Path(__file__).parents[2] / "docs" / "bitstream.md"


@pytest.fixture(scope="module")
def doc() -> str:
    return DOC.read_text()


@pytest.fixture(scope="module")
def codes(doc: str, golden_model: EntropyModel) -> SpeechCodes:
    fields = json.loads(re.findall(r"```json\n(.*?)```", doc, re.DOTALL)[0])
    return SpeechCodes(**{**fields, "model": golden_model.fingerprint})


def trace(codes: SpeechCodes, model: EntropyModel) -> list[str]:
    """The rows of the example's table, for a stream of one packet."""
    batch = Batch.of_packets(model.spec, [(codes.units, codes.f0)])
    low, width, rows = 0, 2**64 - 1, []
    for name, position, _ in batch.steps():
        title, symbol = stream_title(name), int(batch.symbols(name)[position, 0])
        table = model.tables[title]
        index = np.unravel_index(int(batch.cells(name, position, 1)[0]), table.shape[:-1])
        lags = [lag for _, lag in model.spec.stream(name).context]
        read = ["-" if lag and at == size - 1 else str(at) for at, size, lag in zip(index, table.shape, lags, strict=False)]
        frequencies = table[index].tolist()
        edges = [edge << 8 for edge in accumulate(frequencies, initial=0)]
        scale = width >> 24
        low, width = low + scale * edges[symbol], scale * (edges[symbol + 1] - edges[symbol])
        where = f"{title}[{position}]"
        numbers = f"{' '.join(map(str, frequencies))} | {symbol} | `{low:016x}` | `{width:016x}`"
        rows.append(f"| {where} | {' '.join(read)} | {numbers} |")
    return rows


def test_the_hex_is_the_stream(doc: str, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    lines = re.findall(r"```hex\n(.*?)```", doc, re.DOTALL)[0].splitlines()
    data = bytes.fromhex("".join(line[:24] for line in lines))
    assert bitstream.pack(codes, golden_model) == data
    assert bitstream.unpack(data, golden_model) == codes
    assert f"are the {len(data)} bytes" in doc


def test_the_trace_is_the_coders(doc: str, codes: SpeechCodes, golden_model: EntropyModel) -> None:
    rows = trace(codes, golden_model)
    assert "\n".join(rows) in doc


def test_the_check_value_of_the_crc() -> None:
    from binascii import crc_hqx

    assert crc_hqx(b"123456789", 0xFFFF) == 0x29B1
