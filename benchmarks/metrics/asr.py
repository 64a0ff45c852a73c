"""Speech recognition, for the error rates of :mod:`benchmarks.metrics.text`.

Moonshine tiny, English, is the judge of words: :mod:`benchmarks.metrics.moonshine`. Beside it any recogniser of ``transformers``
(Wolf et al. 2020) whose checkpoint is on this machine; nothing is fetched.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.metrics import moonshine, pieces
from benchmarks.waveform import SAMPLE_RATE, FloatArray

TRANSFORMERS = ("transformers", "huggingface_hub", "torch")

LONGEST = 30 * SAMPLE_RATE
"""Samples that a recogniser is given at once: both hear well up to 30 s."""

SHORTEST = SAMPLE_RATE // 10
"""Samples below which there is no word."""

SILENCE = 1e-3
"""RMS of the loudest 20 ms (-60 dB of full scale) below which there is no speech."""


def transcribe(waveform: FloatArray) -> str:
    """What Moonshine hears, as it writes it. Longer than 30 s, a recording is cut at its pauses.

    A recogniser of this kind writes a word or two when it hears nothing. So a piece that is shorter than 0.1 s, or nowhere louder
    than -60 dB, is not shown to it and gives the empty string. Noise is shown to it.
    """
    heard = (moonshine.transcribe(piece) for piece in pieces.cut(waveform, LONGEST) if not _nothing(piece))
    return " ".join(filter(None, heard))


def _nothing(waveform: FloatArray) -> bool:
    return len(waveform) < SHORTEST or float(pieces.levels(waveform).max()) < SILENCE


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


def is_whisper(folder: Path) -> bool:
    """Whether the checkpoint in :func:`checkpoint`'s folder is one of Whisper, which teaches and so must not judge."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "whisper"


@lru_cache(maxsize=1)
def _pipeline(folder: Path) -> Any:
    from transformers import pipeline

    return pipeline("automatic-speech-recognition", model=str(folder), device="cpu")


def transcribe_with(folder: Path, waveform: FloatArray) -> str:
    """What the recogniser in :func:`checkpoint`'s folder hears; more than 30 s go through it in overlapping pieces."""
    long = {"chunk_length_s": 30} if len(waveform) > LONGEST else {}
    return str(_pipeline(folder)({"raw": waveform, "sampling_rate": SAMPLE_RATE}, **long)["text"])
