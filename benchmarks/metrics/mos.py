"""DNSMOS P.835, a network's prediction of a listener's overall opinion, 1 to 5, without a reference.

Reddy et al. 2022, *DNSMOS P.835* (arXiv 2110.01763), in the packaging of ``speechmos``. It was trained on noise
suppressors: it is kind to clean narrow-band vocoders and says nothing of the words. Never read it alone.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray

PACKAGES = ("speechmos", "onnxruntime", "librosa", "requests")

WINDOW = 9.01
"""Seconds that the network hears at once."""


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime
    from speechmos import dnsmos

    options = onnxruntime.SessionOptions()
    # One thread: the score must not depend on how many the machine has, nor take them from what else runs there.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def dnsmos(waveform: FloatArray) -> float:
    """Overall quality (OVRL), the mean over 9.01 s windows each 1 s; shorter utterances are repeated to fill one.

    The windows, the network and its calibration are those of ``speechmos.dnsmos.DNSMOS``, to the last bit; the second
    network, which predicts the P.808 score, is not run.
    """
    from speechmos.dnsmos import DNSMOS

    audio = np.clip(waveform if len(waveform) else np.zeros(1, np.float32), -1.0, 1.0)
    length = int(WINDOW * SAMPLE_RATE)
    while len(audio) < length:
        audio = np.append(audio, audio)
    scores = []
    for second in range(int(len(audio) // SAMPLE_RATE - WINDOW) + 1):
        window = audio[second * SAMPLE_RATE : int((second + WINDOW) * SAMPLE_RATE)]
        # As there: by rounding a window can be a sample short, and does not count.
        if len(window) == length:
            raw = _session().run(None, {"input_1": window.astype(np.float32)[None]})[0][0]
            scores.append(DNSMOS.get_polyfit_val(None, *raw, False)[2])
    return float(np.mean(scores))
