"""Speech recognition, for the error rates of :mod:`benchmarks.metrics.text`.

pocketsphinx with the US English model, language model and dictionary in its wheel: Huggins-Daines et al. 2006,
*Pocketsphinx: a free, real-time continuous speech recognition system for hand-held devices*. It is a weak recogniser by
today's standard, so its error rates are to be read beside the original's, never alone.

Beside it any recogniser of ``transformers`` (Wolf et al. 2020) whose checkpoint is on this machine; nothing is fetched.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray, to_int16

PACKAGES = ("pocketsphinx",)
TRANSFORMERS = ("transformers", "huggingface_hub", "torch")


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    # Batch CMN: the mean comes from the utterance itself.
    return Decoder(samprate=16000, cmn="batch", loglevel="FATAL")


def listen(decoder: Any, waveform: FloatArray) -> None:
    """Put a whole utterance through a pocketsphinx decoder."""
    # The front end keeps a state from one utterance to the next, and the words would depend on what was heard before.
    decoder.reinit_feat()
    decoder.start_utt()
    # An empty buffer is refused.
    decoder.process_raw(to_int16(waveform if len(waveform) else np.zeros(1, np.float32)).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def transcribe(waveform: FloatArray) -> str:
    """The best hypothesis for the whole utterance; the empty string where nothing was recognised."""
    decoder = _decoder()
    listen(decoder, waveform)
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)


def checkpoint(name: str) -> Path | None:
    """The folder of a transformers checkpoint, itself a folder or a name in the local Hugging Face cache; None if absent."""
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            config = try_to_load_from_cache(name, "config.json")
        except HFValidationError:
            return None
        folder = Path(config).parent if isinstance(config, str) else folder
    return folder if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")) else None


@lru_cache(maxsize=1)
def _pipeline(folder: Path) -> Any:
    from transformers import pipeline

    return pipeline("automatic-speech-recognition", model=str(folder), device="cpu")


def transcribe_with(folder: Path, waveform: FloatArray) -> str:
    """What the recogniser in :func:`checkpoint`'s folder hears; more than 30 s go through it in overlapping pieces."""
    long = {"chunk_length_s": 30} if len(waveform) > 30 * SAMPLE_RATE else {}
    return str(_pipeline(folder)({"raw": waveform, "sampling_rate": SAMPLE_RATE}, **long)["text"])
