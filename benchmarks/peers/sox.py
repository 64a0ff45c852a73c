"""Two standards of telephony through SoX: LPC-10 (FED-STD-1015, 2400 bit/s) and GSM full rate (GSM 06.10, 13 kbit/s)."""

from __future__ import annotations

from benchmarks.peers.narrowband import Narrowband
from benchmarks.peers.peer import Peer


def _peer(title: str, kind: str, *, frame: int, frame_bits: int, delay_ms: int) -> Peer:
    # -D: no dither. s16 is raw 16-bit samples.
    encode, decode = f"sox -D -t s16 -r 8000 -c 1 {{pcm}} -t {kind} {{coded}}", f"sox -D -t {kind} {{coded}} -t s16 {{out}}"
    return Narrowband(encode, decode, frame, frame_bits, delay_ms).peer(title)


PEERS: dict[str, Peer] = {
    "lpc10": _peer("LPC-10", "lpc10", frame=180, frame_bits=54, delay_ms=131),
    "gsm": _peer("GSM full rate", "gsm", frame=160, frame_bits=260, delay_ms=0),
}
