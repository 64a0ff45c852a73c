"""The line that a vocoder has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from benchmarks import griffin_lim
from benchmarks.waveform import SAMPLE_RATE

if TYPE_CHECKING:
    from unitcodec.codec import Codec


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


def test_a_models_log_mel_has_the_level_of_what_was_said(narrow: Codec, speech: Path) -> None:
    waveform = soundfile.read(speech, dtype="float32", stop=48000)[0]
    mel, quiet = (griffin_lim.predicted_mel(narrow, np.float32(gain) * waveform) for gain in (1, 10 ** (-6 / 20)))
    assert mel.shape == (80, 300)
    np.testing.assert_allclose(mel - quiet, 6 / 20 * np.log(10), atol=1e-3)


def test_the_command_speaks_what_a_model_predicts(narrow_folder: Path, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", soundfile.read(speech, stop=16007)[0], 16000)
    for name, more in (("true", []), ("model", ["--model", str(narrow_folder)])):
        options = ["--data", str(tmp_path / "in"), "--out", str(tmp_path / name), "--iterations", "2", *more]
        assert griffin_lim.main(options) == 0
    true, predicted = (soundfile.read(tmp_path / name / "a.wav")[0] for name in ("true", "model"))
    assert len(true) == len(predicted) == 16007
    assert not np.allclose(true, predicted, atol=1e-3)
