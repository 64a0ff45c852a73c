"""Codes -> log-mel and F0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from unitcodec.decoder.mel import decode_pitch
from unitcodec.fields import Fields
from unitcodec.pitch.track import MEAN_CODES

if TYPE_CHECKING:
    from unitcodec.codec import Codec

FIELDS = Fields(30, 4, 50, (1, 2, 3, 0) * 8)


def test_decoded_pitch_follows_the_statistics(narrow: Codec) -> None:
    codes = torch.arange(12)[None]
    features, hz = decode_pitch(narrow.model.networks, codes, FIELDS)
    assert features.shape == (1, 3, 96)
    assert hz.shape == (1, 96)
    assert ((hz >= 50) & (hz <= 600)).all()
    assert set(features[0, 2].tolist()) <= {0.0, 1.0}
    low, high = (decode_pitch(narrow.model.networks, codes, replace(FIELDS, mean=m))[1] for m in (0, MEAN_CODES - 1))
    inside = (low > 50) & (high < 600)
    assert torch.allclose(high[inside] / low[inside], torch.tensor(7.0), rtol=1e-4)
