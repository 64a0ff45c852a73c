"""Opus, RFC 6716, through ``opusenc`` and ``opusdec``."""

from __future__ import annotations

import ctypes
import ctypes.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import Gap
from benchmarks.peers import programs
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit, read, to_int16, write


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


FRAME = 320
"""Samples, 20 ms, of a frame of :func:`lossy`."""

_VOIP, _BITRATE, _VBR, _LOOKAHEAD, _MOST = 2048, 4002, 4006, 4027, 1275
"""Of opus_defines.h; and the most bytes that a frame can have."""


def lossy(kilobits: int, waveform: FloatArray, lost: Callable[[float], bool]) -> FloatArray:
    """The same by the library itself; frames that begin where ``lost`` says so (s) are concealed by the decoder.

    Raises Gap where there is no libopus.
    """
    name = ctypes.util.find_library("opus")
    if name is None:
        raise Gap("not installed: libopus")
    library, error = ctypes.CDLL(name), ctypes.c_int()
    library.opus_encoder_create.restype = library.opus_decoder_create.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(library.opus_encoder_create(SAMPLE_RATE, 1, _VOIP, ctypes.byref(error)))
    decoder = ctypes.c_void_p(library.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(error)))
    try:
        for setting, value in ((_BITRATE, 1000 * kilobits), (_VBR, 0)):
            library.opus_encoder_ctl(encoder, setting, value)
        delay = ctypes.c_int()
        library.opus_encoder_ctl(encoder, _LOOKAHEAD, ctypes.byref(delay))
        count = -(-(len(waveform) + delay.value) // FRAME)
        samples = to_int16(fit(waveform, count * FRAME)).reshape(count, FRAME)
        spoken, coded = np.zeros((count, FRAME), np.int16), ctypes.create_string_buffer(_MOST)
        for i in range(count):
            size = library.opus_encode(encoder, _pointer(samples[i]), FRAME, coded, _MOST)
            gone = lost(i * FRAME / SAMPLE_RATE)
            library.opus_decode(decoder, None if gone else coded, 0 if gone else size, _pointer(spoken[i]), FRAME, 0)
    finally:
        library.opus_encoder_destroy(encoder)
        library.opus_decoder_destroy(decoder)
    return fit((spoken.reshape(-1)[delay.value :] / 32768).astype(np.float32), len(waveform))


def _pointer(samples: Any) -> Any:
    return samples.ctypes.data_as(ctypes.c_void_p)


def _peer(kilobits: int) -> Peer:
    gap = partial(programs.missing, "opusenc", "opusdec")
    title, coded = f"Opus {kilobits} kbit/s", partial(opus, kilobits)
    return Peer(title, coded, gap, counted="the whole Ogg file", left_out="nothing")


PEERS: dict[str, Peer] = {"opus-6k": _peer(6), "opus-12k": _peer(12)}
