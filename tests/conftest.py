"""What tests share: the example, the default model, and the command run in a process of its own."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Behind the installed packages, which are what is tested: for benchmarks/, which is not installed, and for a bare source tree.
ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))

# Before PyTorch starts its threads: where they spin while they wait, tests take minutes on a machine that has other work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The module beside imports by name under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

import unitcodec  # noqa: E402

if TYPE_CHECKING:
    from unitcodec.codec import Codec

SLOW = "takes long: pytest --slow runs it too, as a run with CI in its environment does"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason=SLOW))


MODEL_FOLDER = Path(unitcodec.__file__).parent / "models" / "default"


@pytest.fixture(scope="session")
def speech() -> Path:
    """A sentence of about 8 s, 16 kHz mono."""
    return ROOT / "examples" / "speech.wav"


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
def environment() -> dict[str, str]:
    """For a new interpreter: with it the modules that the tests use are imported. Run it in a folder without modules."""
    folder = str(Path(unitcodec.__file__).parents[1])
    # Not where packages are installed: looking there first, Python finds old stand-ins for its own modules.
    folders = [folder] if folder not in site.getsitepackages() else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH")]))}


@pytest.fixture(scope="session")
def start(environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    """``start(*arguments, env={}, **popen_options)``: ``unitcodec`` in a new interpreter, with the modules that the tests use."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "unitcodec", *arguments], env={**environment, **(env or {})}, **options)

    return run


@pytest.fixture(scope="session")
def command(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """``command(*arguments, input=b"", **as_for_start)`` -> the finished process with its stdout and stderr."""

    def run(*arguments: str, input: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = start(*arguments, **pipes)
        try:
            stdout, stderr = process.communicate(input, timeout=900)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run


MEASURE = """
import importlib, json, operator, resource, sys, time
module, name, usual, *paths = sys.argv[1:]
read = operator.attrgetter(name)(importlib.import_module(module))
def peak():
    if sys.platform == "linux":  # where getrusage tells of the parent's memory as well
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
read(usual)  # what is imported when it is first needed
before = peak()
if sys.platform == "linux":
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**29, size + 2**29))
for path in paths:
    start = time.process_time()
    try:
        said = "read: " + type(read(path)).__name__
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([said, time.process_time() - start, peak() - before]), flush=True)
"""


@pytest.fixture(scope="session")
def cheaply(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """``cheaply("module", "function", usual, paths)``: what a function says of files that are hostile, by path.

    "read: TYPE" or "ERROR: message". Fails where a file takes 4 s of a processor or 200 MB above what a usual one takes.
    """
    pytest.importorskip("resource", reason="needs what a process took")

    def run(module: str, function: str, usual: Path, paths: Iterable[Path]) -> dict[str, str]:
        said, files = {}, [str(path) for path in paths]
        command = [sys.executable, "-c", MEASURE, module, function, str(usual), *files]
        folder = tmp_path_factory.mktemp("empty")
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        for path, line in zip(files, done.stdout.splitlines(), strict=True):
            said[path], seconds, megabytes = json.loads(line)
            assert seconds < 4, (path, said[path], seconds)  # slow machines take twice as long as usual ones
            assert megabytes < 200, (path, said[path], megabytes)
            assert "\n" not in said[path]
            assert len(said[path]) < 1000, path
        return said

    return run


@pytest.fixture(scope="session")
def narrow_folder(tmp_path_factory: pytest.TempPathFactory, speech: Path) -> Path:
    """A model folder with narrow networks of random weights: its codes mean nothing, and everything else holds."""
    from narrow import make_narrow  # which imports PyTorch

    return make_narrow(tmp_path_factory.mktemp("models") / "narrow", speech)


@pytest.fixture(scope="session")
def narrow(narrow_folder: Path) -> Codec:
    """The codec with the narrow random model, on the CPU."""
    return unitcodec.load(narrow_folder, device="cpu")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data, beside the checkout or where UNITCODEC_SHARED says; skips where it is absent."""
    folder = Path(os.environ.get("UNITCODEC_SHARED") or ROOT.parent / "shared")
    if not (folder / "data" / "dev" / "manifest.tsv").exists():
        pytest.skip(f"no development data in {folder}")
    return folder
