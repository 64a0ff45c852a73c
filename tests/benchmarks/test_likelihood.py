"""``python -m benchmarks.likelihood``: words that a recogniser expects, and how models compare."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import likelihood
from benchmarks.metrics import moonshine
from benchmarks.waveform import read


def _row(nats: float, clipped: float) -> dict[str, float]:
    return {"tokens": 10, "nats": nats, "clipped": clipped, "errors": 1, "words": 5, "bits": 700, "seconds": 2.0}


def test_what_was_said_is_expected_and_something_else_is_not(speech: Path) -> None:
    if (gap := moonshine.gap()) is not None:
        pytest.skip(f"the judge of words: {gap}")
    judge, waveform = moonshine.loaded(), read(speech)
    said = judge.tokens(waveform)
    costs = judge.surprise(waveform, said)
    assert costs.shape == (len(said) + 1,)
    # What it wrote itself, token by token, is what it held for most probable: of 2 tokens more than half.
    assert (costs >= 0).all()
    assert np.median(costs) < np.log(2)
    assert judge.surprise(waveform, said[::-1]).mean() > 5 * costs.mean()


def test_differences_are_to_the_first_model() -> None:
    lines = likelihood.table(["a", "b"], [[_row(2.0, 1.0), _row(4.0, 1.5)], [_row(2.0, 1.0), _row(4.0, 1.5)]]).splitlines()
    assert lines[2] == "| a | 350 | 0.200 | 0.200 |  | 0.100 |  |"
    assert lines[3] == "| b | 350 | 0.200 | 0.400 | +0.200 (+0.200 to +0.200) | 0.150 | +0.050 (+0.050 to +0.050) |"
    assert lines[-1] == "2 utterances."


@pytest.mark.parametrize(("arguments", "message"), [(["--every", "0"], "at least 1"), ([], "nowhere")])
def test_what_cannot_be_judged(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if (gap := moonshine.gap()) is not None:
        pytest.skip(f"the judge of words: {gap}")
    monkeypatch.setattr(sys, "argv", ["likelihood", "--data", "nowhere", *arguments])
    with pytest.raises(SystemExit):
        likelihood.main()
    assert message in capsys.readouterr().err.splitlines()[-1]
