"""Connectionist temporal classification (CTC; Graves et al. 2006): a small network has to spell the transcripts from the units.

A loss beside that of the decoder, which helps the units to keep the words. The network is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UnitcodecError
from ..frames import HOP
from ..layers import ConvNeXtBlock
from .augmentation import Augmentation
from .batches import Batches
from .corpus import Corpus, Utterance

LONGEST = 20.0
"""Seconds; longer utterances are not spelled, so that the memory of a step is bounded."""

MOST_LETTERS = 200
"""Of an alphabet; what is rarer is left out of the transcripts."""


class CTCHead(nn.Module):
    """The units' values (B, channels, m) -> log-probabilities (B, 2 m, letters + 1), twice a unit frame; index 0 is the blank."""

    def __init__(self, channels: int, letters: int, width: int = 256, blocks: int = 6, kernel: int = 9):
        super().__init__()
        self.stem = nn.Conv1d(channels, width, 5, padding=2)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(width, kernel) for _ in range(blocks)])
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv1d(width, 2 * (letters + 1), 1)

    def forward(self, values: Tensor) -> Tensor:
        scores: Tensor = self.head(self.drop(self.blocks(self.stem(values)))).float()
        size, _, frames = scores.shape
        return scores.reshape(size, 2, -1, frames).permute(0, 3, 1, 2).flatten(1, 2).log_softmax(2)


def alphabet(texts: Sequence[str]) -> str:
    """The characters of the texts, case folded, in the order of their codes; of more than MOST_LETTERS the most frequent."""
    letters, counts = np.unique(list("".join(texts).casefold()), return_counts=True)
    return "".join(sorted(letters[np.argsort(-counts, kind="stable")][:MOST_LETTERS]))


class CTCLoss:
    """The term of the loss: whole utterances with transcripts, drawn and heard as the crops are.

    Args:
        channels: of the units' values.
        stride: of the units, frames of 10 ms.
        utterances: a step.
        held_out: speakers that are never drawn.

    Raises:
        UnitcodecError: the corpus has no transcripts.
    """

    def __init__(
        self,
        corpus: Corpus,
        augmentation: Augmentation,
        channels: int,
        stride: int,
        utterances: int,
        seed: int,
        held_out: set[str],
    ):
        chosen = [u for u in corpus.utterances if u.transcript.strip() and u.samples <= LONGEST * 16000]
        if not any(u.speaker not in held_out for u in chosen):
            raise UnitcodecError(f"{corpus.folder}: content.ctc needs transcripts (a column of the manifest), and there are none")
        # Other numbers than those of the crops, which a step draws as well.
        self.batches = Batches(corpus, 1.0, augmentation, seed + 1, held_out, chosen)
        self.utterances, self.hop = utterances, stride * HOP
        self.letters = {letter: index for index, letter in enumerate(alphabet([u.transcript for u in chosen]), 1)}
        self.network = CTCHead(channels, len(self.letters))

    def spelled(self, utterance: Utterance) -> list[int]:
        """Indices of the letters of its transcript."""
        return [self.letters[letter] for letter in utterance.transcript.casefold() if letter in self.letters]

    def draw(self, step: int) -> tuple[Tensor, Tensor, list[Utterance]]:
        """A step's waveforms (B, T), the factors (B,) by which formants shall seem higher, the utterances."""
        drawn = self.batches.utterances(self.utterances, step)
        most = max(len(waveform) for _, waveform, _ in drawn)
        most = -(-most // (8 * HOP)) * 8 * HOP
        waveforms = np.stack([np.pad(waveform, (0, most - len(waveform))) for _, waveform, _ in drawn])
        return torch.from_numpy(waveforms), torch.tensor([vtlp for _, _, vtlp in drawn]), [utterance for utterance, _, _ in drawn]

    def loss(self, values: Tensor, utterances: Sequence[Utterance]) -> Tensor:
        """The units' values (B, channels, m) of :meth:`draw`'s waveforms -> nats a letter."""
        texts = [self.spelled(utterance) for utterance in utterances]
        lengths = torch.tensor([len(text) for text in texts])
        frames = torch.tensor([2 * -(-utterance.samples // self.hop) for utterance in utterances])
        scores = self.network(values).transpose(0, 1)
        letters = torch.tensor([letter for text in texts for letter in text])
        each = F.ctc_loss(scores, letters.to(values.device), frames, lengths, reduction="none", zero_infinity=True)
        return (each / lengths.clamp(min=1).to(each)).mean()
