"""DNSMOS P.835, a network's prediction of a listener's overall opinion, 1 to 5, without a reference.

Reddy et al. 2022, *DNSMOS P.835* (arXiv 2110.01763), with the network in ``speechmos``. It was trained on noise suppressors:
it is kind to clean narrow-band vocoders and says nothing of the words. Never read it alone.

The opinion is the mean over windows of 9.01 s that begin each second, and nearly all the work is in the first four
convolutions, which give neighbouring windows the same values but at their edges. So these run once over everything, and once
more over each window's edges: the same opinion in a third of the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import SAMPLE_RATE, FloatArray

PACKAGES = ("speechmos", "onnxruntime", "librosa", "onnx")

LENGTH = 9.01
WINDOW, FRAMES = 144160, 900
"""Of a window: seconds, samples, spectrogram frames (10 ms)."""

HOP_FRAMES = 100
"""From one window to the next: 1 s."""

EDGE = 4
"""Frames of the convolutions' output at each end of a window that depend on where the window ends, one a convolution."""

SPECTROGRAM = "adjusted_input6"
POOLED = "mos_estimator_logpow/conv2d_3/Relu:0_pooling0"
"""Where the network is cut: log spectrogram (1, 1, frames, 161); what the first four convolutions and a pooling by two give."""

Session = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@lru_cache(maxsize=1)
def _sessions() -> tuple[Session, Session, Session]:
    """Waveform -> spectrogram -> pooled convolutions -> the three opinions, before their polynomials."""
    import onnx
    from onnx.utils import Extractor
    from speechmos import dnsmos

    network = onnx.load(str(Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"))
    names = [network.graph.input[0].name, SPECTROGRAM, POOLED, network.graph.output[0].name]
    # What an earlier tool noted of the shapes between holds for one window alone.
    del network.graph.value_info[:]
    for name in (SPECTROGRAM, POOLED):
        network.graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4))
    extractor = Extractor(network)
    first, second, third = (_session(extractor.extract_model([a], [b])) for a, b in itertools.pairwise(names))
    return first, second, third


def _session(network: Any) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread: the score must not depend on how many the machine has, nor take them from what else runs there.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda values: session.run(None, {name: values})[0]


def dnsmos(waveform: FloatArray) -> float:
    """Overall quality (OVRL), the mean over 9.01 s windows each 1 s; shorter utterances are repeated to fill one."""
    from speechmos.dnsmos import DNSMOS

    audio = np.clip(waveform, -1.0, 1.0).astype(np.float32)
    while len(audio) < WINDOW:
        audio = np.append(audio, audio)
    # As speechmos counts them, which leaves out a window whose end in floating point falls short of a whole sample.
    seconds = range(int(np.floor(len(audio) / SAMPLE_RATE) - LENGTH) + 1)
    starts = [each * SAMPLE_RATE for each in seconds if int((each + LENGTH) * SAMPLE_RATE) - each * SAMPLE_RATE == WINDOW]
    spectrogram, convolve, judge = _sessions()
    spectra = [spectrogram(audio[None, start : start + WINDOW]) for start in starts]
    whole = convolve(np.concatenate([spectra[0], *(each[:, :, -HOP_FRAMES:] for each in spectra[1:])], 2))
    raw = [judge(_window(whole, each, number, convolve))[0, 2] for number, each in enumerate(spectra)]
    return float(np.mean(DNSMOS.get_polyfit_val(None, 0.0, 0.0, np.array(raw, np.float64), False)[2]))


def _window(whole: NDArray[np.float32], spectrum: NDArray[np.float32], number: int, convolve: Session) -> NDArray[np.float32]:
    """What ``convolve`` gives of a window's spectrum: its own edges, and between them a part of the whole."""
    first, half = number * HOP_FRAMES // 2, EDGE // 2
    left, right = convolve(np.concatenate([spectrum[:, :, : 2 * EDGE], spectrum[:, :, -2 * EDGE :]]))
    inside = whole[:, :, first + half : first + FRAMES // 2 - half]
    return np.concatenate([left[None, :, :half], inside, right[None, :, -half:]], 2)
