"""Further networks that predict a listener's opinion, 1 to 5, without a reference: used where they lie on this machine.

- UTMOS, strong learner: Saeki et al. 2022 (arXiv 2204.02152), from torch.hub's cache of ``tarepan/SpeechMOS``.
- Distill-MOS: Stahl and Gamper 2025, *Distillation and pruning for scalable self-supervised representation-based speech
  quality assessment*, from the package ``distillmos``, which carries its weights.
- NISQA 2.0, overall quality: Mittag et al. 2021 (arXiv 2104.09494), from torchmetrics and its cache.

Nothing is fetched: what is not there is a gap.
"""

from __future__ import annotations

import contextlib
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray

UTMOS_PACKAGES = ("torch", "torchaudio")
DISTILLMOS_PACKAGES = ("distillmos", "torchaudio")
NISQA_PACKAGES = ("torchmetrics", "librosa", "requests")

NISQA_LONGEST = 50 * SAMPLE_RATE
"""Samples; the network takes 52 s."""


def utmos_gap() -> str | None:
    """What of UTMOS is not in torch.hub's cache."""
    hub = _hub()
    there = any(hub.glob("tarepan_SpeechMOS_*/hubconf.py")) and any(hub.glob("checkpoints/utmos22_strong*"))
    return None if there else "weights not found: torch.hub has no tarepan/SpeechMOS with utmos22_strong"


def nisqa_gap() -> str | None:
    """What of NISQA is not in torchmetrics' cache."""
    weights = Path("~/.torchmetrics/NISQA/nisqa.tar")
    return None if weights.expanduser().exists() else f"weights not found: {weights}"


def _hub() -> Path:
    import torch

    return Path(torch.hub.get_dir())


@lru_cache(maxsize=1)
def _utmos() -> Any:
    import torch

    return torch.hub.load(str(max(_hub().glob("tarepan_SpeechMOS_*"))), "utmos22_strong", source="local", progress=False)


@lru_cache(maxsize=1)
def _distillmos() -> Any:
    import distillmos

    # It tells on stdout where its weights are.
    with contextlib.redirect_stdout(sys.stderr):
        return distillmos.ConvTransformerSQAModel().eval()


def _batch(waveform: FloatArray) -> Any:
    """``(1, T)`` of at least 1 s, repeated where it is shorter."""
    import torch

    return torch.from_numpy(np.resize(waveform, max(len(waveform), SAMPLE_RATE)))[None]


def utmos(waveform: FloatArray) -> float:
    """UTMOS of ``(T,)``."""
    import torch

    with torch.inference_mode():
        return float(_utmos()(_batch(waveform), SAMPLE_RATE))


def distillmos(waveform: FloatArray) -> float:
    """Distill-MOS of ``(T,)``."""
    import torch

    with torch.inference_mode():
        return float(_distillmos()(_batch(waveform)))


def nisqa(waveform: FloatArray) -> float:
    """NISQA's overall score of ``(T,)``, the mean over equal pieces of 50 s at most."""
    from torchmetrics.functional.audio.nisqa import non_intrusive_speech_quality_assessment

    pieces = np.array_split(waveform, -(-len(waveform) // NISQA_LONGEST) or 1)
    return float(np.mean([non_intrusive_speech_quality_assessment(_batch(piece)[0], SAMPLE_RATE)[0] for piece in pieces]))
