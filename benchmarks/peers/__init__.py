"""Other codecs behind one call: waveform in, waveform of the same length and a bit count out."""

from __future__ import annotations

from benchmarks.peers import codec2, dac, encodec, focalcodec, lyra, mimi, opus, snac, sox, speex
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import FloatArray

__all__ = ["PEERS", "Coded", "Peer"]


def original(waveform: FloatArray) -> Coded:
    """The recording itself, counted as 16-bit PCM."""
    return Coded(waveform, 16 * len(waveform))


PEERS: dict[str, Peer] = {
    "original": Peer(
        "original, 16 bit",
        original,
        counted="16-bit PCM",
        left_out="the WAV header, 44 bytes",
        bits=lambda samples: 16 * samples,
    ),
    **codec2.PEERS,
    **opus.PEERS,
    **speex.PEERS,
    **sox.PEERS,
    **lyra.PEERS,
    **encodec.PEERS,
    **mimi.PEERS,
    **snac.PEERS,
    **dac.PEERS,
    **focalcodec.PEERS,
}
"""By name, programs before networks."""
