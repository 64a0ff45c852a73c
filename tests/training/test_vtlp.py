"""Vocal tract length perturbation: formants move by the factor, up to the knee."""

from __future__ import annotations

import torch

from unitcodec.training.vtlp import warped


def _peak(mel: torch.Tensor) -> float:
    weight = mel[0, :, 0]
    return float((weight * torch.arange(80)).sum() / weight.sum())


def _hertz(band: float) -> float:
    top = 1127 * torch.log(torch.tensor(1 + 8000 / 700))
    return float(700 * (torch.exp((band + 1) * top / 81 / 1127) - 1))


def test_a_peak_moves_by_the_factor() -> None:
    mel = torch.exp(-0.5 * ((torch.arange(80.0) - 40) / 3) ** 2)[None, :, None].expand(1, 80, 5)
    for factor in (0.85, 1.0, 1.18):
        moved = _peak(warped(mel, torch.tensor([factor])))
        assert abs(_hertz(moved) / _hertz(_peak(mel)) - factor) < 0.02


def test_each_of_a_batch_has_its_own_factor_and_the_top_stays() -> None:
    bands = torch.arange(80.0)[None, :, None].expand(3, 80, 7)
    out = warped(bands, torch.tensor([1.0, 1.15, 0.85]))
    assert torch.allclose(out[0], bands[0], atol=1e-3)
    assert (out[1, 20:60] < bands[1, 20:60] - 1).all()
    assert (out[2, 20:60] > bands[2, 20:60] + 1).all()
    assert torch.allclose(out[:, -1], bands[:, -1], atol=0.5)
    assert (out.diff(dim=1) > 0).all()
