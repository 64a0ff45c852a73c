"""Which phone is said when: pocketsphinx's forced alignment of a recording with its transcript.

Huggins-Daines et al. 2006, *Pocketsphinx: a free, real-time continuous speech recognition system for hand-held devices*: its US
English model with the transcript in place of a language model, then its phones, without stress. Words that its edition of the CMU
Pronouncing Dictionary does not list cannot be aligned: such utterances are left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import FloatArray, read, to_int16

SILENCE = "SIL"
FRAME = 160
"""Samples a frame of the alignment (100 Hz)."""


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    # Batch CMN: the mean comes from the utterance itself.
    return Decoder(samprate=16000, cmn="batch", loglevel="FATAL", lm=None)


@lru_cache(maxsize=1)
def dictionary() -> dict[str, list[list[str]]]:
    """Every listed word in lower case -> its pronunciations, the usual one first."""
    from pocketsphinx import get_model_path

    words: dict[str, list[list[str]]] = defaultdict(list)
    for line in Path(get_model_path("en-us"), "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        # Further pronunciations are listed as word(2), word(3) and so on.
        words[word.partition("(")[0] or word].append(phones)
    return dict(words)


def spoken(transcript: str) -> list[str]:
    """The words of a transcript as :func:`dictionary` spells them: lower-case letters and apostrophes."""
    return re.sub(r"[^a-z' ]", " ", transcript.lower()).split()


def _listen(decoder: Any, waveform: FloatArray) -> None:
    # The front end keeps a state from one utterance to the next, and the phones would depend on what was heard before.
    decoder.reinit_feat()
    decoder.start_utt()
    # An empty buffer is refused.
    decoder.process_raw(to_int16(waveform if len(waveform) else np.zeros(1, np.float32)).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def align(waveform: FloatArray, transcript: str) -> list[str] | None:
    """The phone of each frame of 10 ms, ``SIL`` where nothing or no speech is; None if it cannot be aligned."""
    words = spoken(transcript)
    if not words or any(word not in dictionary() for word in words):
        return None
    decoder = _decoder()
    try:
        decoder.set_align_text(" ".join(words))
        _listen(decoder, waveform)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _listen(decoder, waveform)
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
