"""The same bytes on every machine: other thread counts, other BLAS kernels, other SIMD, exact integer loops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("identity.py")
DIGEST = "6d849c40052f90b93633b7948de9f2718ba024f70b1189414a685ad2625d63a1"

SETTINGS = {
    "as it is": {},
    "1 thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "2 threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "8 threads": {"OPENBLAS_NUM_THREADS": "8", "OMP_NUM_THREADS": "8"},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "Prescott": {"OPENBLAS_CORETYPE": "Prescott"},
    "no AVX-512 in NumPy": {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"},
    "no FMA in NumPy": {"NPY_DISABLE_CPU_FEATURES": "FMA3 AVX2 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"},
}


def _run(settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], env={**os.environ, **settings}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_bytes_under_other_settings(name: str) -> None:
    if name == "SkylakeX" and "avx512f" not in _cpu_flags():
        pytest.skip("this processor has no AVX-512")
    assert _run(SETTINGS[name]) == DIGEST


def test_the_same_bytes_by_integer_loops() -> None:
    assert _run({}, "int64") == DIGEST


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
