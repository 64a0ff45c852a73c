"""Lyra v2 (Google 2022, github.com/google/lyra, weights of version 1.3): 50 frames a second, 4 bits a quantizer.

SoundStream (Zeghidour et al. 2021, arXiv 2107.03312) as TensorFlow Lite files, which ``ai-edge-litert`` runs. The weights
are not part of this project: a folder that holds :data:`FILES` is looked for, see :func:`folder`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import Gap
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import FloatArray, fit

VARIABLE = "UNITCODEC_LYRA"
"""The environment variable that names the folder of weights."""

FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")

FRAME = 320
"""Samples at 16 kHz."""

CODE_BITS = 4


def folder() -> Path:
    """Where the weights lie: in the folder that UNITCODEC_LYRA names, and in no other if it is set.

    Else in ``peers/lyra`` of the folder of development data that UNITCODEC_SHARED names, or in ``~/.cache/unitcodec/lyra``.

    Raises:
        Gap: a file is not there, or there is nothing to run it with.
    """
    if find_spec("ai_edge_litert") is None:
        raise Gap("not installed: ai-edge-litert")
    if named := os.environ.get(VARIABLE):
        places = [Path(named)]
    else:
        shared = os.environ.get("UNITCODEC_SHARED")
        places = [*([Path(shared, "peers", "lyra")] if shared else []), Path("~/.cache/unitcodec/lyra").expanduser()]
    for place in places:
        if all((place / name).is_file() for name in FILES):
            return place
    raise Gap(f"weights not found: no {FILES[0]} and so on in {places[-1]} (set {VARIABLE} to the folder that holds them)")


def gap() -> str | None:
    """Why Lyra cannot run here, or None."""
    try:
        folder()
    except Gap as reason:
        return str(reason)
    return None


def bits(quantizers: int, samples: int) -> int:
    """Of ``samples`` at 16 kHz, the last frame whole."""
    return -(-samples // FRAME) * quantizers * CODE_BITS


def code(quantizers: int, waveform: FloatArray) -> Coded:
    """Frame by frame through encoder, quantizer and decoder; the input is extended with silence to whole frames.

    The decoder is given the indices alone. Speech comes out in step with the input: nothing is shifted.

    Raises:
        Gap: as for :func:`folder`, and where a file is none of these models.
    """
    place = folder()
    # Encoder and decoder carry state from frame to frame, and a new one begins without any. reset_all_variables() does not
    # help: after it the same input gives another output (ai-edge-litert 2.3.0). Loading takes 15 ms.
    encode = _runner(place / FILES[0], "serving_default")
    quantize, dequantize = (_runner(place / FILES[1], name) for name in ("encode", "decode"))
    decode = _runner(place / FILES[2], "serving_default")
    frames = fit(waveform, -(-len(waveform) // FRAME) * FRAME).reshape(-1, 1, FRAME)
    count, spent, spoken = np.int32(quantizers), 0, []
    for frame in frames.astype(np.float32):
        features = encode(input_audio=frame)["output_0"]
        indices = quantize(input_frames=features, num_quantizers=count)["output_0"]
        # Quantizers that are not in use say -1.
        spent += CODE_BITS * int((indices >= 0).sum())
        decoded = decode(input_audio=dequantize(encoding_indices=indices)["output_0"])["output_0"]
        spoken.append(np.array(decoded[0], np.float32))
    return Coded(fit(np.concatenate([*spoken, np.zeros(0, np.float32)]), len(waveform)), spent)


def _runner(path: Path, signature: str) -> Callable[..., dict[str, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    def named(error: Exception) -> Gap:
        reason = " ".join(str(error).split())[:100]
        return Gap(
            f"{path} is damaged or another file ({reason}); fetch it again from lyra/model_coeffs in github.com/google/lyra"
        )

    try:
        runner = Interpreter(str(path), num_threads=1).get_signature_runner(signature)
    except (ValueError, RuntimeError) as error:
        raise named(error) from error

    def run(**inputs: Any) -> dict[str, Any]:
        try:
            outputs: dict[str, Any] = runner(**inputs)
        except (ValueError, RuntimeError) as error:  # a model of other inputs
            raise named(error) from error
        return outputs

    return run


def _peer(title: str, quantizers: int) -> Peer:
    return Peer(
        title,
        partial(code, quantizers),
        gap,
        counted="frames times quantizers times 4 bits",
        left_out="framing, exact length, checksum; the rate is agreed beforehand",
        bits=partial(bits, quantizers),
    )


PEERS: dict[str, Peer] = {
    "lyra-3.2k": _peer("Lyra v2 3.2 kbit/s", 16),
    "lyra-6k": _peer("Lyra v2 6 kbit/s", 30),
    "lyra-9.2k": _peer("Lyra v2 9.2 kbit/s", 46),
}
