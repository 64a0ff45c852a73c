"""Recordings that are encoded side by side have the codes that each has alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unitcodec.base import RECORDINGS
from unitcodec.codec import Codec
from unitcodec.content import decision
from unitcodec.content.rungs import Candidates
from unitcodec.encoder.together import Window, Work, together


@pytest.fixture(scope="module")
def wave(speech: Path) -> np.ndarray:
    return np.tile(soundfile.read(speech, dtype="float32")[0], 3)


def test_a_batch_has_the_codes_of_its_recordings(narrow: Codec, wave: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = (300, 41000, 90000, 190000, 90000, 17000)
    recordings = [wave[index * 1000 :][:samples] for index, samples in enumerate(lengths)]
    alone = [narrow.encode(one, 16000) for one in recordings]
    sizes: list[int] = []
    latent = decision._latent

    def noted(content: object, waveform: torch.Tensor, own: slice) -> torch.Tensor:
        sizes.append(len(waveform))
        return latent(content, waveform, own)

    monkeypatch.setattr(decision, "_latent", noted)
    assert narrow.encode(recordings, 16000) == alone
    assert max(sizes) == 1
    # As on a GPU.
    monkeypatch.setattr(decision, "full_precision", lambda device: False)
    monkeypatch.setattr(decision, "_side_by_side", lambda windows: decision.TOGETHER)
    assert narrow.encode(recordings, 16000) == alone
    # Windows of several recordings went through together, and never too many of them.
    assert 1 < max(sizes) <= decision.TOGETHER


def test_more_recordings_than_are_held_at_once(narrow: Codec, wave: np.ndarray) -> None:
    recordings = [wave[: 500 + 100 * index] for index in range(RECORDINGS + 3)]
    codes = narrow.encode(recordings, 16000)
    assert [one.num_samples for one in codes] == list(map(len, recordings))
    assert codes[-1] == narrow.encode(recordings[-1], 16000)


def test_work_ends_at_different_times() -> None:
    def work(times: int) -> Work[int]:
        total = 0
        for number in range(times):
            found = yield [(np.full((1, 1), float(number)), slice(0))] * (number + 1)
            assert len(found) == number + 1
            total += sum(int(one[0][0]) for one in found)  # type: ignore[index]
        return total

    rounds: list[int] = []

    def decide(windows: list[Window]) -> list[Candidates]:
        rounds.append(len(windows))
        return [[waveform[0]] for waveform, _ in windows]

    assert together(decide, [work(0), work(3), work(1)]) == [0, 0 + 2 * 1 + 3 * 2, 0]  # type: ignore[arg-type]
    assert rounds == [2, 2, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_codes_are_those_of_the_cpu(narrow: Codec, wave: np.ndarray) -> None:
    recordings = [wave[:90000], wave[:41000]]
    assert Codec(narrow.model, "cuda").encode(recordings, 16000) == narrow.encode(recordings, 16000)
