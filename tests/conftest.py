"""What tests share: the example, the default model, and the command run in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cli
import unitcodec

if TYPE_CHECKING:
    from unitcodec.codec import Codec

MODEL_FOLDER = Path(unitcodec.__file__).parent / "models" / "default"


@pytest.fixture(scope="session")
def speech() -> Path:
    """A sentence of about 8 s, 16 kHz mono."""
    return Path(__file__).parent.parent / "examples" / "speech.wav"


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The folder of the packaged model; skips where this copy was built without one."""
    if not (MODEL_FOLDER / "entropy.safetensors").exists():
        pytest.skip(f"no packaged model in {MODEL_FOLDER}")
    return MODEL_FOLDER


@pytest.fixture(scope="session")
def codec(default_model: Path) -> Codec:
    """The default model on the CPU, loaded once."""
    return unitcodec.load(device="cpu")


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """``start(*arguments, env={}, **popen_options)``: ``unitcodec`` in a new interpreter, with the modules that the tests use."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        folder = str(Path(cli.__file__).parent)
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, **(env or {})}
        return subprocess.Popen([sys.executable, "-m", "cli", *arguments], env=environment, **options)

    return run


@pytest.fixture(scope="session")
def command(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """``command(*arguments, input=b"", **as_for_start)`` -> the finished process with its stdout and stderr."""

    def run(*arguments: str, input: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = start(*arguments, **pipes)
        try:
            stdout, stderr = process.communicate(input, timeout=120)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run
