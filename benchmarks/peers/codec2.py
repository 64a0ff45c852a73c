"""Codec2, Rowe's parametric codec for radio, through ``c2enc`` and ``c2dec``."""

from __future__ import annotations

from benchmarks.peers.narrowband import Narrowband
from benchmarks.peers.peer import Peer


def mode(name: str, *, frame: int, frame_bits: int, delay_ms: int) -> Narrowband:
    """One of Codec2's modes, as ``c2enc`` calls it."""
    encode, decode = f"c2enc {name} {{pcm}} {{coded}}", f"c2dec {name} {{coded}} {{out}}"
    return Narrowband(encode, decode, frame, frame_bits, delay_ms)


MODES = {
    "450": mode("450", frame=320, frame_bits=18, delay_ms=29),
    "700C": mode("700C", frame=320, frame_bits=28, delay_ms=29),
    "1300": mode("1300", frame=320, frame_bits=52, delay_ms=20),
    "2400": mode("2400", frame=160, frame_bits=48, delay_ms=20),
    "3200": mode("3200", frame=160, frame_bits=64, delay_ms=20),
}

PEERS: dict[str, Peer] = {f"codec2-{name.lower()}": codec.peer(f"Codec2 {name}") for name, codec in MODES.items()}
