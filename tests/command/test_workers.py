"""Several inputs at a time: all are done, whatever becomes of one."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from unitcodec.command import workers
from unitcodec.command.run import Outcome
from unitcodec.command.workers import in_processes


def test_what_fails_does_not_stop_the_rest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    items = [str(tmp_path / name) for name in "abcd"]
    for item in (items[0], items[3]):
        Path(item).touch()
    done = dict(in_processes(items, partial(partial, os.remove), str, 2))
    assert done == dict(zip(items, map(Outcome, [True, False, False, True]), strict=True))
    assert not any(tmp_path.iterdir())
    assert sorted(capfd.readouterr().err.splitlines()) == [f"unitcodec: {item}: No such file or directory" for item in items[1:3]]


def test_what_comes_of_an_item_comes_back() -> None:
    assert sorted(in_processes(iter([3, 4, 5]), partial(partial, str), str, 2)) == [
        (item, Outcome(True, str(item))) for item in (3, 4, 5)
    ]


def test_a_process_that_dies_is_told_and_replaced(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(in_processes([7, 8, 9], partial(partial, os._exit), str, 1)) == [(item, Outcome(False)) for item in (7, 8, 9)]
    assert capfd.readouterr().err.splitlines() == [f"unitcodec: {item}: its process ended (status {item})" for item in (7, 8, 9)]


@pytest.mark.parametrize("error", [EOFError, BrokenPipeError, ConnectionResetError])
def test_a_worker_whose_parent_is_gone_ends_without_a_word(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        def recv(self) -> None:
            raise error

    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    workers._serve(Pipe(), lambda: print, str, 1, False)  # type: ignore[arg-type]
