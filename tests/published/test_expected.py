"""Expected vectors: what is the same passes, what differs is counted, what does not fit is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published_reference import UNITS, Vocoder, fairseq

from unitcodec.errors import ModelError
from unitcodec.model import Networks
from unitcodec.published.assembly import assemble
from unitcodec.published.checkpoint import read_checkpoint
from unitcodec.published.expected import compare


def _changed(path: Path, **arrays: np.ndarray | None) -> Path:
    """The file with some arrays replaced, or left out."""
    with np.load(path) as file:
        kept = {**{name: file[name] for name in file.files}, **arrays}
    np.savez(path, **{name: array for name, array in kept.items() if array is not None})
    return path


def test_what_is_the_same_passes(
    intact: Vocoder, networks: Networks, plain: Vocoder, plain_networks: Networks, tmp_path: Path
) -> None:
    found = compare(networks, intact.expected(tmp_path / "full.npz"))
    assert (found.f0_codes, found.f0_total, found.durations_total) == (0, 12, 0)
    assert found.wave < 1e-6
    assert found.passes
    assert compare(plain_networks, plain.expected(tmp_path / "plain.npz")).passes
    found = compare(plain_networks, plain.expected(tmp_path / "durations.npz", durations=True))
    assert (found.durations, found.durations_total) == (0, 24)
    assert found.passes
    spoken = fairseq(tmp_path / "spoken", speakers=True)
    other = assemble("test", read_checkpoint(spoken.folder))[1]
    assert compare(other, spoken.expected(tmp_path / "spoken.npz")).passes


def test_what_differs_is_counted(
    intact: Vocoder, networks: Networks, plain: Vocoder, plain_networks: Networks, tmp_path: Path
) -> None:
    path = intact.expected(tmp_path / "full.npz")
    with np.load(path) as file:
        codes, wave = file["f0_codes"], file["wave"]
    codes[0, :3] = (codes[0, :3] + 1) % 6
    # Our codes are what is spoken: codes expected wrongly leave the wave alone.
    found = compare(networks, _changed(path, f0_codes=codes))
    assert (found.f0_codes, found.passes) == (3, False)
    assert found.wave < 1e-6
    wave[1, 0, 7] += 3e-5
    found = compare(networks, _changed(intact.expected(path), wave=wave))
    assert not found.passes
    assert found.wave == pytest.approx(3e-5, abs=1e-6)
    wave[1, 0, 7] = np.nan
    assert not compare(networks, _changed(path, wave=wave)).passes
    path = plain.expected(tmp_path / "durations.npz", durations=True)
    with np.load(path) as file:
        durations = file["durations"]
    durations[0, :2] += np.array([1, -1]) if durations[0, 1] > 1 else np.array([-1, 1])
    found = compare(plain_networks, _changed(path, durations=durations))
    assert (found.durations, found.passes) == (2, False)


@pytest.mark.parametrize(
    ("arrays", "pattern"),
    [
        ({"code": None}, "no array 'code'"),
        ({"f0": None}, "no array 'f0'"),
        ({"spkr": None}, "no array 'spkr'"),
        ({"wave": None}, "no array 'wave'"),
        ({"code": np.full((2, 24), UNITS)}, "'code' goes beyond 0 .. 11"),
        ({"code": np.full((2, 24), -1)}, "'code' goes beyond"),
        ({"code": np.zeros((2, 24))}, "'code' is float64"),
        ({"code": np.zeros(24, int)}, "2 axes"),
        ({"code": np.zeros((2, 0), int)}, "of shape"),
        ({"f0": np.zeros((2, 1, 95), np.float32)}, "codes of 16 values"),
        ({"spkr": np.full((2, 1), 5)}, "'spkr' goes beyond"),
        ({"spkr": np.zeros((3, 1), int)}, "one for each of the 2"),
        ({"wave": np.zeros((2, 1, 7), np.float32)}, "these codes make"),
        ({"durations": np.ones((2, 24), int)}, "a model that predicts them"),
        ({"code": np.array([[object()]])}, "npz"),
    ],
)
def test_what_does_not_fit(
    intact: Vocoder, networks: Networks, tmp_path: Path, arrays: dict[str, np.ndarray | None], pattern: str
) -> None:
    path = _changed(intact.expected(tmp_path / "expected.npz"), **arrays)
    with pytest.raises(ModelError, match=pattern) as caught:
        compare(networks, path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_none(plain: Vocoder, plain_networks: Networks, tmp_path: Path) -> None:
    for data in (b"", b"PK\x03\x04 rubbish", plain.expected(tmp_path / "whole.npz").read_bytes()[:5000]):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(ModelError, match=r"bad\.npz"):
            compare(plain_networks, tmp_path / "bad.npz")
    with pytest.raises(ModelError, match=r"absent\.npz: No such file"):
        compare(plain_networks, tmp_path / "absent.npz")
