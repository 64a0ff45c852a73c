"""Coding that is killed, runs out of room or has its pipes closed: nothing lost, nothing half-written.

    python tests/fault/interrupt.py --files 200 --kills 50          # beside it, as root: --disk FOLDER, of a small file system

Codes a corpus of short files undisturbed, and again with ``encode FOLDER --jobs 2 --skip-existing`` killed at random moments
(SIGKILL to the command, to all of its processes or to one of its workers and then the command; nine of ten while files are
coded, the others while it starts) and started again, until it ends by itself. Then the same on a full disk, and one file
through slow and broken pipes. Stops at what is not as it should be. Needs /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[2]
for _folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(_folder))

# ruff: noqa: E402
import numpy as np
import soundfile
from narrow import make_narrow

SPEECH = ROOT / "examples" / "speech.wav"
COMMAND = (sys.executable, "-m", "unitcodec")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def make_corpus(folder: Path, files: int) -> None:
    """Pieces of a sentence, of 0.2 to 1 s, in several folders."""
    wave, rate = soundfile.read(SPEECH, dtype="int16")
    rng = np.random.default_rng(0)
    for number in range(files):
        start, length = rng.integers(len(wave) - rate), rng.integers(rate // 5, rate)
        path = folder / f"part{number % 4}" / f"{number:03}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave[start : start + length], rate)


def encode(
    corpus: Path, out: Path, model: Path, *options: str, stderr: int | BinaryIO = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Begin to, in a process group of its own."""
    command = [*COMMAND, *_encode(corpus, out, model), *options]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=stderr, process_group=0)


def _encode(corpus: Path, out: Path, model: Path) -> tuple[str, ...]:
    return ("encode", "-q", "-r", str(corpus), "-o", str(out), "--model", str(model))


class Forked:
    """The same command, of a process that has the modules already: it starts in no time. It has no workers."""

    _context = multiprocessing.get_context("forkserver")

    def __init__(self, arguments: Sequence[str], words: Path) -> None:
        self._context.set_forkserver_preload(["cli", "torch", "unitcodec.codec", "unitcodec.command.coding"])
        self._process = self._context.Process(target=_run, args=(arguments, words))
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join()


def _run(arguments: Sequence[str], words: Path) -> None:
    from cli import main

    os.setpgid(0, 0)
    with words.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def kill_at_random(corpus: Path, out: Path, model: Path, kills: int, seed: int = 0, fresh: float = 1.0) -> dict[str, int]:
    """Code the corpus with so many interruptions; how many there were, of which kind, and how many while files were coded.

    ``fresh``: the share of runs that are commands with two workers, which take seconds to start; the others are forked.
    """
    rng, done = random.Random(seed), {"runs": 0, "command": 0, "all": 0, "worker": 0, "forked": 0, "while coding": 0}
    expected, groups, words = sum(1 for _ in corpus.rglob("*.wav")), list[int](), out.with_name("words")
    while True:
        left = kills - done["command"] - done["all"] - done["worker"] - done["forked"]
        process: Forked | subprocess.Popen[bytes]
        words.write_bytes(b"")
        if rng.random() < fresh:
            # Not a pipe, whose end would be waited for: what the killed one's workers still do, they do beside the next.
            with words.open("ab") as file:
                process = encode(corpus, out, model, "--jobs", "2", "--skip-existing", stderr=file)
        else:
            process = Forked([*_encode(corpus, out, model), "--skip-existing"], words)
        groups.append(process.pid)
        done["runs"] += 1
        if left and rng.random() < 0.1:
            time.sleep(5 * rng.random())  # while it starts
            _kill(process, rng, done, False)
        elif left:
            while process.poll() is None and not _coding(process.pid, out):
                time.sleep(0.01)
            made = _made(out)
            # Spread over the files that are left; two of them may end while the command is killed.
            wanted = made + rng.randint(1, max(1, 2 * (expected - made) // left - 5))
            while process.poll() is None and _made(out) < wanted:
                time.sleep(0.01)
            time.sleep(0.3 * rng.random())
            _kill(process, rng, done, True)
        process.wait()
        said = words.read_bytes()
        # A worker that has only begun to start when the command is killed: Python says so, and nothing can be done.
        assert b"Traceback" not in said or b"multiprocessing/spawn.py" in said, said.decode()
        for name, data in outputs(out).items() if out.exists() else ():
            assert data or name.endswith(".part"), f"{name} is empty"
        if process.returncode == 0:
            break
    while any(map(_is_there, groups)):
        time.sleep(0.1)
    return done


def _made(out: Path) -> int:
    return sum(1 for _ in out.rglob("*.uc")) if out.exists() else 0


def _coding(process: int, out: Path) -> bool:
    """Whether the command or a worker of it has begun a file that is not whole yet."""
    parts = out.rglob(".unitcodec-*.part") if out.exists() else ()
    makers = {int(path.name.split("-")[1]) for path in parts}
    return process in makers or process in map(_parent, makers)


def _parent(process: int) -> int:
    return int((_words(Path(f"/proc/{process}/stat"))[1:2] or ["0"])[0])


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(process: Forked | subprocess.Popen[bytes], rng: random.Random, done: dict[str, int], coding: bool) -> None:
    whom = "forked" if isinstance(process, Forked) else rng.choice(("command", "all", "worker"))
    workers = _workers(process.pid) if whom == "worker" else []
    if process.poll() is not None:
        return
    if whom == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(workers[-1], signal.SIGKILL)
        time.sleep(0.3 * rng.random())  # the command goes on, and would come to its end
        process.kill()
    else:
        whom = "command" if whom == "worker" else whom
        process.kill()
    done[whom] += 1
    done["while coding"] += coding


def _workers(process: int) -> list[int]:
    return [child for child in _children(process) if "spawn_main" in _command(child)]


def _children(process: int) -> list[int]:
    stats = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/stat")}
    return sorted(child for child, path in stats.items() if _words(path)[1:2] == [str(process)])


def _words(stat: Path) -> list[str]:
    """Fields of a process, from its state on; none of one that has ended."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def fill(corpus: Path, out: Path, model: Path) -> None:
    """Files that may have no more than 8 bytes: all of them fail, each with a line, and nothing is left."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [*COMMAND, "encode", "-q", "-r", str(corpus), "-o", str(out), "--model", str(model)]
    done = subprocess.run(command, env=ENVIRONMENT, stderr=subprocess.PIPE, preexec_fn=small, check=False)
    _failed(done.returncode, done.stderr, "File too large")
    assert not outputs(out), list(outputs(out))


def fill_disk(disk: Path, corpus: Path, model: Path, sound: dict[str, bytes]) -> int:
    """The same where a file system has no room: what is there is whole. How many these are."""
    out = disk / "out"
    (disk / "ballast").write_bytes(bytes(max(0, os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 64 * 1024)))
    process = encode(corpus, out, model)
    _, said = process.communicate()
    _failed(process.returncode, said, "No space left on device")
    found = outputs(out)
    assert found.items() <= sound.items(), "something is half-written"
    (disk / "ballast").unlink()
    process = encode(corpus, out, model, "--skip-existing")
    process.communicate()
    assert process.returncode == 0
    assert outputs(out) == sound
    return len(found)


def _failed(status: int, said: bytes, why: str) -> None:
    assert status == 1, (status, said)
    assert why.encode() in said, said
    assert b"Traceback" not in said, said


def pipes(source: Path, model: Path) -> None:
    """A slow pipe changes nothing; a closed one ends the command, without a word of Python's."""
    encoder = [*COMMAND, "encode", "-q", "-", "-", "--model", str(model)]
    decoder = [*COMMAND, "decode", "-q", "--raw", "-", "-", "--model", str(model)]
    data, pipe = source.read_bytes(), subprocess.PIPE
    whole = subprocess.run(encoder, input=data, stdout=pipe, env=ENVIRONMENT, check=True).stdout
    with subprocess.Popen(encoder, stdin=pipe, stdout=pipe, bufsize=0, env=ENVIRONMENT) as slow:
        assert slow.stdin is not None
        assert slow.stdout is not None
        rng = random.Random(0)
        while data:
            count = rng.choice((1, 7, 1000, 30000))
            slow.stdin.write(data[:count])
            data = data[count:]
            time.sleep(0.01)
        slow.stdin.close()
        assert slow.stdout.read() == whole
    for command, given in ((encoder, source.read_bytes()), (decoder, whole)):
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT) as broken:
            assert broken.stdin is not None
            assert broken.stdout is not None
            assert broken.stderr is not None
            broken.stdout.close()
            try:
                broken.stdin.write(given)
                broken.stdin.close()
            except BrokenPipeError:
                pass
            said = broken.stderr.read()
        assert broken.returncode != 0
        assert b"Traceback" not in said, said


def check(files: int, kills: int, disk: Path | None = None, seed: int = 0, fresh: float = 1.0) -> None:
    """All of it. Raises AssertionError."""
    with tempfile.TemporaryDirectory(prefix="fault-") as name:
        folder = Path(name)
        corpus, model = folder / "corpus", make_narrow(folder / "narrow", SPEECH)
        make_corpus(corpus, files)
        process = encode(corpus, folder / "whole", model)
        process.communicate()
        assert process.returncode == 0
        sound = outputs(folder / "whole")
        assert len(sound) == files
        begin = time.monotonic()
        done = kill_at_random(corpus, folder / "out", model, kills, seed, fresh)
        found = outputs(folder / "out")
        assert found.keys() == sound.keys(), found.keys() ^ sound.keys()
        assert found == sound
        print(
            f"{files} files, {done}, {time.monotonic() - begin:.0f} s: all there, the same bytes, nothing left over", flush=True
        )
        few = folder / "few"
        make_corpus(few, min(files, 8))
        fill(few, folder / "full", model)
        _tell("files that may not grow: each told, nothing left")
        if disk is not None:
            kept = fill_disk(disk, corpus, model, sound)
            print(
                f"a full disk: {kept} of {files} files written and whole, the others told; complete once there is room",
                flush=True,
            )
        pipes(SPEECH, model)
        _tell("slow pipes: the same bytes; broken pipes: ended without a traceback")


def _tell(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--disk", type=Path, help="a folder on a small file system of its own, which is filled up")
    parser.add_argument("--fresh", type=float, default=1.0, help="share of runs that start anew, with two workers, not forked")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    check(options.files, options.kills, options.disk, options.seed, options.fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
