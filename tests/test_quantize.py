"""Quantizers: codes and values agree, gradients pass, codebooks find the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec.quantize import FSQ, VQ, ResidualVQ, SteppedFSQ, straight_through
from unitcodec.steps import coarser, lookup


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_straight_through_is_the_quantized_value_and_the_inputs_gradient() -> None:
    x = torch.randn(5, requires_grad=True)
    y = straight_through(x, torch.round(x.detach()))
    assert torch.allclose(y, torch.round(x))
    weights = torch.randn(5)
    (y * weights).sum().backward()
    assert torch.equal(x.grad, weights)


def test_fsq_codes_and_values() -> None:
    fsq = FSQ([8, 5, 2])
    x = torch.randn(4, 3, 50) * 3
    codes = fsq.encode(x)
    assert codes.dtype == torch.int64
    assert (codes >= 0).all()
    assert [int(row.max()) for row in codes.transpose(0, 1)] == [7, 4, 1]
    values, same, loss = fsq(x)
    assert torch.equal(same, codes)
    assert torch.allclose(values, fsq.decode(codes), atol=1e-6)
    assert loss.item() == 0
    assert fsq.decode(codes).abs().max() == 1
    assert torch.equal(fsq.bound(x).round().long(), codes)


def test_fsq_every_code_is_the_nearest_to_its_own_value() -> None:
    fsq = FSQ([8])
    codes = torch.arange(8)[None, None]
    middle = ((codes + 0.5 - 5e-4) / (8 - 1e-3) * 2 - 1).atanh()
    assert torch.equal(fsq.encode(middle), codes)
    extremes = torch.tensor([[[-1e9, 1e9, float("-inf"), float("inf")]]])
    assert fsq.encode(extremes).tolist() == [[[0, 7, 0, 7]]]


def test_fsq_gradient_is_that_of_the_squashing_alone() -> None:
    fsq = FSQ([8, 8])
    x = torch.randn(1, 2, 20, dtype=torch.float64, requires_grad=True)
    fsq(x)[0].sum().backward()
    # values = (L - 0.001) / (L - 1) * tanh(x) + constant, rounding aside
    expected = (8 - 1e-3) / 7 * (1 - torch.tanh(x) ** 2)
    assert torch.allclose(x.grad, expected)


def _clusters(centres: torch.Tensor, frames: int) -> torch.Tensor:
    return (centres[torch.randint(len(centres), (4, frames))] + 0.05 * torch.randn(4, frames, centres.shape[1])).transpose(1, 2)


def test_vq_finds_clusters_and_revives_dead_codes() -> None:
    centres = torch.tensor([[5.0, 0.0], [0.0, 5.0], [-5.0, 0.0], [0.0, -5.0]])
    vq = VQ(8, 2, decay=0.9)
    # Far from all data, where no vector would ever choose them.
    vq.codebook[2:] = 100.0
    for _ in range(100):
        vq(_clusters(centres, 64))
    x = _clusters(centres, 64)
    error = (vq.decode(vq.encode(x)) - x).square().sum(1)
    assert error.mean() < 0.02
    assert torch.cdist(vq.codebook, centres).min(1).values.max() < 1


def test_vq_encodes_the_nearest_and_decodes_it() -> None:
    vq = VQ(6, 3).eval()
    vectors = vq.codebook.T[None]
    assert vq.encode(vectors).tolist() == [[[0, 1, 2, 3, 4, 5]]]
    x = torch.randn(2, 3, 40)
    quantized, codes, loss = vq(x)
    nearest = torch.cdist(x.transpose(1, 2), vq.codebook[None]).argmin(2)
    assert torch.equal(codes[:, 0], nearest)
    assert torch.allclose(quantized, vq.decode(codes), atol=1e-6)
    assert loss.item() == pytest.approx(0.25 * (vq.decode(codes) - x).square().mean().item(), rel=1e-5)
    # Codes stand for themselves in any precision.
    assert torch.equal(vq.encode(vq.decode(codes, torch.float64)), codes)


@pytest.mark.parametrize("make", [lambda: VQ(6, 3), lambda: ResidualVQ(3, 6, 3)])
def test_the_codebook_moves_in_training_only_and_gradients_pass(make: object) -> None:
    quantizer = make()  # type: ignore[operator]
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    x = torch.randn(2, 3, 40, requires_grad=True)
    weights = torch.randn(2, 3, 40)
    (quantizer.eval()(x)[0] * weights).sum().backward()
    assert torch.equal(x.grad, weights)
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())
    quantizer.train()(x)
    assert all(not torch.equal(before[name], value) for name, value in quantizer.state_dict().items())


def test_residual_vq_rows_refine() -> None:
    quantizer = ResidualVQ(3, 16, 4, decay=0.9)
    for _ in range(100):
        quantizer(torch.randn(4, 4, 64))
    quantizer.eval()
    x = torch.randn(2, 4, 100)
    quantized, codes, loss = quantizer(x)
    assert codes.shape == (2, 3, 100)
    assert torch.equal(quantizer.encode(x), codes)
    assert torch.allclose(quantizer.decode(codes), quantized, atol=1e-5)
    assert loss > 0
    errors = []
    for rows in (1, 2, 3):
        partial = torch.stack([layer.decode(codes[:, i : i + 1]) for i, layer in enumerate(quantizer.layers)][:rows]).sum(0)
        errors.append((x - partial).square().mean().item())
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]


def test_coarser_codes_use_fewer_and_fewer_values_near_to_what_they_were() -> None:
    levels = (12, 12, 5)
    rungs = coarser(levels)
    assert len(rungs) == 1 + 4 * len(levels)
    used = [[len(set(table.tolist())) for table in rung] for rung in rungs]
    assert used[0] == list(levels)
    assert used[1] == [6, 12, 5]
    assert used[-1] == [2, 2, 2]
    assert used[3] == [6, 6, 2]
    assert used[9] == [3, 3, 2]
    assert [sum(row) for row in used] == sorted((sum(row) for row in used), reverse=True)
    for rung in rungs:
        for table, level in zip(rung, levels, strict=True):
            assert (table.min(), table.max()) == (0, level - 1)
            assert (np.diff(table) >= 0).all()
            assert np.abs(table - np.arange(level)).max() <= level / len(set(table.tolist())) + 0.5
    units = np.random.default_rng(0).integers(0, 5, (3, 7)).astype(np.int32)
    assert np.array_equal(lookup(rungs[0], units), units)
    assert np.array_equal(lookup(rungs[2], units)[0], rungs[2][0][units[0]])


LADDER = (8, 6, 5, 3, 2)


def test_a_finer_or_coarser_step_rounds_to_the_middle_of_its_intervals() -> None:
    quantizer, x = SteppedFSQ(3, LADDER), torch.randn(2, 3, 200, dtype=torch.float64) * 1.5
    codes = quantizer.ladder_codes(x)
    assert codes.shape == (2, len(LADDER), 4, 200)
    assert torch.equal(codes[:, 0], quantizer.encode(x))
    wanted = torch.tanh(x) * 8 / 7
    for rung, levels in enumerate(LADDER):
        assert (codes[:, rung, 0] == rung).all()
        assert sorted(codes[:, rung, 1:].unique().tolist()) == list(range(levels))
        values = quantizer.decode(codes[:, rung], torch.float64)
        assert (values - wanted).abs().max() <= 8 / 7 / levels + 1e-3
        assert values.mean().abs() < 0.05
    # At a rung the codes are those of plain codes with as many values.
    assert all(torch.equal(codes[:, rung, 1:], FSQ([n] * 3).encode(x)) for rung, n in enumerate(LADDER))
    assert torch.allclose(quantizer.decode(codes[:, 0]), FSQ([8] * 3).decode(codes[:, 0, 1:]), atol=1e-6)


def test_the_rung_may_change_from_frame_to_frame_and_gradients_pass() -> None:
    quantizer, x = SteppedFSQ(2, LADDER), torch.randn(1, 2, 50, dtype=torch.float64, requires_grad=True)
    rungs = torch.randint(len(LADDER), (1, 50))
    mixed, ladder = quantizer.rounded(x, rungs), quantizer.ladder_codes(x)
    assert torch.equal(mixed[:, 0], rungs)
    assert all(torch.equal(mixed[0, :, t], ladder[0, rung, :, t]) for t, rung in enumerate(rungs[0]))
    assert all(
        torch.equal(quantizer.decode(mixed)[..., t], quantizer.decode(ladder[:, rung])[..., t]) for t, rung in enumerate(rungs[0])
    )
    values, codes, loss = quantizer(x)
    assert torch.allclose(values, quantizer.decode(codes, torch.float64))
    values.sum().backward()
    assert torch.allclose(x.grad, (8 - 1e-3) / 7 * (1 - torch.tanh(x) ** 2))
    assert loss == 0
    assert torch.equal(codes, quantizer.encode(x))


def test_codes_that_a_rung_does_not_have_are_its_greatest() -> None:
    quantizer = SteppedFSQ(1, LADDER)
    assert quantizer.decode(torch.tensor([[[4, 4, 0], [7, 1, 7]]]))[0, 0].tolist() == pytest.approx([4 / 7, 4 / 7, 1])


@pytest.mark.parametrize(
    ("quantizer", "rung"),
    [(FSQ([9, 4]), 0), (SteppedFSQ(2, (9, 7, 4)), 0), (SteppedFSQ(2, (9, 7, 4)), 1), (SteppedFSQ(2, (9, 7, 4)), 2)],
)
def test_clearance_is_the_way_to_the_nearest_border(quantizer: FSQ, rung: int) -> None:
    x = torch.randn(1, 2, 40, dtype=torch.float64)
    clear = float(quantizer.clearance(x, rung))
    assert 0 < clear < 0.05
    position = quantizer.bound(x)

    def moved(by: float) -> torch.Tensor:
        squashed = (position + by + 0.5 - 5e-4) / (quantizer.levels[:, None] - 1e-3)
        return torch.atanh((squashed * 2 - 1).clamp(-1 + 1e-9, 1 - 1e-9))

    same = quantizer.rung_codes(x, rung)
    assert torch.equal(same, quantizer.ladder_codes(x)[:, rung])
    kept, changed = ([torch.equal(quantizer.rung_codes(moved(by * clear), rung), same) for by in (-f, f)] for f in (0.98, 1.02))
    assert all(kept)
    assert not all(changed)
    # The outermost intervals have no other border.
    assert quantizer.clearance(torch.full((1, 2, 3), 9.0), rung) >= 0.49
