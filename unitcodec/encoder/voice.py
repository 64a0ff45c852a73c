"""The speaker code by analysis by synthesis: the one with which the decoder comes nearest to what was said.

What a speaker encoder makes of a voice unlike those it was trained on is a guess. The decoder, which is there anyway, can tell
how good it is and which way is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..content.decision import full_precision
from ..decoder.mel import decode_pitch
from ..features import HOP, denormalise
from ..fields import Fields
from ..model import Networks
from ..pitch.vqvae import STRIDE
from ..speaker.encoder import Descent
from ..vocoder.mel_decoder import MelDecoder

SEGMENT = 128
"""Frames (10 ms) that a step looks at: many steps on different speech do more than few on much."""

SMOOTH = 2.0**-6
"""Errors of the normalised log-mel below which their square counts, not their size: the sign of a tiny one is chance."""

MARGIN = 2.0**-12
"""Steps of a field's code. So far from all borders between two codes the search has to stay in float32, else float64 searches. On
41 recordings, 12 steps each, the largest difference of the two was 5e-5; one recording in six came nearer to a border."""

USUAL = 2.0
"""dB by which excerpts of 1.28 s are louder than their decoded log-mel, which lies at the median of what it may be, in files of
the default model that come out as loud as they were: on average over 16 recordings of the training speech."""

GOLDEN = 0.6180339887
"""Multiples of it, modulo 1, are spread evenly however many there are."""


SEARCHED_PACKETS = 3
"""At most; the loudest ones of the opening, by which the voice is chosen where a model asks for it."""


@dataclass(frozen=True)
class Excerpt:
    """Speech and its codes."""

    units: Tensor
    """(rows, m)"""
    f0: Tensor
    """(k,)"""
    mel: Tensor
    """(80, n) normalised log-mel."""


def loudest_packets(samples: NDArray[np.float32], packet: int, reach: int | None) -> list[tuple[int, int]]:
    """Where the loudest packets lie in the first samples (n,) of a stream, the loudest first: [start, stop) of each.

    ``reach``: samples behind a packet that must be there too; None where the stream is complete.
    """
    end = len(samples)
    count = -(-end // packet) if reach is None else (end - reach) // packet
    packets = [(start, min(start + packet, end)) for start in range(0, count * packet, packet)]
    # All excerpts get as many steps: a short last one only where there is no other.
    packets = [(start, stop) for start, stop in packets if stop - start >= SEGMENT * HOP] or packets
    loudest = sorted(packets, key=lambda each: -np.square(samples[slice(*each)], dtype=np.float64).sum())
    return loudest[:SEARCHED_PACKETS]


def find_voice(exact: Networks, fast: Networks | None, fields: Fields, excerpts: Sequence[Excerpt], steps: int) -> Fields:
    """:func:`search_voice` in float64, in half the time where float32 is certain to find the same.

    Args:
        exact: networks in float64.
        fast: the same in float32.
    """
    device = next(exact.parameters()).device
    if fast is not None and full_precision(device):
        with torch.autocast(device.type, enabled=False):
            found = search_voice(fast, fields, excerpts, steps, MARGIN)
        if found is not None:
            return found
    found = search_voice(exact, fields, excerpts, steps)
    assert found is not None
    return found


def search_voice(
    networks: Networks, fields: Fields, excerpts: Sequence[Excerpt], steps: int, margin: float = 0.0
) -> Fields | None:
    """The fields with a voice that makes the decoded log-mel's mean error small, looked for from ``fields.voice`` on.

    Args:
        networks: with a mel decoder; all is computed in their type.
        fields: of the stream.
        excerpts: of it, looked at by turns; what is left of them after whole F0 codes is not looked at.
        steps, margin: of :meth:`.speaker.SpeakerFamily.searched`.

    Returns:
        None where ``searched`` does not know.
    """
    prepared = [each for excerpt in excerpts if (each := _prepared(networks, excerpt, fields)) is not None]
    if not prepared:
        return fields

    def error(step: int, vector: Tensor) -> Tensor:
        return prepared[step % len(prepared)].error(step, vector)

    voice = networks.speaker.searched(torch.tensor([fields.voice], device=prepared[0].mel.device), error, steps, margin)
    return None if voice is None else replace(fields, voice=tuple(voice[0].tolist()))


class VoiceSearch:
    """:func:`search_voice` while a stream goes on: a step whenever there is something new to be heard.

    Args:
        networks: with a mel decoder; all is computed in their type.
        steps: of the search, in all.
    """

    def __init__(self, networks: Networks, steps: int) -> None:
        self._networks, self._steps = networks, steps
        self._descent: Descent | None = None

    @property
    def done(self) -> bool:
        return self._descent is not None and self._descent.done

    def step(self, fields: Fields, excerpt: Excerpt) -> tuple[int, ...] | None:
        """A step further, the first from the voice of the fields. The voice after the last; None before, as it is no good."""
        prepared = _prepared(self._networks, excerpt, fields)
        if self._descent is None:
            self._descent = self._networks.speaker.descent(torch.tensor([fields.voice], device=excerpt.mel.device), self._steps)
        if prepared is None or self._descent is None:
            return None
        self._descent.step(partial(prepared.error, 0))
        return tuple(self._descent.codes()[0].tolist()) if self._descent.done else None


def loudness_error(networks: Networks, fields: Fields, excerpt: Excerpt) -> float:
    """dB by which the excerpt is louder than what the mel decoder makes of its codes, more than usual (:data:`USUAL`); 0 for one
    shorter than an F0 code."""
    prepared = _prepared(networks, excerpt, fields)
    if prepared is None:
        return 0.0
    with torch.inference_mode():
        voice = networks.speaker.decode(torch.tensor([fields.voice], device=excerpt.mel.device)).to(prepared.values.dtype)
        decoded = prepared.decoder(prepared.values, prepared.features, voice)
        # Powers of the bands: log-mel is a logarithm of amplitudes.
        said, spoken = (torch.exp(2.0 * denormalise(mel)).sum() for mel in (prepared.mel[..., : decoded.shape[2]], decoded))
        return float(10.0 * torch.log10(said / spoken)) - USUAL


@dataclass(frozen=True)
class _Prepared:
    """An excerpt as the mel decoder takes it: unit values (1, channels, m), pitch features (1, 3, n), log-mel (1, 80, n)."""

    decoder: MelDecoder
    values: Tensor
    features: Tensor
    mel: Tensor

    def error(self, step: int, vector: Tensor) -> Tensor:
        """Of the log-mel decoded with a speaker vector (1, channels), in a segment that every step has elsewhere."""
        frames = min(SEGMENT, self.mel.shape[2] // STRIDE * STRIDE)
        first = int((self.mel.shape[2] - frames) * (GOLDEN * step % 1.0)) // STRIDE * STRIDE
        part, stride = slice(first, first + frames), self.decoder.stride
        decoded = self.decoder(self.values[..., first // stride : (first + frames) // stride], self.features[..., part], vector)
        return F.smooth_l1_loss(decoded, self.mel[..., part], beta=SMOOTH)


def _prepared(networks: Networks, excerpt: Excerpt, fields: Fields) -> _Prepared | None:
    """None of one that is shorter than an F0 code."""
    with torch.inference_mode(False), torch.no_grad():
        mel = excerpt.mel[None].to(next(networks.parameters()).dtype, copy=True)
        if mel.shape[2] < STRIDE:
            return None
        features, _ = decode_pitch(networks, excerpt.f0[None].clone(), fields)
        values = networks.content.values(excerpt.units[None].clone())
        return _Prepared(networks.decoder, values.to(mel.dtype), features.to(mel.dtype), mel)
