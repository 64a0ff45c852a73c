"""Speaker similarity: cosine between the speaker embeddings (d-vectors) of two recordings.

The embedding is Resemblyzer's, trained with the generalized end-to-end loss of Wan et al. 2018 (arXiv 1710.10467).
Its entries are not negative, so two strangers already score about 0.5 to 0.6; the original scores 1.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import FloatArray

PACKAGES = ("resemblyzer", "webrtcvad")


@lru_cache(maxsize=1)
def _encoder() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # resemblyzer imports deprecated names of SciPy and setuptools
        from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def embed(waveform: FloatArray) -> FloatArray:
    """The d-vector ``(256,)`` of unit norm, after Resemblyzer's own level and silence trimming; zeros for silence."""
    encoder = _encoder()
    from resemblyzer import preprocess_wav

    if not np.any(waveform):
        return np.zeros(256, np.float32)
    trimmed = preprocess_wav(waveform)
    # Where its voice detector hears no speech at all, what is there must still be judged.
    return np.asarray(encoder.embed_utterance(trimmed if len(trimmed) else waveform), dtype=np.float32)


def cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Cosine of the angle between two vectors; 0 where either is zero."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale else 0.0
