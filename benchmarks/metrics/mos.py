"""DNSMOS P.835, a network's prediction of a listener's overall opinion, 1 to 5, without a reference.

Reddy et al. 2022, *DNSMOS P.835* (arXiv 2110.01763), in the packaging of ``speechmos``. It was trained on noise
suppressors: it is kind to clean narrow-band vocoders and says nothing of the words. Never read it alone.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.waveform import FloatArray

PACKAGES = ("speechmos", "onnxruntime", "librosa")


@lru_cache(maxsize=1)
def _judge() -> Any:
    import onnxruntime
    from speechmos import dnsmos

    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    primary, p808 = str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx")
    judge = dnsmos.DNSMOS(primary, p808)
    options = onnxruntime.SessionOptions()
    # One thread: the score must not depend on how many the machine has, nor take them from what else runs there.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    judge.onnx_sess = onnxruntime.InferenceSession(primary, options, providers=["CPUExecutionProvider"])
    # The opinion by P.808, another network's, is not asked for.
    judge.p808_onnx_sess = _Silent()
    judge.audio_melspec = lambda audio: np.zeros((1, 1))
    return judge


class _Silent:
    def run(self, names: object, inputs: object) -> list[list[list[float]]]:
        return [[[0.0]]]


def dnsmos(waveform: FloatArray) -> float:
    """Overall quality (OVRL), the mean over 9.01 s windows each 1 s; shorter utterances are repeated to fill one."""
    return float(_judge()(np.clip(waveform, -1.0, 1.0), 16000, False)["ovrl_mos"])
