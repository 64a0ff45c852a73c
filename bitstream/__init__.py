"""Speech codes <-> bytes, at a few hundred bits a second.

    codes = bitstream.unpack(data)              # the model named in the stream is looked up
    assert bitstream.pack(codes) == data        # one code, one byte string

This package needs NumPy, constriction and safetensors, and nothing of the codec itself: a program that counts, cuts, checks
or forwards streams starts in milliseconds. The format is described, byte by byte, in docs/bitstream.md.
"""

from bitstream.codes import SpeechCodes
from bitstream.container import Packet, inspect, iter_packets, pack, unpack, write_header
from bitstream.entropy import EntropyModel
from bitstream.errors import (
    BitstreamError,
    Damaged,
    InvalidCodes,
    InvalidEntropyModel,
    NotUnitcodec,
    TrailingBytes,
    Truncated,
    UnknownModel,
    UnsupportedVersion,
)
from bitstream.find import find_entropy_model
from bitstream.fit import fit_tables
from bitstream.info import PacketInfo, StreamInfo
from bitstream.packet import PacketCoder
from bitstream.rangecoder import Distribution, Predictor
from bitstream.spec import EntropySpec, Stream

__all__ = [
    "BitstreamError",
    "Damaged",
    "Distribution",
    "EntropyModel",
    "EntropySpec",
    "InvalidCodes",
    "InvalidEntropyModel",
    "NotUnitcodec",
    "Packet",
    "PacketCoder",
    "PacketInfo",
    "Predictor",
    "SpeechCodes",
    "Stream",
    "StreamInfo",
    "TrailingBytes",
    "Truncated",
    "UnknownModel",
    "UnsupportedVersion",
    "find_entropy_model",
    "fit_tables",
    "inspect",
    "iter_packets",
    "pack",
    "unpack",
    "write_header",
]
