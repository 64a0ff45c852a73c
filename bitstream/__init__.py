"""Speech codes <-> bytes, at a few hundred bits a second.

    codes = bitstream.unpack(data)              # the model named in the stream is looked up
    assert bitstream.pack(codes) == data        # one code, one byte string

    for packet in PacketReader(pipe):           # packet by packet, each as soon as its bytes are there
    with PacketWriter(pipe, entropy, speaker) as writer:

Four rooms: `entropy` (what comes next, and the range coder: probabilities <-> payloads), `stream` (header, packets, end),
`datagram`, `live` (packets of a fraction of a second). This package needs NumPy and constriction, and nothing of the codec
itself: a program that counts, cuts, checks or forwards streams starts in milliseconds. The format is described, byte by byte,
in docs/bitstream.md.
"""

from bitstream.codes import SpeechCodes
from bitstream.datagram.receiver import Announcement, DatagramReceiver
from bitstream.datagram.sender import DatagramSender
from bitstream.entropy.find import find_entropy_model
from bitstream.entropy.fit import fit_tables
from bitstream.entropy.model import EntropyModel
from bitstream.entropy.rangecoder import Distribution
from bitstream.entropy.recurrent import RecurrentModel
from bitstream.entropy.spec import EntropySpec, Stream
from bitstream.entropy.tables import TableModel
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
from bitstream.live.packet import LiveCoder, LivePacket
from bitstream.live.stream import LiveReader, LiveWriter
from bitstream.stream.container import iter_packets, pack, pack_many, unpack, unpack_many
from bitstream.stream.edit import cut, join
from bitstream.stream.info import PacketInfo, StreamInfo
from bitstream.stream.inspection import inspect
from bitstream.stream.packet import PacketCoder
from bitstream.stream.reader import OnError, Packet, PacketReader
from bitstream.stream.writer import PacketWriter

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
    "LiveCoder",
    "LivePacket",
    "LiveReader",
    "LiveWriter",
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
