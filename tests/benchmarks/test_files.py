"""What is remembered is used only where it is what was kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.files import remembered_array

RIGHT = np.array([0, 100, 110], np.float32)


def test_an_array_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        return RIGHT

    for length in (3, 3, None):
        assert remembered_array(tmp_path / "a.npy", make, length).tolist() == [0, 100, 110]
    assert len(made) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(2, np.float32),
        np.zeros(4, np.float32),
        np.zeros((3, 1), np.float32),
        np.float32(1),
        np.zeros(3, np.complex64),
        np.array(["a", "b", "c"]),
        np.array([0, np.nan, 1], np.float32),
        np.array([0, np.inf, 1], np.float32),
    ],
    ids=repr,
)
def test_what_cannot_have_been_kept_is_made_again(tmp_path: Path, wrong: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", wrong)
    assert remembered_array(tmp_path / "a.npy", lambda: RIGHT, 3).tolist() == [0, 100, 110]
    assert np.load(tmp_path / "a.npy").tolist() == [0, 100, 110]


def test_what_is_no_array_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.savez(tmp_path / "many.npz", RIGHT, RIGHT)
    for content in (b"", b"rubbish", b"PK\x03\x04 no archive", (tmp_path / "many.npz").read_bytes()):
        file.write_bytes(content)
        assert remembered_array(file, lambda: RIGHT, 3).tolist() == [0, 100, 110]
