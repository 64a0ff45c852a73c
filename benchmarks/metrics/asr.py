"""Speech recognition by pocketsphinx with the US English model, language model and dictionary in its wheel.

Huggins-Daines et al. 2006, *Pocketsphinx: a free, real-time continuous speech recognition system for hand-held devices*.
It is a weak recogniser by today's standard, so its error rates are to be read beside the original's, never alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from benchmarks.waveform import FloatArray, to_int16

PACKAGES = ("pocketsphinx",)


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    # Batch CMN: the mean comes from the utterance itself.
    return Decoder(samprate=16000, cmn="batch", loglevel="FATAL")


def transcribe(waveform: FloatArray) -> str:
    """The best hypothesis for the whole utterance; the empty string where nothing was recognised."""
    decoder = _decoder()
    # The front end keeps a state from one utterance to the next, and the words would depend on what was heard before.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(to_int16(waveform).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)
