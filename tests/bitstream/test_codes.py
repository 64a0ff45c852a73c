from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import bitstream
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


class Sparse:
    """As a tensor that is not plain."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("can't convert Sparse layout tensor to numpy.\nMore of that.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": None}, "units must be an array of integers, not of type NoneType"),
        ({"f0": "talk.uc"}, "f0 must be an array of integers, not of type str"),
        ({"units": [1, 2]}, "units must have 2 axes, not 1"),
        ({"speaker": [[6]]}, "speaker must have 1 axis, not 2"),
        ({"units": np.ones((1, 3), np.float32)}, "units must hold integers, not float32"),
        ({"f0": [4, -5]}, "f0 holds -5; codes lie in 0 .. 2**31 - 1"),
        ({"f0": np.array([4, 2**40])}, "f0 holds 1099511627776; codes lie in 0 .. 2**31 - 1"),
        ({"units": Sparse()}, "units cannot be read as an array: can't convert Sparse layout tensor to numpy."),
        ({"lost": [(0, float("inf"))]}, "lost must be a sequence of (start, stop) pairs of integers"),
        ({"lost": [(0.5, 1.5)]}, "lost must be a sequence of (start, stop) pairs of integers"),
    ],
)
def test_messages_name_the_field_and_what_was_given(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidCodes, match=f"^{re.escape(message)}$"):
        SpeechCodes(**{**GOOD, **change})


@pytest.mark.parametrize("given", [None, "talk.uc", np.zeros(3), [SpeechCodes(**GOOD)]], ids=lambda given: type(given).__name__)
def test_only_codes_are_packed(given: Any) -> None:
    with pytest.raises(
        InvalidCodes, match=r"^codes is .*; it takes SpeechCodes, as Codec\.encode and bitstream\.unpack give them$"
    ):
        bitstream.pack(given)
    with pytest.raises(InvalidCodes, match=r"^utterances\[0\] is "):
        bitstream.pack_many([given])


def test_bytes_are_unpacked_first() -> None:
    with pytest.raises(InvalidCodes, match=r"^codes is of type bytes; .* by bitstream\.unpack, sound by Codec\.decompress$"):
        bitstream.pack(b"\xf5")  # type: ignore[arg-type]
