"""Kinds of F0 encoders: chosen by name, alike in what they offer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec.pitch import make_pitch
from unitcodec.pitch.none import NoPitch
from unitcodec.pitch.published import PublishedVQVAE
from unitcodec.pitch.vqvae import PitchVQVAE


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, PitchVQVAE),
        ({"codes": 7}, PitchVQVAE),
        ({"kind": "vqvae", "channels": 16}, PitchVQVAE),
        ({"kind": "published", "width": 8}, PublishedVQVAE),
        ({"kind": "none"}, NoPitch),
    ],
)
def test_kinds(options: dict[str, object], kind: type) -> None:
    made = make_pitch(**options)  # type: ignore[arg-type]
    assert isinstance(made, kind)
    f0 = np.where(np.arange(64) % 20 < 10, 150.0, 0.0).astype(np.float32)
    channels = made.channels(f0, 5.0, 0.2)
    codes = made.encode(torch.from_numpy(channels)[None])
    assert (codes.shape, codes.dtype) == ((1, 1, 8), torch.int64)
    assert 0 <= int(codes.min()) <= int(codes.max()) < made.codes
    assert made.context % 8 == 0


def test_kinds_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="unknown F0 encoder 'yin'"):
        make_pitch("yin")
    with pytest.raises(TypeError):
        make_pitch("none", codes=3)
