"""The loss on what Whisper's encoder makes of a log-mel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unitcodec.content.whisper import WhisperEncoder, whisper_mel
from unitcodec.features import log_mel
from unitcodec.frames import active_level, level_code, level_gain, normalise
from unitcodec.training.corpus import Corpus, prepare
from unitcodec.training.feature_loss import TAPS, FeatureLoss, fit_map


@pytest.fixture(scope="module")
def corpus(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prepare(manifest, tmp_path_factory.mktemp("corpus"))


def test_one_log_mel_tells_the_other(corpus: Corpus) -> None:
    weight, bias = fit_map(corpus)
    utterance = corpus.utterances[0]
    waveform = corpus.waveform(utterance).astype(np.float32) / 32768
    scaled = torch.from_numpy(waveform * np.float32(level_gain(level_code(active_level(waveform)))))[None]
    wanted = whisper_mel(scaled)
    found = F.conv1d(normalise(log_mel(scaled)), weight, bias, padding=TAPS // 2)
    assert (found - wanted).square().mean().sqrt() < 0.5 * wanted.std()


def test_what_is_alike_costs_nothing_and_the_rest_teaches(corpus: Corpus) -> None:
    torch.manual_seed(0)
    loss = FeatureLoss(WhisperEncoder(layers=1), *fit_map(corpus))
    target = torch.randn(2, 80, 64)
    output = torch.stack([target[0], target[1] + 0.3 * torch.randn(80, 64)]).requires_grad_()
    found = loss(target, output)
    assert found.shape == (2,)
    assert found[0].item() == pytest.approx(0.0, abs=1e-6)
    assert found[1] > 0.01
    found.sum().backward()
    assert output.grad is not None
    assert output.grad[1].abs().max() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())
