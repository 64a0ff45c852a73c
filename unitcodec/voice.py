"""The speaker code by analysis by synthesis: the one with which the decoder comes nearest to what was said.

What a speaker encoder makes of a voice unlike those it was trained on is a guess. The decoder, which is there anyway, can tell
how good it is and which way is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .fields import Fields
from .model import Networks
from .pitch.vqvae import STRIDE
from .speech import decode_pitch

SEGMENT = 128
"""Frames (10 ms) that a step looks at: many steps on different speech do more than few on much."""

GOLDEN = 0.6180339887
"""Multiples of it, modulo 1, are spread evenly however many there are."""


@dataclass(frozen=True)
class Excerpt:
    """Speech and its codes."""

    units: Tensor
    """(rows, m)"""
    f0: Tensor
    """(k,)"""
    mel: Tensor
    """(80, n) normalised log-mel."""


def search_voice(networks: Networks, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
    """The fields with a voice that makes the decoded log-mel's mean error small, looked for from ``fields.voice`` on.

    Args:
        networks: in the type of the log-mel; with a mel decoder.
        fields: of the stream.
        excerpts: of it, looked at by turns; what is left of them after whole F0 codes is not looked at.
        steps: of :meth:`.speaker.SpeakerFamily.searched`.
    """
    prepared = []
    with torch.inference_mode(False), torch.no_grad():
        for excerpt in excerpts:
            mel = excerpt.mel[None].clone()
            features, _ = decode_pitch(networks, excerpt.f0[None].clone(), fields)
            values = networks.content.values(excerpt.units[None].clone())
            if mel.shape[2] >= STRIDE:
                prepared.append((values.to(mel.dtype), features.to(mel.dtype), mel))
    if not prepared:
        return fields

    def error(step: int, vector: Tensor) -> Tensor:
        values, features, mel = prepared[step % len(prepared)]
        frames = min(SEGMENT, mel.shape[2] // STRIDE * STRIDE)
        first = int((mel.shape[2] - frames) * (GOLDEN * step % 1.0)) // STRIDE * STRIDE
        part, stride = slice(first, first + frames), networks.decoder.stride
        decoded = networks.decoder(values[..., first // stride : (first + frames) // stride], features[..., part], vector)
        return (decoded - mel[..., part]).abs().mean()

    voice = networks.speaker.searched(torch.tensor([fields.voice], device=prepared[0][2].device), error, steps)
    return replace(fields, voice=tuple(voice[0].tolist()))
