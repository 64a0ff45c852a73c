"""Nearest codes by float32 are those by float64, or float64 is asked."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unitcodec.content import decision, make_content
from unitcodec.content import rungs as rungs_module
from unitcodec.content.decision import Decision
from unitcodec.content.rungs import Rungs

OWN = slice(10, 40)


@pytest.fixture(scope="module")
def waveform(speech: Path) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(speech, dtype="float64")[0][None, : 1280 * 30])


@pytest.fixture(params=["fsq", "whisper", "whisper with a ladder"])
def pair(request: pytest.FixtureRequest) -> Decision:
    torch.manual_seed(0)
    levels = {"levels": (24, 24), "ladder": (24, 12, 4)} if "ladder" in request.param else {"levels": (9, 30)}
    kind = request.param.split()[0]
    fast = make_content(kind, channels=(16, 24), blocks=(1, 1), **levels).float().eval()  # type: ignore[attr-defined]
    return Decision(lambda: copy.deepcopy(fast).double(), fast)


def _codes(pair: Decision, waveform: torch.Tensor) -> np.ndarray:
    found = pair.candidates(waveform, OWN)
    assert isinstance(found, Rungs)
    return np.stack(list(found))


def test_both_decide_alike(pair: Decision, waveform: torch.Tensor) -> None:
    found = _codes(pair, waveform)
    assert len(np.unique(found[0])) > 5
    assert (pair.windows, pair.repeated) == (1, 0)
    assert np.array_equal(found, _codes(Decision(lambda: pair.exact), waveform))


def test_what_is_not_clear_is_asked_again(pair: Decision, waveform: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rungs_module, "MARGIN", 0.4)
    found = _codes(pair, waveform)
    assert pair.repeated == 1
    assert np.array_equal(found, _codes(Decision(lambda: pair.exact), waveform))


def test_a_rung_is_asked_again_only_if_it_is_sent(
    pair: Decision, waveform: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantizer, sure = pair.exact.quantizer, _codes(pair, waveform)  # type: ignore[attr-defined]
    asked, clearance = [], type(quantizer).clearance
    # Only the second rung has a latent near a border.
    monkeypatch.setattr(
        type(quantizer), "clearance", lambda self, x, rung=0: clearance(self, x, rung) * (asked.append(rung) or rung != 1)
    )
    found = pair.candidates(waveform, OWN)
    assert np.array_equal(found[0], sure[0])
    assert (asked, pair.repeated) == ([0], 0)
    assert all(np.array_equal(found[1], sure[1]) for _ in range(2))
    assert (asked, pair.repeated) == ([0, 1, 1], 1)
    with pytest.raises(IndexError):
        found[len(sure)]


def test_windows_side_by_side_are_decided_as_alone(pair: Decision, waveform: torch.Tensor) -> None:
    windows = [
        (waveform, OWN),
        (waveform.flip(1), OWN),
        (waveform[:, : 1280 * 20], OWN),
        (waveform, slice(0, 5)),
        (-waveform, OWN),
    ]
    found = pair.candidates_of(windows)
    assert pair.candidates_of([]) == []
    exact = Decision(lambda: pair.exact)
    for window, one in zip(windows, found, strict=True):
        assert np.array_equal(np.stack(list(one)), np.stack(list(exact.candidates(*window))))
    assert pair.windows == len(windows)
    # As on a GPU.
    for one, latent in zip(found, pair.latents(windows, 2), strict=True):
        assert torch.equal(pair.exact.quantizer.rung_codes(latent, 0)[0], torch.from_numpy(one[0]).long())


def test_one_latent_near_a_border_may_be_two_codes(
    pair: Decision, waveform: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = _codes(pair, waveform)
    rungs = pair.candidates(waveform, OWN)
    assert isinstance(rungs, Rungs)
    assert [np.array_equal(one, sure[0]) for one in rungs.possible(0)] == [True]
    # A margin that the nearest latent alone does not keep.
    assert rungs._fast is not None
    monkeypatch.setattr(rungs_module, "MARGIN", float(pair.exact.quantizer.clearance(rungs._fast)) * 1.0001)
    possible = rungs.possible(0)
    assert len(possible) == 2
    assert (possible[0] != possible[1]).sum() == 1
    assert any(np.array_equal(one, sure[0]) for one in possible)
    assert pair.repeated == 0
    monkeypatch.setattr(rungs_module, "MARGIN", 0.4)
    assert [np.array_equal(one, sure[0]) for one in rungs.possible(0)] == [True]
    assert pair.repeated == 1


def test_float64_is_asked_of_the_frames_in_doubt(pair: Decision, waveform: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    sure, asked, latent = _codes(pair, waveform), [], decision._latent
    rungs = pair.candidates(waveform, OWN)
    assert isinstance(rungs, Rungs)

    def noted(content: object, waveform: torch.Tensor, own: slice) -> torch.Tensor:
        asked.append((own.start, own.stop))
        return latent(content, waveform, own)

    monkeypatch.setattr(decision, "_latent", noted)
    assert rungs._fast is not None
    monkeypatch.setattr(rungs_module, "MARGIN", float(pair.exact.quantizer.clearance(rungs._fast)) * 1.0001)
    for _ in range(2):
        assert np.array_equal(rungs[0], sure[0])
    ((start, stop),) = asked
    assert OWN.start <= start < stop == start + 1 <= OWN.stop
    # Where more than was asked for is in doubt, everything is asked for, once.
    monkeypatch.setattr(rungs_module, "MARGIN", 0.4)
    for rung, expected in enumerate(sure):
        assert np.array_equal(rungs[rung], expected)
    assert asked == [(start, stop), (OWN.start, OWN.stop)]
    assert pair.repeated == 1


def test_float64_is_made_when_it_is_needed(pair: Decision, waveform: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    late = Decision(lambda: made.append(1) or pair.exact, pair.fast)  # type: ignore[func-returns-value]
    sure = _codes(late, waveform)
    assert not made
    monkeypatch.setattr(rungs_module, "MARGIN", 0.4)
    for _ in range(2):
        assert np.array_equal(_codes(late, waveform), sure)
    assert len(made) == 1


def test_a_caller_who_allows_rougher_products_changes_nothing(pair: Decision, waveform: torch.Tensor) -> None:
    found = _codes(pair, waveform)
    torch.set_float32_matmul_precision("medium")
    try:
        assert np.array_equal(found, _codes(pair, waveform))
        assert pair.repeated == 1
    finally:
        torch.set_float32_matmul_precision("highest")
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(found, _codes(pair, waveform))
    assert (pair.windows, pair.repeated) == (3, 1)


def test_codes_that_are_weighed_against_bits_are_never_rough(waveform: torch.Tensor) -> None:
    torch.manual_seed(0)
    fast = make_content("vqvae", codes=20, channels=(16, 24), blocks=(1, 1)).float().eval()  # type: ignore[attr-defined]
    pair = Decision(lambda: copy.deepcopy(fast).double(), fast)
    (distances,) = pair.candidates(waveform, OWN)  # type: ignore[misc]
    assert distances.shape == (30, 20)
    assert pair.repeated == 1
