"""``python -m benchmarks.delay``: live speech through both ends, in real time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.delay import delays


@pytest.mark.slow
def test_no_sample_is_heard_before_it_can_be(speech: Path) -> None:
    found = delays(soundfile.read(speech, dtype="int16")[0][:48000])
    assert (np.diff(found[:, 0]) >= 0).all()
    # Packet, encoder and decoder take 0.97 s; the end of the recording needs no look ahead.
    assert (found[:-2, 1] > 0.97).all()
