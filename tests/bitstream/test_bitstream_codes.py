from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitstream import InvalidCodes, SpeechCodes

GOOD: dict[str, Any] = {"units": [[1, 2, 3]], "f0": [4, 5], "speaker": [6], "num_samples": 1900, "model": "0123abcd"}


def test_value_semantics() -> None:
    a, b = SpeechCodes(**GOOD), SpeechCodes(**{**GOOD, "units": np.array([[1, 2, 3]], dtype=np.uint8)})
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b}) == 1
    for change in ({"units": [[1, 2, 4]]}, {"f0": [4, 4]}, {"speaker": []}, {"num_samples": 1901}, {"lost": [(0, 1)]}):
        assert SpeechCodes(**{**GOOD, **change}) != a
    assert SpeechCodes(**{**GOOD, "units": [[1], [2], [3]]}) != a
    assert a != "codes"
    assert a.units.dtype == a.f0.dtype == a.speaker.dtype == np.int32


def test_immutable_and_its_own_copy() -> None:
    units = np.array([[1, 2, 3]], dtype=np.int32)
    codes = SpeechCodes(**{**GOOD, "units": units})
    units[0, 0] = 9
    assert codes.units[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        codes.units[0, 0] = 9
    with pytest.raises(AttributeError):
        codes.num_samples = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"units": [1, 2]},
        {"units": [[1.0, 2.0]]},
        {"units": [[True, False]]},
        {"units": [[1, 2], [3]]},
        {"units": [["a"]]},
        {"units": [[-1]]},
        {"units": [[2**31]]},
        {"f0": [[1]]},
        {"f0": None},
        {"speaker": 3},
        {"num_samples": -1},
        {"num_samples": 2**48},
        {"num_samples": 3.0},
        {"num_samples": True},
        {"model": "0123ABCD"},
        {"model": "0123abc"},
        {"model": 7},
        {"lost": [(0, 0)]},
        {"lost": [(0, 4)]},
        {"lost": [(1, 2), (0, 1)]},
        {"lost": [3]},
        {"lost": 3},
    ],
)
def test_everything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidCodes):
        SpeechCodes(**{**GOOD, **change})
