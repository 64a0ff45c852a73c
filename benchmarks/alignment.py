"""Which phone is said when: pocketsphinx's forced alignment of a recording with its transcript.

The recogniser of :mod:`benchmarks.metrics.asr` with the transcript in place of a language model, then its phones (Huggins-
Daines et al. 2006). Words that its dictionary does not list cannot be aligned: such utterances are left out.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import asr, phones, text
from benchmarks.waveform import FloatArray, read

SILENCE = "SIL"
FRAME = 160
"""Samples a frame of the alignment (100 Hz)."""


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=16000, cmn="batch", loglevel="FATAL", lm=None)


def align(waveform: FloatArray, transcript: str) -> list[str] | None:
    """The phone of each frame of 10 ms, ``SIL`` where nothing or no speech is; None if it cannot be aligned."""
    words = text.normalise(transcript).lower().split()
    if not words or any(word not in phones.dictionary() for word in words):
        return None
    decoder = _decoder()
    try:
        decoder.set_align_text(" ".join(words))
        asr.listen(decoder, waveform)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        asr.listen(decoder, waveform)
        aligned = decoder.get_alignment()
    except RuntimeError:  # how pocketsphinx says that no path through the words was left
        return None
    frames = [SILENCE] * -(-len(waveform) // FRAME)
    for word in aligned:
        for phone in word:
            name = phone.name if phone.name.isalpha() else SILENCE
            frames[phone.start : phone.start + phone.duration] = [name] * len(frames[phone.start : phone.start + phone.duration])
    return frames


def remembered(path: Path, transcript: str, memory: Path) -> list[str] | None:
    """:func:`align` of a recording, kept in the folder ``memory``."""
    kept = memory / f"{path.stem}.txt"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(" ".join(align(read(path), transcript) or []))
        part.replace(kept)
    return kept.read_text().split() or None


def at_units(frames: list[str], count: int, per_unit: int) -> NDArray[np.str_]:
    """The phone in the middle of each of ``count`` unit frames of ``per_unit`` frames of 10 ms."""
    middle = np.minimum(np.arange(count) * per_unit + per_unit // 2, len(frames) - 1)
    return np.array(frames)[middle]
