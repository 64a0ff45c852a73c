"""Cost against duration: the real command on longer and longer files, each in a process of its own.

One thread each, two at a time where there are two cores. Synthetic speech, repeated; the file is written and read piece by
piece, in a temporary folder that needs 230 MB an hour.
Everything is counted, the start of Python and the loading of the model too: a short file costs mostly these.
"""

from __future__ import annotations

import json
import os
import site
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bitstream
from benchmarks.errors import BenchmarkError
from benchmarks.progress import Stage, say
from benchmarks.waveform import SAMPLE_RATE
from bitstream import EntropyModel

DURATIONS = (10, 60, 600, 3600, 10800)
FULL = 60
"""Seconds from which on the encoder's window on a stream's opening is full; what grows beyond is a leak."""

# Between a process that may be large and the command: on Linux a peak is inherited by a child until it has another.
_WATCH = """
import json, os, sys, time
begin = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({
    "status": os.waitstatus_to_exitcode(status),
    "seconds": time.perf_counter() - begin,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_rss_mib": used.ru_maxrss * unit / 2**20,
}))
"""


def measure(model: str = "default", durations: Sequence[int] = DURATIONS, quick: bool = False) -> list[dict[str, Any]]:
    """Encode and decode files of ``durations`` seconds with the command, on the CPU; ``quick``: only those of a minute or less.

    Returns:
        One object a duration: ``duration`` (s), ``bytes`` of the coded file, ``bps`` (bit/s), and for ``encode`` and
        ``decode`` each an object with ``seconds`` (wall), ``cpu_seconds``, ``peak_rss_mib`` and ``times_real_time``.

    Raises:
        BenchmarkError: the command fails; its last line says why.
    """
    chosen = sorted((duration for duration in durations if not quick or duration <= FULL), reverse=True)
    rows: dict[int, dict[str, Any]] = {duration: {"duration": duration} for duration in chosen}
    say(f"cost: encode and decode files of {', '.join(map(str, reversed(chosen)))} s")
    with (
        tempfile.TemporaryDirectory() as folder,
        Stage("cost", 2 * len(chosen), "commands") as stage,
        ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool,
    ):

        def run(direction: str, duration: int, source: Path, target: Path) -> None:
            used = _command(direction, source, target, model)
            rows[duration][direction] = {**used, "times_real_time": duration / used["seconds"]}
            stage.advance()
            stage.say(f"cost: {duration} s of speech: {direction} {used['seconds']:.1f} s, {used['peak_rss_mib']:.0f} MiB")

        def encode(duration: int) -> bytes:
            wav, coded = (Path(folder, f"{duration}.{suffix}") for suffix in ("wav", "uc"))
            write_speech(wav, duration)
            run("encode", duration, wav, coded)
            wav.unlink()
            data = coded.read_bytes()
            rows[duration] |= {"bytes": len(data), "bps": 8 * len(data) / duration}
            return data

        def decode(duration: int, stream: Future[bytes], seconds: int) -> None:
            coded, out = Path(folder, f"{duration}.decoded.uc"), Path(folder, f"{duration}.decoded.wav")
            data = stream.result()
            coded.write_bytes(data if seconds == duration else lengthened(data, duration, model))
            run("decode", duration, coded, out)
            out.unlink()

        streams = {duration: pool.submit(encode, duration) for duration in chosen[:2]}
        # The longest stream to be decoded is the next one's over and over: it need not wait for the longest file to be coded.
        other = chosen[min(1, len(chosen) - 1)]
        decoded = [pool.submit(decode, chosen[0], streams[other], other)]
        for duration in chosen[1:]:
            if duration not in streams:
                streams[duration] = pool.submit(encode, duration)
            decoded.append(pool.submit(decode, duration, streams[duration], duration))
        everything: list[Future[Any]] = [*streams.values(), *decoded]
        for each in everything:
            each.result()
    say(f"cost: done in {stage.elapsed}")
    return [rows[duration] for duration in reversed(chosen)]


def lengthened(data: bytes, seconds: int, model: str) -> bytes:
    """A stream of ``model`` -> one of so many seconds and the rest of a packet: its full packets over and over."""
    from unitcodec.model import find

    packet = EntropyModel.load(find(model) / "entropy.safetensors").spec.packet_samples
    full = len(bitstream.inspect(data).packets) - 1  # the last one may be short
    times, rest = divmod(-(-seconds * SAMPLE_RATE // packet), full)
    return bitstream.join([bitstream.cut(data, 0, full)] * times + [bitstream.cut(data, 0, rest)] * (rest > 0))


def slope(rows: Sequence[dict[str, Any]], direction: str) -> float | None:
    """MiB of peak memory that an hour of speech adds, ``direction`` "encode" or "decode": least squares over a minute and more.

    None where fewer than two durations tell.
    """
    points = {row["duration"] / 3600: row[direction]["peak_rss_mib"] for row in rows if row["duration"] >= FULL}
    return statistics.linear_regression(list(points), list(points.values())).slope if len(points) > 1 else None


def write_speech(path: Path, seconds: int) -> None:
    """``seconds`` of synthetic speech as 16-bit WAV, ten seconds at a time."""
    import soundfile

    from benchmarks.synthetic import syllables

    block = syllables(10)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for start in range(0, seconds, 10):
            file.write(block[: (seconds - start) * SAMPLE_RATE])


def watch(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a program to its end: ``seconds``, ``cpu_seconds`` and ``peak_rss_mib`` of it alone.

    Raises:
        BenchmarkError: it fails; with the last line that it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-IS", "-c", _WATCH, *map(str, command)], env=environment, capture_output=True, text=True, check=True
    )
    used: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if used.pop("status"):
        raise BenchmarkError((done.stderr.strip() or "no word why").splitlines()[-1])
    return used


def _command(direction: str, source: Path, target: Path, model: str) -> dict[str, Any]:
    found = find_spec("unitcodec")
    assert found is not None
    assert found.origin is not None
    folder = str(Path(found.origin).parents[1])
    # Where packages are installed Python looks anyway; looking there first, it finds old stand-ins for its own modules, such
    # as the package typing that Resemblyzer asks for.
    folders = [folder] if folder not in site.getsitepackages() else []
    path = os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH")]))
    command: list[str | Path] = [
        sys.executable,
        "-P",
        "-m",
        "unitcodec",
        direction,
        source,
        target,
        "--quiet",
        "--device",
        "cpu",
        "--model",
        model,
    ]
    return watch(command, {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
