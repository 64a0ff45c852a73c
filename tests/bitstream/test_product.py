"""Products by NumPy on one thread, whoever else makes some."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bitstream import product as module
from bitstream.product import product


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A BLAS of two threads, which the tests' own environment may forbid."""
    libraries = module._libraries()
    if not libraries:
        pytest.skip("NumPy has a BLAS here whose threads cannot be told")
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        library.set_num_threads(2)
    if set(threads()) != {2}:
        pytest.skip("this BLAS has one thread")
    monkeypatch.setattr(np, "matmul", lambda a, b: np.array(threads()))
    yield 2
    for library, count in zip(libraries, before, strict=True):
        library.set_num_threads(count)


def test_product() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    assert np.array_equal(product(a, b), a @ b)


def test_one_thread_within_and_the_program_s_own_after(many: int) -> None:
    assert set(product(np.eye(2), np.eye(2)).tolist()) == {1}
    assert set(threads()) == {many}


def test_products_of_several_threads_at_a_time(many: int) -> None:
    """The first that ends must not give the others more, nor the last one leave them with less."""
    first, second = module._one_thread, module._one_thread
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(threads()) == {1}
    second.__exit__(None, None, None)
    assert set(threads()) == {many}


def test_a_failure_leaves_the_program_its_threads(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(a: object, b: object) -> None:
        raise ValueError("shapes")

    monkeypatch.setattr(np, "matmul", failing)
    with pytest.raises(ValueError, match="shapes"):
        product(np.eye(2), np.eye(3))
    assert set(threads()) == {many}


def test_the_command_s_threads_wait_without_spinning() -> None:
    code = "import os\nfrom unitcodec.command import main\nmain(['--version'])\nprint(os.environ['OMP_WAIT_POLICY'])"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == "PASSIVE"
