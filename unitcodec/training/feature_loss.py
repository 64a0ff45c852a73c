"""What matters in a log-mel, by a recogniser: a loss on the hidden layers of Whisper's encoder.

A feature loss (Johnson et al. 2016, arXiv 1603.08155, equation 2) with the encoder of :mod:`unitcodec.content.whisper` in the
place of an image classifier. A blurred formant transition costs little as a difference of log-mels and much as a difference of
what a recogniser hears.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..content.whisper import WhisperEncoder, difference, whisper_mel
from ..features import log_mel
from ..frames import BANDS, HOP, active_level, level_code, level_gain, normalise
from .corpus import Corpus
from .teacher import Teachers
from .words import WordLoss

FITTED = 200
"""Utterances by which one log-mel is fitted to the other."""

TAPS = 3
"""Frames of our log-mel that tell a frame of Whisper's."""


class FeatureLoss(nn.Module):
    """The hidden layers of Whisper's encoder, frozen, which hear our log-mel through a linear map.

    Args:
        network: with its weights; or several.
        weight, bias: of the map, (80, 80, TAPS) and (80,): :func:`fit_map`.
    """

    def __init__(self, network: WhisperEncoder | Teachers, weight: Tensor, bias: Tensor):
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, target: Tensor, output: Tensor) -> Tensor:
        """Normalised log-mels (B, 80, n), n even -> for each the mean absolute difference of the normalised states, (B,)."""
        with torch.no_grad():
            wanted = self.states(target)
        return difference(wanted, self.states(output))

    def states(self, mel: Tensor) -> list[Tensor]:
        """Normalised log-mel (B, 80, n) -> what Whisper's layers make of it, as :class:`.WhisperEncoder` gives them."""
        heard = F.conv1d(mel, self.get_buffer("weight"), self.get_buffer("bias"), padding=TAPS // 2)
        states: list[Tensor] = self.network(heard)
        return states


class Listener(nn.Module):
    """What Whisper makes of a log-mel: the feature loss and, where its decoder is given, the word loss.

    ``crops``: of a batch in training, all that its decoder reads.
    """

    def __init__(self, features: FeatureLoss, words: WordLoss | None = None, crops: int | None = None):
        super().__init__()
        self.features, self.words, self.crops = features, words, crops

    def forward(self, target: Tensor, output: Tensor, crops: int | None = None) -> dict[str, Tensor]:
        """Normalised log-mels (B, 80, n), n even -> "feature_loss" and, of the first ``crops`` or all, "word_loss"; scalars."""
        with torch.no_grad():
            wanted = self.features.states(target)
        found = self.features.states(output)
        losses = {"feature_loss": difference(wanted, found).mean()}
        if self.words is not None:
            losses["word_loss"] = self.words(wanted[-1][:crops], found[-1][:crops]).mean()
        return losses


def fit_map(corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Weight (80, 80, TAPS) and bias (80,) of the map from our normalised log-mel to Whisper's, by least squares."""
    size = BANDS * TAPS + 1
    normal, moment = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, BANDS, dtype=torch.float64)
    step = -(-len(corpus.utterances) // FITTED)
    for utterance in corpus.utterances[::step]:
        if utterance.samples < 2 * HOP:
            continue
        waveform = corpus.waveform(utterance).astype(np.float32) / 32768
        scaled = torch.from_numpy(waveform * np.float32(level_gain(level_code(active_level(waveform)))))[None]
        ours = F.pad(normalise(log_mel(scaled))[0].double(), (TAPS // 2, TAPS // 2), value=0.0)
        rows = ours.unfold(1, TAPS, 1).permute(1, 0, 2).flatten(1)
        rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        normal += rows.T @ rows
        moment += rows.T @ whisper_mel(scaled)[0].double().T
    # A little of the identity, where bands say the same.
    solved = torch.linalg.solve(normal + 1e-3 * torch.eye(size, dtype=torch.float64), moment).float()
    return solved[:-1].T.reshape(BANDS, BANDS, TAPS).contiguous(), solved[-1].contiguous()
