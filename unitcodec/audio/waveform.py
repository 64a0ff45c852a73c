"""Samples in an array -> mono at 16 kHz.

>>> import numpy as np
>>> to_mono_16k(np.zeros((2, 48000)), 48000).shape
(16000,)
"""

from __future__ import annotations

from typing import SupportsInt

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Samples
from ..errors import AudioError, AudioWarning, warn
from .mixing import Mixer, peak_of, scale_down, to_float32
from .resampling import Resampler, check_rate

MAX_CHANNELS = 1024
"""As in libsndfile; an array with more rows than this was handed over transposed."""

NARROW = 2.0**-16
"""Full scale of 16 bits in a type of 32."""


def to_mono_16k(waveform: ArrayLike, sample_rate: SupportsInt, name: str = "waveform") -> Samples:
    """Mix to mono and resample to 16 kHz, exactly as a file of the same samples would be.

    Args:
        waveform: ``(T,)`` or ``(channels, T)``; floating point with full scale 1.0, or integers of up to 32 bits with the
            full scale of their type (``uint8`` is centred on 128, as in WAV).
        sample_rate: Hz, a whole number of any type, at least 8000.
        name: what messages call it.

    Returns:
        ``(ceil(T * 16000 / sample_rate),)``, float32.

    Raises:
        AudioError: wrong shape or type, a rate that is none or below 8 kHz, or samples that are NaN or infinite.
    """
    array = np.asarray(waveform)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[0] == 0):
        raise AudioError(f"{name}: shape (T,) or (channels, T) expected, not {array.shape}")
    array = np.atleast_2d(array)
    if array.shape[0] > MAX_CHANNELS:
        raise AudioError(f"{name}: {array.shape[0]} channels of {array.shape[1]} samples; channels come first, transpose it")
    rate = check_rate(sample_rate, name)
    frames = to_float32(array, name).T
    peak = peak_of(frames)
    if array.dtype.kind == "i" and array.dtype.itemsize == 4 and 0 < peak <= NARROW:
        warn(
            f"{name}: its {array.dtype} samples are as small as those of int16, here next to silence; make them int16",
            AudioWarning,
        )
    mixer, resampler = Mixer(frames.shape[1], rate, name, scale_down(peak, name)), Resampler(rate)
    mono = np.concatenate([mixer.push(frames), mixer.finish()])
    return np.concatenate([resampler.push(mono), resampler.finish()])
