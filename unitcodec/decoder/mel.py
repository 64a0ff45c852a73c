"""Codes -> log-mel and F0: the F0 decoder, then the mel decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from ..fields import Fields
from ..model import Networks
from ..pitch.vqvae import PitchVQVAE, mean_and_deviation
from ..vocoder.mel_decoder import F0_RANGE, pitch_features


def decode_f0(pitch: PitchVQVAE, codes: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """F0 codes of speakers -> what the mel decoder and the generator are given.

    Args:
        pitch: the F0 decoder.
        codes: (B, 1, m).
        mean, deviation: (B,), of log-F0 (F0 in Hz).

    Returns:
        Pitch features (B, 3, 8 m), see :func:`.pitch_features`, and F0 (B, 8 m) in Hz, positive also where unvoiced.
    """
    output = pitch.decode(codes)
    track = torch.stack([output[:, 0], (output[:, 1] > 0).to(output.dtype)], 1)
    hz = torch.exp(track[:, 0] * deviation[:, None] + mean[:, None]).clamp(*F0_RANGE)
    return pitch_features(track, mean, deviation), hz


def decode_pitch(networks: Networks, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor]:
    """:func:`decode_f0` of the F0 codes (1, m) of a stream with these fields."""
    like = next(networks.pitch.parameters())
    mean, deviation = (like.new_tensor([value]) for value in mean_and_deviation(fields.mean, fields.deviation))
    return decode_f0(networks.pitch, f0[:, None], mean, deviation)


def decode_mel(networks: Networks, units: Tensor, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor, Tensor]:
    """Units (1, rows, m) and F0 codes (1, k) -> normalised log-mel (1, 80, n), pitch features (1, 3, n), F0 (1, n) in Hz."""
    features, hz = decode_pitch(networks, f0, fields)
    frames = units.shape[2] * networks.content.stride
    features, hz = features[..., :frames], hz[:, :frames]
    voice = torch.tensor([fields.voice], device=units.device)
    return networks.decoder(networks.content.values(units), features, networks.speaker.decode(voice)), features, hz
