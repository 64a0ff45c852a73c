"""Settings of the entropy model's training, as commands are given them."""

from __future__ import annotations

import pytest

from unitcodec.errors import UnitcodecError
from unitcodec.training.recurrent_training import Settings


def test_settings_of_training() -> None:
    assert Settings.of(["hidden=8", "rate=0.5"]) == Settings(hidden=8, rate=0.5)
    for given, pattern in (("width=3", "no such setting"), ("hidden=wide", "invalid literal"), ("hidden", "invalid literal")):
        with pytest.raises(UnitcodecError, match=pattern):
            Settings.of([given])
