"""What else could code units: fixed length, Huffman, a bigram range coder, general compressors.

Each is given what helps it: one byte a unit, no file headers where the format can do without, and the training units where
it can learn from any.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.errors import Gap
from bitstream import EntropySpec, PacketCoder, Stream, fit_tables
from bitstream.arrays import IntArray
from bitstream.entropy.model import packet_bits

Sizes = tuple[list[int], int]
"""Bytes of every utterance alone, and of all in one piece."""

NO_F0 = np.zeros(1, np.int32)


def fixed(train: Sequence[IntArray], test: Sequence[IntArray], alphabet: int) -> Sizes:
    """Every unit in the fewest whole bits that tell the alphabet apart."""
    bits = (alphabet - 1).bit_length()
    return [-(-bits * len(units) // 8) for units in test], -(-bits * sum(map(len, test)) // 8)


def huffman(train: Sequence[IntArray], test: Sequence[IntArray], alphabet: int) -> Sizes:
    """Huffman's code for the counts of the training units, each unit counted once more than it was seen."""
    from constriction import symbol as codes

    counts = 1 + np.bincount(np.concatenate(train), minlength=alphabet)
    tree = codes.huffman.EncoderHuffmanTree((counts / counts.sum()).astype(np.float32))
    lengths = []
    for symbol in range(alphabet):
        encoder = codes.QueueEncoder()
        encoder.encode_symbol(symbol, tree)
        lengths.append(encoder.get_compressed()[1])
    bits = [int(np.array(lengths)[units].sum()) for units in test]
    return [-(-each // 8) for each in bits], -(-sum(bits) // 8)


def bigram(train: Sequence[IntArray], test: Sequence[IntArray], alphabet: int) -> Sizes:
    """The range coder with a table of what follows what."""
    longest = max(map(len, (*train, *test)))
    model = fit_tables([(units[None], NO_F0) for units in train], spec_of(alphabet, 1, longest))
    packets = [(units[None], NO_F0) for units in test]
    whole = sum(sum(bits.values()) for bits in packet_bits(model, packets))
    return list(map(len, PacketCoder(model).encode_payloads(packets))), -(-int(whole) // 8)


def spec_of(alphabet: int, hop: int, frames: int) -> EntropySpec:
    """One row of units and nothing else: ``hop`` samples a unit, packets of up to ``frames`` units."""
    return EntropySpec((Stream(alphabet, ((0, 1),)),), Stream(1), (), hop, hop * frames, frames)


def general(compress: Callable[[bytes], bytes]) -> Callable[[Sequence[IntArray], Sequence[IntArray], int], Sizes]:
    """A compressor of bytes, made a coder of units."""

    def sizes(train: Sequence[IntArray], test: Sequence[IntArray], alphabet: int) -> Sizes:
        data = [units.astype(np.uint8 if alphabet <= 256 else "<u2").tobytes() for units in test]
        return [len(compress(each)) for each in data], len(compress(b"".join(data)))

    return sizes


def _xz(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


def _zstd(data: bytes) -> bytes:
    zstandard = _package("zstandard")
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, source_size=len(data), format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_checksum=False
    )
    packed: bytes = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    return packed


def _brotli(data: bytes) -> bytes:
    packed: bytes = _package("brotli").compress(data, quality=11, lgwin=24)
    return packed


def _ppmd(data: bytes) -> bytes:
    # Variant H of 7-Zip, of the order that did best of 2 to 8 on these streams; no end mark.
    encoder = _package("pyppmd").Ppmd7Encoder(4, 64 << 20)
    packed: bytes = encoder.encode(data) + encoder.flush(endmark=False)
    return packed


def _package(name: str):  # type: ignore[no-untyped-def]  # a module without types
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise Gap(f"{name} is not installed: pip install 'unitcodec[eval]'") from error


CODERS: dict[str, Callable[[Sequence[IntArray], Sequence[IntArray], int], Sizes]] = {
    "fixed": fixed,
    "huffman": huffman,
    "bigram": bigram,
    "zstd -19": general(_zstd),
    "xz -9e": general(_xz),
    "brotli -11": general(_brotli),
    "ppmd": general(_ppmd),
}
