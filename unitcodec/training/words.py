"""What was said, as a loss: Whisper's decoder reads the decoded speech and should read in it what it reads in the original.

Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531, section 2) token by token. Whisper transcribes the original,
greedily; the loss is the divergence of its probabilities of each token there and here. So no transcripts are needed, and where
Whisper itself is in doubt nothing is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UnitcodecError

START, NO_TIMES, END = 50257, 50362, 50256
"""Tokens of the English models of Whisper: a transcript begins, it has no timestamps, it ends."""

TOKENS_A_SECOND = 6.0
"""At most: fast speech has five. What is longer is an invention, as Whisper makes them of noise."""


class WordLoss(nn.Module):
    """Whisper's decoder, frozen.

    Args:
        decoder: ``WhisperDecoder`` of transformers, English only.
        dtype: that it computes in. Its weights are read again for every token: half as many bytes take half the time, on a
            processor that multiplies bfloat16.
    """

    def __init__(self, decoder: nn.Module, dtype: torch.dtype = torch.bfloat16):
        super().__init__()
        self.dtype = dtype
        self.decoder: Any = decoder.to(self.dtype).eval().requires_grad_(False)

    def forward(self, wanted: Tensor, said: Tensor) -> Tensor:
        """Last states of the encoder, (B, n, width) at 50 Hz, of originals and of what was decoded -> nats a token, (B,)."""
        with torch.autocast(said.device.type, enabled=False):
            tokens, expected = self.transcribe(wanted.to(self.dtype))
            hidden = self.decoder(input_ids=tokens[:, :-1], encoder_hidden_states=said.to(self.dtype)).last_hidden_state[:, 1:]
            found = self._scores(hidden).log_softmax(2)
        each = F.kl_div(found, expected, reduction="none", log_target=True).sum(2)
        # The end is a token too; what follows it is nothing.
        counts = F.pad((tokens[:, 2:-1] == END).cumsum(1), (1, 0)) == 0
        return (each * counts).sum(1) / counts.sum(1).clamp(min=1)

    @torch.no_grad()
    def transcribe(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, n, width) -> tokens (B, 2 + m), of which the first two are given; log-probabilities of the others,
        (B, m, vocabulary)."""
        most = max(1, round(states.shape[1] / 50 * TOKENS_A_SECOND))
        tokens = torch.tensor([[START, NO_TIMES]], device=states.device).repeat(len(states), 1)
        step, cache = tokens, None
        scores: list[Tensor] = []
        ended = torch.zeros(len(states), dtype=torch.bool, device=states.device)
        while len(scores) < most and not ended.all():
            output = self.decoder(input_ids=step, encoder_hidden_states=states, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            scores.append(self._scores(output.last_hidden_state[:, -1]).log_softmax(1))
            likely = torch.where(ended, END, scores[-1].argmax(1))
            ended |= likely == END
            step = likely[:, None]
            tokens = torch.cat([tokens, step], 1)
        return tokens, torch.stack(scores, 1)

    def _scores(self, hidden: Tensor) -> Tensor:
        """Of the tokens, which share their embedding with the decoder's input (Radford et al. 2022, section 2.2)."""
        return F.linear(hidden, self.decoder.embed_tokens.weight).float()


def read_decoder(name: str | Path | None) -> nn.Module:
    """Whisper tiny.en's decoder from a folder in the layout of transformers.

    Raises:
        UnitcodecError: there is no such folder, it is another model, or transformers is not there.
    """
    if name is None:
        raise UnitcodecError("whisper.decoder: a word loss needs a folder with Whisper tiny.en, as transformers has it")
    try:
        from transformers import WhisperForConditionalGeneration
    except ImportError as error:
        raise UnitcodecError("a word loss needs transformers: pip install 'unitcodec[ssl]'") from error
    try:
        model = WhisperForConditionalGeneration.from_pretrained(name, dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UnitcodecError(f"{name}: not Whisper as transformers has it: {str(error).splitlines()[0]}") from error
    if model.config.vocab_size <= max(START, NO_TIMES, END) or model.config.decoder_start_token_id != START:
        raise UnitcodecError(f"{name}: not an English model of Whisper")
    decoder: nn.Module = model.model.decoder
    return decoder
