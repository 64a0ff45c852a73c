"""Products by NumPy on one thread, whoever else makes some."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from bitstream import product as module
from bitstream.product import product

ONE = np.eye(2)


def threads() -> set[int]:
    return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A BLAS of two threads, which the tests' own environment may forbid; products tell how many they have."""
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("NumPy has a BLAS here that has one thread, or does not tell")
        monkeypatch.setattr(np, "matmul", lambda a, b: np.array(sorted(threads())))
        yield 2


def test_product() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    assert np.array_equal(product(a, b), a @ b)


def test_one_thread_within_and_the_program_s_own_after(many: int) -> None:
    for _ in range(3):
        assert product(ONE, ONE).tolist() == [1]
        assert threads() == {many}


@pytest.mark.parametrize("first", [True, False])
def test_products_of_several_threads_at_a_time(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, before and after the main one has had BLAS."""
    if first:
        product(ONE, ONE)
    seen: list[set[int]] = []
    inside, leave = threading.Event(), threading.Event()

    def waiting(a: object, b: object) -> np.ndarray:
        inside.set()
        assert leave.wait(10)
        return np.array(sorted(threads()))

    def other() -> None:
        with ThreadpoolController().limit(limits=2, user_api="blas"):
            seen.append(threads())
            product(ONE, ONE)
            seen.append(threads())

    monkeypatch.setattr(np, "matmul", waiting)
    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    among = threads()
    leave.set()
    assert set(product(ONE, ONE).tolist()) <= {1, 2}
    thread.join()
    if seen[0] != {2}:
        pytest.skip("NumPy has a BLAS here that has one thread, or does not tell")
    assert among == {1}
    assert seen[1] == {2}


def test_a_failure_leaves_the_program_its_threads(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(a: object, b: object) -> None:
        raise ValueError("shapes")

    with monkeypatch.context() as patch:
        patch.setattr(np, "matmul", failing)
        with pytest.raises(ValueError, match="shapes"):
            product(ONE, np.eye(3))
    assert threads() == {many}
    product(ONE, ONE)
    assert product(ONE, ONE).tolist() == [1]
    assert threads() == {many}


def test_what_an_interrupt_leaves_the_next_product_mends(many: int) -> None:
    module._held = threading.get_ident(), module._OneThread()  # and here it comes
    assert product(ONE, ONE).tolist() == [1]
    assert threads() == {many}
    assert module._held is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_begins_outside(many: int) -> None:
    """Though another thread is within, and holds the lock."""
    module._held = 0, module._OneThread()
    with module._lock:
        child = os.fork()
        if not child:
            os._exit(0 if threads() == {many} and product(ONE, ONE).tolist() == [1] and threads() == {many} else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    module._held[1].restore()
    module._held = None
    assert status == 0


def test_the_command_s_threads_wait_without_spinning() -> None:
    code = "import os\nfrom unitcodec.command import main\nmain(['--version'])\nprint(os.environ['OMP_WAIT_POLICY'])"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == "PASSIVE"
