"""The codes of a corpus, which the entropy model learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec.content import make_content
from unitcodec.training.entropy_stage import units_of

FRAMES = 64
"""Of a packet."""


@pytest.mark.parametrize("family", ["fsq", "whisper"])
@pytest.mark.parametrize("ladder", [(), (8, 5, 3)])
def test_a_share_of_the_packets_has_coarser_codes(family: str, ladder: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    content = make_content(family, levels=(8, 8), channels=(16, 24), blocks=(1, 1), ladder=ladder).eval()  # type: ignore[attr-defined]
    wave = torch.randn(1, 12 * 40960 + 12800)
    with torch.inference_mode():
        plain, nested = units_of(content, wave), units_of(content, wave, 0.5, np.random.default_rng(0))
    assert plain.shape == nested.shape == (2 + bool(ladder), 12 * FRAMES + 20)
    packets = range(0, plain.shape[1], FRAMES)
    changed = [not np.array_equal(plain[:, start : start + FRAMES], nested[:, start : start + FRAMES]) for start in packets]
    assert 3 <= sum(changed) <= 10
    used = [len(np.unique(nested[-1, start : start + FRAMES])) for start in packets]
    assert all(fewer <= 5 for fewer, coarser in zip(used, changed, strict=True) if coarser)
    if ladder:
        assert not plain[0].any()
        assert set(np.unique(nested[0])) == {0, 1, 2}
