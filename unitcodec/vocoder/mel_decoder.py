"""Units, F0 and speaker -> log-mel: the first half of the vocoder, with a loss of its own in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import ConvNeXtBlock, fold, masked, through, unfold

F0_RANGE = (50.0, 600.0)
"""Decoded F0 is kept within this range, Hz."""


class MelDecoder(nn.Module):
    """Unit values (B, rows, m), pitch (B, 3, stride * m) at 100 Hz, speaker (B, S) -> normalised log-mel (B, 80, stride * m).

    Args:
        rows: channels of the values.
        memory: blocks at the units' rate that look far back and a little ahead, the frames back and the frames ahead of each.
            Looking back costs no latency.
        stride: 2 for units at 50 Hz, 4 at 25 Hz, 8 at 12.5 Hz.
    """

    def __init__(
        self,
        rows: int = 4,
        speaker: int = 32,
        bands: int = 80,
        channels: tuple[int, int] = (320, 256),
        blocks: tuple[int, int] = (3, 5),
        pitch: int = 3,
        stride: int = 4,
        memory: tuple[int, int, int] = (0, 0, 0),
    ):
        super().__init__()
        if stride not in (2, 4, 8):
            raise ValueError(f"stride {stride}: units come at 50 Hz (2), 25 Hz (4) or 12.5 Hz (8)")
        self.stride = stride
        self.stem = nn.Conv1d(rows, channels[0], 3, padding=1)
        self.speaker = nn.Sequential(nn.Linear(speaker, 256), nn.GELU(), nn.Linear(256, channels[0] + channels[1]))
        self.slow = nn.Sequential(*[ConvNeXtBlock(channels[0], 5) for _ in range(blocks[0])])
        count, self.back, self.ahead = memory
        # They begin as if they were not there, so that a decoder without them can be trained on.
        kernel = self.back + 1 + self.ahead
        self.memory = nn.Sequential(*[ConvNeXtBlock(channels[0], kernel, scale=0.0, ahead=self.ahead) for _ in range(count)])
        self.expand = nn.Conv1d(channels[0], channels[1] * (stride // 2), 1)
        self.pitch = nn.Conv1d(pitch * 2, channels[1], 3, padding=1)
        self.fast = nn.Sequential(*[ConvNeXtBlock(channels[1], 5) for _ in range(blocks[1])])
        self.head = nn.Conv1d(channels[1], bands * 2, 3, padding=1)
        self.split, self.voice_fields = channels, speaker

    @property
    def context(self) -> int:
        """Unit frames that the decoder sees to each side."""
        memory = len(self.memory) * max(self.back, self.ahead)
        return 1 + 2 * len(self.slow) + memory + self._fast_context

    @property
    def _fast_context(self) -> int:
        """Those of them that the layers above the units' rate see."""
        return -(-(2 * len(self.fast) + 2) // (self.stride // 2))

    def forward(
        self, units: Tensor, pitch: Tensor, speaker: Tensor, own: slice | None = None, there: Tensor | None = None
    ) -> Tensor:
        """``own``: of these unit frames only; what does not reach them is not computed.

        ``there`` (B, 1, m): 1 up to the end of each row, 0 behind it, where rows of several lengths are decoded together.
        """
        own = own or slice(0, units.shape[2])
        seen = slice(max(0, own.start - self._fast_context), min(units.shape[2], own.stop + self._fast_context))
        slow_bias, fast_bias = self.speaker(speaker)[..., None].split(self.split, 1)
        hidden = through(self.slow, self.stem(masked(units, there)) + slow_bias, there)
        hidden = through(self.memory, hidden, there)[..., seen]
        pitch = pitch[..., seen.start * self.stride : seen.stop * self.stride]
        there = None if there is None else there[..., seen].repeat_interleave(self.stride // 2, 2)
        hidden = unfold(self.expand(F.gelu(hidden)), self.stride // 2) + self.pitch(masked(fold(pitch, 2), there)) + fast_bias
        decoded = unfold(self.head(masked(through(self.fast, hidden, there), there)), 2)
        return decoded[..., (own.start - seen.start) * self.stride : (own.stop - seen.start) * self.stride]


def pitch_features(track: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Decoded F0 as the decoders see it.

    Args:
        track: (B, 2, n) normalised log-F0 and voicing in [0, 1].
        mean, deviation: statistics of log-F0 (F0 in Hz), (B,) or (B, n).

    Returns:
        (B, 3, n): log-F0 re 150 Hz in units of half an octave, the normalised log-F0, voicing.
    """
    mean, deviation = (each.reshape(len(each), -1) for each in (mean, deviation))
    log_f0 = track[:, 0] * deviation + mean
    return torch.stack([(log_f0 - 5.01) / 0.3466, track[:, 0], track[:, 1]], 1)
