"""Speech codes <-> bytes, at a few hundred bits a second.

    codes = bitstream.unpack(data)              # the model named in the stream is looked up
    assert bitstream.pack(codes) == data        # one code, one byte string

    for packet in PacketReader(pipe):           # packet by packet, each as soon as its bytes are there
    with PacketWriter(pipe, entropy, speaker) as writer:

This package needs NumPy and constriction, and nothing of the codec itself: a program that counts, cuts, checks
or forwards streams starts in milliseconds. The format is described, byte by byte, in docs/bitstream.md.
"""

from bitstream.codes import SpeechCodes
from bitstream.container import inspect, iter_packets, pack, unpack
from bitstream.edit import cut, join
from bitstream.entropy import EntropyModel
from bitstream.errors import (
    BitstreamError,
    Damaged,
    InvalidCodes,
    InvalidEntropyModel,
    NotUnitcodec,
    TooLong,
    TrailingBytes,
    Truncated,
    UnknownModel,
    UnsupportedVersion,
)
from bitstream.find import find_entropy_model
from bitstream.fit import fit_tables
from bitstream.info import PacketInfo, StreamInfo
from bitstream.many import pack_many, unpack_many
from bitstream.packet import PacketCoder
from bitstream.rangecoder import Distribution
from bitstream.reader import OnError, Packet, PacketReader
from bitstream.receiver import Announcement, DatagramReceiver
from bitstream.recurrent import RecurrentModel
from bitstream.sender import DatagramSender
from bitstream.spec import EntropySpec, Stream
from bitstream.tables import TableModel
from bitstream.writer import PacketWriter

__all__ = [
    "Announcement",
    "BitstreamError",
    "Damaged",
    "DatagramReceiver",
    "DatagramSender",
    "Distribution",
    "EntropyModel",
    "EntropySpec",
    "InvalidCodes",
    "InvalidEntropyModel",
    "NotUnitcodec",
    "OnError",
    "Packet",
    "PacketCoder",
    "PacketInfo",
    "PacketReader",
    "PacketWriter",
    "RecurrentModel",
    "SpeechCodes",
    "Stream",
    "StreamInfo",
    "TableModel",
    "TooLong",
    "TrailingBytes",
    "Truncated",
    "UnknownModel",
    "UnsupportedVersion",
    "cut",
    "find_entropy_model",
    "fit_tables",
    "inspect",
    "iter_packets",
    "join",
    "pack",
    "pack_many",
    "unpack",
    "unpack_many",
]
