"""Opus, RFC 6716, through ``opusenc`` and ``opusdec``."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.peers import programs
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit, read, write


def opus(kilobits: int, waveform: FloatArray) -> Coded:
    """Through Opus at a hard constant rate, tuned for speech; the decoder takes out the delay itself.

    The file is counted whole, Ogg pages and headers included.
    """
    with tempfile.TemporaryDirectory() as folder:
        wav, coded, out = (Path(folder, name) for name in ("in.wav", "coded.opus", "out.wav"))
        write(wav, waveform)
        # --padding 0: room for tags to come is no part of the speech.
        programs.run("opusenc", "--quiet", "--bitrate", kilobits, "--hard-cbr", "--speech", "--padding", 0, wav, coded)
        programs.run("opusdec", "--quiet", "--rate", SAMPLE_RATE, "--no-dither", coded, out)
        return Coded(fit(read(out), len(waveform)), 8 * coded.stat().st_size)


def _peer(kilobits: int) -> Peer:
    gap = partial(programs.missing, "opusenc", "opusdec")
    title, coded = f"Opus {kilobits} kbit/s", partial(opus, kilobits)
    return Peer(title, coded, gap, counted="the whole Ogg file", left_out="nothing")


PEERS: dict[str, Peer] = {"opus-6k": _peer(6), "opus-12k": _peer(12)}
