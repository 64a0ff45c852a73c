"""Codes -> log-mel and F0: the F0 decoder, then the mel decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..fields import Fields
from ..model import Networks
from ..pitch import F0Decoder
from ..pitch.track import mean_and_deviation
from ..vocoder.mel_decoder import F0_RANGE, pitch_features


def decode_f0(pitch: F0Decoder, codes: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """F0 codes of speakers -> what the mel decoder and the generator are given.

    Args:
        pitch: the F0 decoder.
        codes: (B, 1, m).
        mean, deviation: (B,), of log-F0 (F0 in Hz); or (B, k), where k = m if each code has its own.

    Returns:
        Pitch features (B, 3, 8 m), see :func:`.pitch_features`, and F0 (B, 8 m) in Hz, positive also where unvoiced.
    """
    output = pitch.decode(codes)
    mean, deviation = (each.reshape(len(each), -1) for each in (mean, deviation))
    mean, deviation = (each.repeat_interleave(output.shape[2] // each.shape[1], 1) for each in (mean, deviation))
    track = torch.stack([output[:, 0], (output[:, 1] > 0).to(output.dtype)], 1)
    hz = torch.exp(track[:, 0] * deviation + mean).clamp(*F0_RANGE)
    return pitch_features(track, mean, deviation), hz


def decode_pitch(networks: Networks, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor]:
    """:func:`decode_f0` of the F0 codes (1, m) of a stream with these fields."""
    return _decode_pitch(networks, f0, [(fields.mean, fields.deviation)])


def decode_mel(networks: Networks, units: Tensor, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor, Tensor]:
    """Units (1, rows, m) and F0 codes (1, k) -> normalised log-mel (1, 80, n), pitch features (1, 3, n), F0 (1, n) in Hz."""
    return decode_mel_of(networks, units, f0, [(fields.mean, fields.deviation)], fields.voice)


def decode_mel_of(
    networks: Networks,
    units: Tensor,
    f0: Tensor,
    statistics: Sequence[tuple[int, int]],
    voice: Sequence[int],
    own: slice | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`decode_mel` of codes of F0's mean and deviation that are one for all, or one for each F0 code.

    ``own``: of these unit frames only, as far as there are any, which see all the others.
    """
    features, hz = _decode_pitch(networks, f0, statistics)
    frames = units.shape[2] * networks.content.stride
    features, hz = features[..., :frames], hz[:, :frames]
    vector = networks.speaker.decode(torch.tensor([list(voice)], device=units.device))
    mel = networks.decoder(networks.content.values(units), features, vector, own)
    if own is not None:
        part = slice(own.start * networks.content.stride, own.stop * networks.content.stride)
        features, hz = features[..., part], hz[:, part]
    return mel, features, hz


def _decode_pitch(networks: Networks, f0: Tensor, statistics: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    like = next(networks.parameters())
    mean, deviation = zip(*(mean_and_deviation(*each) for each in statistics), strict=True)
    return decode_f0(networks.f0_decoder, f0[:, None], like.new_tensor([mean]), like.new_tensor([deviation]))
