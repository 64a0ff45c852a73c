"""The line that a vocoder has to beat."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import griffin_lim
from benchmarks.waveform import SAMPLE_RATE


def test_griffin_lim_keeps_length_and_spectrum() -> None:
    t = np.arange(SAMPLE_RATE // 2 + 7) / SAMPLE_RATE
    waveform = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 30)) * 0.1
    bands = np.maximum(0, 1 - np.abs(np.arange(513) - np.linspace(2, 510, 60)[:, None]) / 9) / 9
    spec = griffin_lim.MelSpec(bands)
    mel = spec.log_mel(waveform)
    spoken = griffin_lim.griffin_lim(mel, spec, samples=len(waveform), iterations=20)
    assert len(spoken) == len(waveform)
    assert np.abs(spec.log_mel(spoken) - mel)[:, 3:-3].mean() < 0.3


def test_the_mel_is_the_projects_own() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from unitcodec import features

    waveform = 0.1 * np.random.default_rng(0).standard_normal(4321)
    wanted = features.log_mel(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(griffin_lim.MelSpec.reference().log_mel(waveform), wanted, atol=1e-9)
