"""What is heard of lost packets."""

from __future__ import annotations

import numpy as np

from unitcodec.decoder.concealment import FADE, mute_curve, nearest_kept


def test_lost_frames_borrow_from_the_nearest() -> None:
    lost = np.array([1, 1, 0, 1, 1, 1, 1, 0, 0, 1], bool)
    assert nearest_kept(lost).tolist() == [2, 2, 2, 2, 2, 7, 7, 7, 8, 8]
    assert nearest_kept(np.ones(3, bool)).tolist() == [0, 1, 2]
    assert nearest_kept(np.zeros(3, bool)).tolist() == [0, 1, 2]


def test_the_mute_curve_fades_outside_the_loss() -> None:
    lost = np.zeros(3000, bool)
    lost[1000:2000] = True
    curve = mute_curve(lost)
    assert not curve[1000:2000].any()
    assert (curve[: 1000 - FADE] == 1).all()
    assert (curve[2000 + FADE :] == 1).all()
    for ramp in (curve[1000 - FADE : 1000][::-1], curve[2000 : 2000 + FADE]):
        assert (np.diff(ramp) >= 0).all()
        assert ramp[0] < 0.02
        assert np.abs(np.diff(ramp)).max() < 0.02
    assert (mute_curve(np.zeros(500, bool)) == 1).all()
    assert not mute_curve(np.ones(500, bool)).any()
