"""Speex in narrow band, through ``speexenc`` and ``speexdec``, at the lowest of its rates.

Quality 0 is submode 1 of the narrow band: 43 bits each 20 ms and an excitation of noise. The next rate is 3950 bit/s.
Bits are those of the frames. What Ogg adds is left out (more than the speech itself at this rate), and so are the 5 bits
that fill a frame's last byte.
"""

from __future__ import annotations

from benchmarks.peers.narrowband import Narrowband
from benchmarks.peers.peer import Peer


def packets(ogg: bytes) -> int:
    """The packets in an Ogg stream that is whole: RFC 3533, section 6; each ends in a lacing value below 255."""
    ended = at = 0
    while at < len(ogg):
        lacing = ogg[at + 27 : at + 27 + ogg[at + 26]]
        ended += sum(value < 255 for value in lacing)
        at += 27 + len(lacing) + sum(lacing)
    return ended


def _frames(ogg: bytes) -> int:
    # The first two packets are the header and the comment; speexenc puts one frame into each of the others.
    return packets(ogg) - 2


_SPEEX = Narrowband(
    "speexenc --narrowband --quality 0 --rate 8000 --le --16bit {pcm} {coded}",
    "speexdec {coded} {out}",
    frame=160,
    frame_bits=43,
    # speexdec takes out its lookahead. Behind that energy lies 3 ms late, the energies of narrow bands 10 ms; at 7 ms
    # the ESTOI is highest.
    delay_ms=7,
    frames=_frames,
    # The lookahead takes one more.
    flush=1,
)

PEERS: dict[str, Peer] = {"speex-2150": _SPEEX.peer("Speex 2.15 kbit/s", "the Ogg container")}
