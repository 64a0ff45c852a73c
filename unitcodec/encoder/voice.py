"""The speaker code by analysis by synthesis: the one with which the decoder comes nearest to what was said.

What a speaker encoder makes of a voice unlike those it was trained on is a guess. The decoder, which is there anyway, can tell
how good it is and which way is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..content.decision import full_precision
from ..decoder.mel import decode_pitch
from ..fields import Fields
from ..frames import denormalise
from ..model import Networks
from ..pitch.track import STRIDE
from ..speaker.descent import Descent
from ..speaker.encoder import slope_of
from ..vocoder.mel_decoder import MelDecoder
from .excerpt import MARGIN, SMOOTH, Excerpt, segment

USUAL = 2.0
"""dB by which excerpts of 1.28 s are louder than their decoded log-mel, which lies at the median of what it may be, in files of
the default model that come out as loud as they were: on average over 16 recordings of the training speech."""


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
            self._descent = self._networks.speaker.descent(torch.tensor([fields.voice]), self._steps)
        if prepared is None or self._descent is None:
            return None
        device = prepared.mel.device
        self._descent.step(lambda vector: slope_of(partial(prepared.error, 0), vector, device))
        return tuple(self._descent.codes()[0].tolist()) if self._descent.done else None


def loudness_error(networks: Networks, fields: Fields, excerpt: Excerpt) -> float:
    """dB by which the excerpt is louder than what the mel decoder makes of its codes, more than usual (:data:`USUAL`); 0 for one
    shorter than an F0 code."""
    prepared = _prepared(networks, excerpt, fields)
    if prepared is None:
        return 0.0
    with torch.inference_mode():
        voice = networks.speaker.decode(torch.tensor([fields.voice], device=prepared.mel.device)).to(prepared.values.dtype)
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
        part, stride = segment(step, self.mel.shape[2]), self.decoder.stride
        decoded = self.decoder(self.values[..., part.start // stride : part.stop // stride], self.features[..., part], vector)
        return F.smooth_l1_loss(decoded, self.mel[..., part], beta=SMOOTH)


def _prepared(networks: Networks, excerpt: Excerpt, fields: Fields) -> _Prepared | None:
    """None of one that is shorter than an F0 code."""
    with torch.inference_mode(False), torch.no_grad():
        weight = next(networks.parameters())
        mel = torch.tensor(excerpt.mel[None], dtype=weight.dtype, device=weight.device)
        if mel.shape[2] < STRIDE:
            return None
        units, f0 = (torch.tensor(part[None], dtype=torch.long, device=weight.device) for part in (excerpt.units, excerpt.f0))
        features, _ = decode_pitch(networks, f0, fields)
        values = networks.content.values(units)
        return _Prepared(networks.decoder, values.to(mel.dtype), features.to(mel.dtype), mel)
