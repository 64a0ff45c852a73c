"""The codes of a corpus, which the entropy model learns from."""

from __future__ import annotations

import torch

from unitcodec.content.fsq import ContentEncoder
from unitcodec.training.entropy import PACKET_SAMPLES, units_of
from unitcodec.training.prior import Prior


@torch.no_grad()
def test_cheap_codes_cost_less_and_are_near_the_nearest() -> None:
    torch.manual_seed(0)
    content, prior = ContentEncoder(levels=(8, 8)), Prior((8, 8))
    prior.head.weight.mul_(10.0)
    content.head[-1].weight.mul_(30.0)
    waveform = 0.1 * torch.randn(1, 2 * PACKET_SAMPLES + 12800)
    nearest = units_of(content, waveform)
    frames = waveform.shape[1] // 640
    assert nearest.shape == (2, frames)
    # A weight of nearly nothing changes nothing, wherever packets begin.
    assert (units_of(content, waveform, prior, 1e-9) == nearest).mean() > 0.99
    cheap = [units_of(content, waveform, prior, weight) for weight in (0.5, 5.0)]

    def bits(units: torch.Tensor) -> float:
        return prior.bits(content.values(units), units)[0].item()

    costs = [bits(torch.from_numpy(units).long()[None, :, :64]) for units in (nearest, *cheap)]
    assert costs[0] > costs[1] > costs[2]
    far = [abs(units - nearest).mean() for units in cheap]
    assert 0 < far[0] < far[1]
