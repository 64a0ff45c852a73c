"""Speech for a browser: FLAC and spectrogram as data URIs, and the low anchor of listening tests."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError, Gap
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read, to_int16

_WINDOW, _HOP, _RANGE = 512, 160, 70.0
"""Spectrograms: Hann window and hop in samples (32 and 10 ms), dB from a picture's maximum to black."""

_EMPHASIS = 0.97
"""First-order pre-emphasis for the eye: speech falls by some 6 dB an octave."""


@dataclass(frozen=True)
class Stimulus:
    """One utterance of one system: its samples as FLAC and a picture of them, both as data URIs."""

    seconds: float
    audio: str
    spectrogram: str


def load(path: Path) -> Stimulus:
    """A decoded file as a stimulus.

    Raises:
        Gap: the file is missing, empty or no sound file.
    """
    if not path.exists():
        raise Gap(f"decoded speech missing: {path.parent.name}/{path.name}")
    try:
        waveform = read(path)
    except (OSError, BenchmarkError) as error:
        raise Gap(f"decoded speech unreadable: {path.parent.name}/{path.name}: {error}") from error
    if not len(waveform):
        raise Gap(f"decoded speech empty: {path.parent.name}/{path.name}")
    return Stimulus(len(waveform) / SAMPLE_RATE, flac(waveform), spectrogram(waveform))


def data_uri(mime: str, content: bytes) -> str:
    """``content`` as a base64 data URI."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def flac(waveform: FloatArray) -> str:
    """The 16-bit samples of ``(T,)`` without loss, as a data URI."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, to_int16(waveform), SAMPLE_RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return data_uri("audio/flac", file.getvalue())


def spectrogram(waveform: FloatArray) -> str:
    """0 to 8 kHz upwards, 10 ms a column, 70 dB down from the maximum of ``(T,)`` after pre-emphasis, as a WebP data URI."""
    from PIL import Image
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    padded = np.pad(waveform, (1, max(0, _WINDOW - len(waveform))))
    emphasised = padded[1:] - _EMPHASIS * padded[:-1]
    magnitude = np.abs(ShortTimeFFT(hann(_WINDOW, sym=False), _HOP, SAMPLE_RATE).stft(emphasised))
    level = 20 * np.log10(np.maximum(magnitude, 1e-6) / max(magnitude.max(), 1e-6))
    shade = np.rint(255 * np.clip(1 + level / _RANGE, 0, 1)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(_colours()[shade[::-1]]).save(file, "WEBP", quality=60)
    return data_uri("image/webp", file.getvalue())


@lru_cache(maxsize=1)
def _colours() -> NDArray[np.uint8]:
    import matplotlib

    colours: NDArray[np.uint8] = matplotlib.colormaps["magma"](np.arange(256), bytes=True)[:, :3]
    return colours


def low_anchor(waveform: FloatArray) -> FloatArray:
    """``(T,)`` low-passed at 3.5 kHz: the low anchor of ITU-R BS.1534-3.

    A linear-phase Kaiser filter keeps to the mask there with room: ripple below 0.1 dB up to 3.5 kHz, over 50 dB down
    (25 asked for) from 4 kHz on.
    """
    from scipy.signal import fftconvolve

    filtered: FloatArray = fftconvolve(waveform, _low_pass())[len(_low_pass()) // 2 :][: len(waveform)].astype(np.float32)
    return filtered


def _low_pass() -> NDArray[np.float64]:
    from scipy.signal import firwin, kaiserord

    taps, beta = kaiserord(60.0, 500 / (SAMPLE_RATE / 2))
    coefficients: NDArray[np.float64] = firwin(taps | 1, 3750, window=("kaiser", beta), fs=SAMPLE_RATE)
    return coefficients
