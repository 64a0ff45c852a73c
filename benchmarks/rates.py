"""What a few seconds of speech take in each system, header, speaker and side information as each sends them.

A codec that counts its frames alone looks cheaper than one that counts whole files, and the shorter the speech, the more
so. Therefore each row says in words what its count leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers import PEERS, Peer
from benchmarks.system import OWN
from benchmarks.waveform import SAMPLE_RATE, FloatArray

DURATIONS = (2, 10, 60)
"""Seconds."""


def compared(own: Mapping[int, int], speech: FloatArray, peers: Mapping[str, Peer] = PEERS) -> dict[str, Any]:
    """Count the bits of :data:`DURATIONS`.

    Args:
        own: seconds -> bits of this codec's files, as far as there are any.
        speech: ``(T,)`` at 16 kHz for codecs whose bits are known only once they have coded; durations that it does not
            reach stay open.
        peers: the other systems by name.

    Returns:
        ``seconds``: the durations; ``systems``: objects with ``name``, ``title``, ``bits`` (a list beside ``seconds``, None
        where they are not known), ``counted`` and ``left_out`` (see :class:`.Peer`) and, where a codec had to run and could
        not, ``gap``.
    """
    rows: list[dict[str, Any]] = [
        {
            "name": OWN,
            "title": OWN,
            "bits": [own.get(seconds) for seconds in DURATIONS],
            "counted": "the whole file",
            "left_out": "nothing",
        }
    ]
    for name, peer in peers.items():
        row = {"name": name, "title": peer.title, "counted": peer.counted, "left_out": peer.left_out}
        rows.append(row | _counted(peer, speech))
    return {"seconds": list(DURATIONS), "systems": rows}


def _counted(peer: Peer, speech: FloatArray) -> dict[str, Any]:
    samples = [seconds * SAMPLE_RATE for seconds in DURATIONS]
    bits: Sequence[int | None] = [None] * len(samples)
    if peer.bits is not None:
        return {"bits": [peer.bits(each) for each in samples]}
    if (gap := peer.gap()) is not None:
        return {"bits": bits, "gap": gap}
    try:
        bits = [peer.code(speech[:each]).bits if each <= len(speech) else None for each in samples]
    except RuntimeError as error:  # a program that fails
        return {"bits": bits, "gap": str(error)}
    return {"bits": bits}
